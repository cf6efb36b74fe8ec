"""Pages and notebooks: report, lab."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import healthkit as hk
from healthkit.cli.asking import Accounts, Data, PolicyName, app, desk, err, fail, month_of, out, sentences


@app.command("report", epilog="Example: `python -m healthkit report --month 2026-10 --data data/sample_store`")
def report(
    month: Annotated[
        str, typer.Option(parser=month_of, metavar="YYYY-MM", help="The month; its last day is the as-of day.")
    ],
    account: Accounts = None,
    policy: PolicyName = None,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the pages.")] = Path("reports"),
    made: Annotated[str, typer.Option(help="When the report was made, as it is to stand in its footer.")] = "",
    data: Data = None,
) -> None:
    """Write the monthly report of each account as an HTML page that opens offline, and an index over all."""
    with sentences():
        book = desk(data, policy)
        printed = hk.press.print_month(book, month, account, out_dir, made=made, console=err)
    for failure in printed.failures:
        err.print(f"failed  {failure.account}: {failure.what}", style="red", soft_wrap=True, markup=False)
    out.print(f"{hk.wording.things(printed.pages, 'report')}, {len(printed.failures):,} failed.")
    typer.echo(str(printed.index))
    if printed.failures:
        raise typer.Exit(1)


@app.command(
    "lab",
    epilog="Example: `python -m healthkit lab`",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def lab(context: typer.Context) -> None:
    """Open JupyterLab in notebooks/, on this machine only (127.0.0.1, with its token).

    Other options go to JupyterLab, such as --allow-root in a container or --no-browser.
    """
    folder = Path("notebooks")
    if not folder.is_dir():
        fail("There is no folder notebooks/ here. Run this in the folder of the project.")
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={folder.resolve()}",
    ]
    raise typer.Exit(subprocess.call(command))
