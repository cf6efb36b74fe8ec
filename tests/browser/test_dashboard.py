"""The dashboard by Voila: four panels on one page, no code, silent, reaching no other machine, used by all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.axe import violations
from tests.builders.sample import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(sample_store, tmp_path_factory) -> Iterator[str]:
    """The address of a dashboard of the sample, which ends with the module."""
    pytest.importorskip("voila")
    folder = tmp_path_factory.mktemp("dashboard")
    log = folder / "log"
    command = [sys.executable, "-m", "healthkit", "dashboard", "--data", str(sample_store), "--as-of", "2026-10-31",
               "--account", "birchway-crafts", "--no-browser", "--port", "0"]  # fmt: skip
    env = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    with log.open("w") as written:
        server = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT, env=env, cwd=folder)
        try:
            yield _wait_for_address(server, log)
        finally:
            server.terminate()
            server.wait(20)
    assert list(folder.glob("healthkit-dashboard-*")) == [], "the notebook with its parameters must be gone"


def _wait_for_address(server: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(600):
        text = log.read_text(encoding="utf-8")
        if "is running at" in text:
            return re.findall(r"^http://127\.0\.0\.1:\d+/\?token=\w+$", text, re.M)[0]
        assert server.poll() is None, text
        time.sleep(0.1)
    raise AssertionError(log.read_text(encoding="utf-8"))


@pytest.fixture
def opened(offline_chromium, address):
    """The dashboard in a browser that reaches the server alone, as soon as all panels are drawn."""
    contexts = []

    def open_page(url: str = address, **looks):
        context = offline_chromium.new_context(**looks)
        contexts.append(context)
        page, home = context.new_page(), address.partition("?")[0]
        page.console_lines, page.requests_elsewhere = [], []
        page.on("console", lambda message: page.console_lines.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.console_lines.append(str(error)))
        context.route(
            lambda url: not url.startswith((home, "data:", "blob:")),
            lambda route: (page.requests_elsewhere.append(route.request.url), route.abort()),
        )
        page.goto(url, timeout=60_000)
        return page

    yield open_page
    for context in contexts:
        context.close()


CUT_MEASURES = """() => [...document.querySelectorAll(".hk-measure select")].flatMap((list) => {
  const pen = document.createElement("canvas").getContext("2d"), arrow = 24;
  pen.font = getComputedStyle(list).font;
  const names = [...list.options].map((one) => one.text);
  return names.filter((text) => pen.measureText(text).width + arrow > list.clientWidth);
})"""
"""The names of measures that a list does not show whole."""


@pytest.mark.parametrize(("width", "colours"), [(1280, "light"), (390, "dark")])
def test_the_four_panels_stand_on_one_page_that_asks_nobody(opened, width, colours):
    page = opened(viewport={"width": width, "height": 1200}, color_scheme=colours)
    page.wait_for_function("document.querySelectorAll('.hk-answer svg').length >= 4", timeout=90_000)
    assert page.locator(".hk-panel").count() == 4
    assert page.locator(".jp-CodeCell .jp-InputArea").count() == 0
    assert "hk.setup" not in page.content()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    findings = page.evaluate("[...document.querySelectorAll('.hk-answer .now')].map(one => one.offsetWidth)")
    assert min(findings) > 300, "on a phone a finding stands above its button, not beside it"
    assert page.locator(".hk-measure select").count() == 4
    assert page.evaluate(CUT_MEASURES) == []
    arrow = page.evaluate("getComputedStyle(document.querySelector('.widget-dropdown select')).backgroundImage")
    assert ("ecebe6" in arrow) == (colours == "dark"), "the arrow of a list is light on dark"
    assert violations(page, "body") == []
    assert (page.console_lines, page.requests_elsewhere) == ([], [])


def test_a_panel_answers_a_key(opened):
    page = opened(viewport={"width": 1280, "height": 1200})
    page.wait_for_function("document.querySelectorAll('.hk-answer svg').length >= 4", timeout=90_000)
    findings = "[...document.querySelectorAll('.hk-answer .finding')].map(one => one.textContent).join()"
    before = page.evaluate(findings)
    measure = page.locator(".hk-panel").nth(1).get_by_label("Measure", exact=True)
    measure.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.wait_for_function(f"before => {findings} !== before", arg=before, timeout=20_000)


def test_without_the_token_nothing_is_shown(opened, address):
    page = opened(address.partition("?")[0])
    assert page.locator(".hk-panel").count() == 0
    assert "login" in page.url


def test_without_voila_the_command_says_what_to_install(run, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    shown = run("dashboard", "--no-browser")
    assert shown.exit_code == 1
    assert "pip install 'healthkit[dashboard]'" in shown.stderr
