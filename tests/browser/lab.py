"""A JupyterLab of its own for tests: fresh settings, loopback only, and a page that reaches nothing else."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.builders.notebooks import write_notebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
TOKEN = "only-this-machine"
QUIET_SETTINGS = {
    "@jupyterlab/apputils-extension": {"notification": {"fetchNews": "false", "checkForUpdates": False}},
}


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def _settings(folder: Path) -> None:
    for extension, files in QUIET_SETTINGS.items():
        for name, values in files.items():
            path = folder / extension / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))


class Lab:
    """A running JupyterLab: its address, and the folder that it shows."""

    def __init__(self, url: str, root: Path) -> None:
        self.url, self.root = url, root

    def add(self, name: str, data: Path, **given: Any) -> str:
        """Copy one of our notebooks into the folder, its parameters set; its name there."""
        held = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))
        values = {"data": str(data), **given}
        for cell in held["cells"]:
            if "parameters" in cell["metadata"].get("tags", []):
                cell["source"] = "".join(cell["source"]) + "".join(f"\n{k} = {v!r}" for k, v in values.items())
        (self.root / name).write_text(json.dumps(held), encoding="utf-8")
        return name

    def write(self, name: str, cells: list[str]) -> str:
        """Write a notebook of some code cells into the folder."""
        return write_notebook(self.root / name, *cells).name


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """Start a JupyterLab that lives in a folder, and stop it in the end."""
    root = folder / "work"
    root.mkdir()
    places = {name: folder / name for name in ("config", "data", "runtime", "settings", "workspaces", "ipython")}
    _settings(places["settings"])
    port = _free_port()
    env = os.environ | {
        "JUPYTER_CONFIG_DIR": str(places["config"]), "JUPYTER_DATA_DIR": str(places["data"]),
        "JUPYTER_RUNTIME_DIR": str(places["runtime"]), "JUPYTERLAB_SETTINGS_DIR": str(places["settings"]),
        "JUPYTERLAB_WORKSPACES_DIR": str(places["workspaces"]), "IPYTHONDIR": str(places["ipython"]),
    }  # fmt: skip
    asked = [
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--no-browser",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}", "--LabApp.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        asked.append("--allow-root")
    log = (folder / "server.log").open("w")
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *asked], env=env, stdout=log, stderr=log)
    try:
        _wait_for(port, server, folder / "server.log")
        yield Lab(f"http://127.0.0.1:{port}", root)
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()
        shutil.rmtree(root, ignore_errors=True)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError(f"JupyterLab ended: {log.read_text()[-2000:]}")
        with socket.socket() as held:
            if held.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("JupyterLab did not start within a minute")


SESSION = "context?.sessionContext?.session"
RAN = """() => {
  const panel = window.jupyterapp?.shell?.currentWidget;
  const kernel = panel?.context?.sessionContext?.session?.kernel;
  if (kernel?.status !== "idle") return false;
  const code = panel.content.widgets.filter((cell) => cell.model.type === "code");
  return code.length && code.every((cell) => cell.model.executionCount !== null);
}"""


def run_all(browser: Any, held: Lab, name: str, **looks: Any) -> Any:
    """Open a notebook in a page of its own, run all its cells, and wait for the last; nothing else can be reached.

    What the console said as an error is in `page.said`, what it asked of other machines in `page.asked`.
    """
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 1600}} | looks))
    page = context.new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.said.append(str(error)))

    def only_here(route: Any) -> None:
        if route.request.url.startswith(held.url):
            route.continue_()
        else:
            page.asked.append(route.request.url)
            route.abort()

    context.route(lambda url: not url.startswith((held.url, "data:", "blob:")), only_here)
    page.goto(f"{held.url}/lab/tree/{name}?token={TOKEN}&reset")
    page.wait_for_function(f"window.jupyterapp?.shell?.currentWidget?.{SESSION}?.kernel", timeout=60_000)
    page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.context.ready; }")
    # Cells outside of the window are drawn late; an output that waits to be seen is no output yet.
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(RAN, timeout=90_000)
    return page
