"""Read report pages: their text, the rows of their tables, and the page in a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any


def words(html: str) -> str:
    """The text of a block, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("\N{NON-BREAKING HYPHEN}", "-").split())


def rows_of(html: str) -> list[str]:
    """The rows of a table as text, its head left out."""
    body = html.split("<tbody", 1)[1].split("</tbody>")[0]
    return [words("<" + row) for row in body.split("<tr")[1:]]


LABELS = """() => [...document.querySelectorAll('.chart svg')].filter(svg => svg.checkVisibility()).flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].filter(text => text.textContent.trim())
    .map(text => [text.textContent, text.getBoundingClientRect()]);
  const frame = svg.getBoundingClientRect();
  const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2;
  const others = (n, a) => boxes.slice(n + 1).filter(([, b]) => over(a, b));
  const both = boxes.flatMap(([one, a], n) => others(n, a).map(([two]) => one + ' | ' + two));
  const beyond = ([, a]) => a.left < frame.left - 2 || a.right > frame.right + 2;
  const out = boxes.filter(beyond).map(([one]) => one + ' | edge');
  return [...both, ...out];
})"""


def opened(browser: Any, path: Path, width: int = 1280, zone: str = "America/Los_Angeles") -> tuple[Any, list[str]]:
    """A page opened from disk with no network, and all that its console and its requests said."""
    context = browser.new_context(viewport={"width": width, "height": 900}, timezone_id=zone, offline=True)
    sheet, said = context.new_page(), []
    sheet.on("console", lambda message: said.append(message.text))
    sheet.on("pageerror", lambda error: said.append(str(error)))
    sheet.on(
        "request", lambda request: None if request.url.startswith(path.parent.as_uri()) else said.append(request.url)
    )
    sheet.goto(path.as_uri())
    sheet.wait_for_function("['drawn', 'failed'].includes(document.documentElement.dataset.charts)")
    return sheet, said
