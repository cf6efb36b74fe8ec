"""The page around the blocks: one HTML file that opens from disk, asks for nothing, and draws its charts itself."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import cache

from markupsafe import Markup

from healthkit.report.blocks.block import FOLDER, Block, rendered
from healthkit.report.blocks.compact_specs import packed


def page(
    title: str,
    blocks: Iterable[Block | str],
    *,
    vega_href: str = "",
    vega_text: str = "",
    lang: str = "en",
    landscape: bool = False,
) -> str:
    """A whole HTML document of blocks (or of their HTML, as a notebook's cells show it).

    Charts are drawn by Vega, from a file beside the page (`vega_href`) or from its text in the page (`vega_text`, the
    bundle as Altair's tools give it). A policy in the head forbids every request but that file.
    """
    parts, looks = packed(_html(block) for block in blocks)
    body = Markup("\n").join(map(Markup, parts))
    inline = _wrapped(vega_text) if vega_text else ""
    scripts = [text for text in (inline, asset("page.js")) if text]
    return rendered(
        "page.html.j2",
        title=title,
        lang=lang,
        policy=_policy(scripts, beside=bool(vega_href)),
        css=Markup(_css()),  # noqa: S704 - a file of ours
        landscape=landscape,
        body=body,
        looks=Markup(looks),  # noqa: S704 - escaped JSON
        vega_href=vega_href,
        scripts=[Markup(text) for text in scripts],  # noqa: S704 - files of ours and the bundle
    )


def style() -> Block:
    """The looks of all blocks, for a notebook; they reach no element outside a block."""
    return Block(f"<style>{asset('page.css')}</style>")


def code(source: str) -> str:
    """The code of a cell, hidden and one click away."""
    return str(
        Markup('<details class="hk cell"><summary>Code</summary><pre><code>{}</code></pre></details>').format(source)
    )


def _html(block: Block | str) -> str:
    return block if isinstance(block, str) else block._repr_html_()


@cache
def asset(name: str) -> str:
    """A file of this folder that goes into the page as it is."""
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def _css() -> str:
    """The looks without comments and indents: every page carries them."""
    return re.sub(r"/\*.*?\*/|^\s+", "", asset("page.css"), flags=re.S | re.M)


def _wrapped(bundle: str) -> str:
    """A bundle whose names stay its own, and in which nothing ends the script early."""
    return "(()=>{" + bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--") + "})()"


def _policy(scripts: list[str], beside: bool) -> str:
    """Which scripts may run: these, word for word, and where there is one the file beside the page; no requests."""
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts]
    allowed = " ".join([*hashes, *(["'self'", "file:"] if beside else [])])
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        f"base-uri 'none'; form-action 'none'"
    )
