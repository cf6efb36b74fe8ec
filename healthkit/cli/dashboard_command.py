"""The command that serves the panels as one page without code: dashboard."""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import healthkit as hk
from healthkit.cli.options import (
    DataOption,
    ErrorReporter,
    PolicyOption,
    app,
    exit_with_error,
    open_workspace,
    parse_day,
    print_line,
)
from healthkit.files import temp_folders

NOTEBOOK = "notebooks/05_dashboard.ipynb"
TEMPLATES = Path(hk.__file__).parent / "panels"
"""Folder that holds `voila/templates`, as a folder of Jupyter's data."""


@app.command("dashboard", epilog="Example: `python -m healthkit dashboard --data data/sample_store --no-browser`")
def dashboard(
    account: Annotated[
        str, typer.Option(help="The first account of the panels. Default: that with the largest harm.")
    ] = "",
    as_of: Annotated[str, typer.Option(metavar="DAY", help="The as-of day. Default: the last day of the files.")] = "",
    policy: PolicyOption = None,
    look_ahead: Annotated[
        bool,
        typer.Option(help="Rank accounts by simulated futures (about 20 accounts a second), or by their status today."),
    ] = True,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on this machine; 0 takes a free one.")] = 8866,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    data: DataOption = None,
) -> None:
    """Serve the four panels as one page by Voila, on this machine only (127.0.0.1) and without a network.

    The page shows no code. Its address holds a token, so that no other user of the machine opens it. Ctrl-C ends it.
    """
    if importlib.util.find_spec("voila") is None:
        exit_with_error("The dashboard needs Voila: pip install 'healthkit[dashboard]'.")
    port = _free_port(port)
    with ErrorReporter():
        day = parse_day(as_of).isoformat() if as_of else ""
        workspace = open_workspace(data, policy)
        if account:
            workspace.store.check_accounts([account], workspace.accounts)
        store = workspace.store.folder
        folder = temp_folders.make(temp_folders.DASHBOARD_PREFIX)
        notebook = folder / "dashboard.ipynb"
        parameters = {
            "data": str(store.resolve() if isinstance(store, Path) else store), "account": account, "as_of": day,
            "policy": str(Path(policy).resolve()) if policy and Path(policy).is_file() else policy or "",
            "look_ahead": look_ahead,
        }  # fmt: skip
        (folder / "tmp").mkdir()
        hk.batch.write_with_parameters(hk.package_files.path_of(NOTEBOOK), parameters, notebook)
    token = secrets.token_hex(24)
    print_line(f"http://127.0.0.1:{port}/?token={token}")
    sys.stdout.flush()
    try:
        code = subprocess.call(_server_command(notebook, port, browser), env=_server_environment(token, folder / "tmp"))
    except KeyboardInterrupt:
        code = 0
    finally:
        temp_folders.remove(folder)
    raise typer.Exit(code)


def _free_port(port: int) -> int:
    """Return the port, or a free one for 0. Exits with an error if the port is in use."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            exit_with_error(f"Port {port} is in use. Give another with --port, or 0 for a free one.")
        return int(probe.getsockname()[1])


def _server_command(notebook: Path, port: int, browser: bool) -> list[str]:
    """Return the command that serves a notebook on this machine, with a token and without its code."""
    return [
        sys.executable, "-m", "voila", str(notebook), "--template=healthkit", "--Voila.ip=127.0.0.1",
        f"--port={port}", "--Voila.port_retries=0", "--Voila.auto_token=True",
        "--VoilaConfiguration.strip_sources=True", "--VoilaConfiguration.allow_template_override=NO",
        "--VoilaConfiguration.allow_theme_override=NO",
        *([] if browser else ["--no-browser"]),
    ]  # fmt: skip


def _server_environment(token: str, temporary: Path) -> dict[str, str]:
    """Return the environment of the server: its template, its token, which `ps` does not show, and temporary files.

    Voila leaves temporary folders behind when it is stopped: they go with `temporary`.
    """
    paths = filter(None, (str(TEMPLATES), os.environ.get("JUPYTER_PATH")))
    return os.environ | {"JUPYTER_PATH": os.pathsep.join(paths), "JUPYTER_TOKEN": token, "TMPDIR": str(temporary)}
