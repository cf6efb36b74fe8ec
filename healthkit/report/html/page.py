"""The page around the blocks: one HTML file that opens from disk, asks for nothing, and draws its charts itself."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import cache

from markupsafe import Markup

from healthkit.report.html.block import TEMPLATE_FOLDER, HtmlBlock, render_template
from healthkit.report.html.compact_specs import pack_charts


def html_page(
    title: str,
    blocks: Iterable[HtmlBlock | str],
    *,
    vega_href: str = "",
    vega_text: str = "",
    lang: str = "en",
    landscape: bool = False,
) -> str:
    """Return a whole HTML document of blocks (or of their HTML, as a notebook's cells show it).

    Charts are drawn by Vega, from a file beside the page (`vega_href`) or from its text in the page (`vega_text`, the
    bundle as Altair's tools give it). A policy in the head forbids every request but that file.
    """
    parts, looks = pack_charts(_block_html(block) for block in blocks)
    body = Markup("\n").join(map(Markup, parts))
    inline = _wrap_bundle(vega_text) if vega_text else ""
    scripts = [text for text in (inline, read_asset("page.js")) if text]
    return render_template(
        "page.html.j2",
        title=title,
        lang=lang,
        policy=_content_security_policy(scripts, allow_local_files=bool(vega_href)),
        css=Markup(_minified_css()),  # noqa: S704 - a file of ours
        landscape=landscape,
        body=body,
        looks=Markup(looks),  # noqa: S704 - escaped JSON
        vega_href=vega_href,
        scripts=[Markup(text) for text in scripts],  # noqa: S704 - files of ours and the bundle
    )


def page_styles() -> HtmlBlock:
    """Return the looks of all blocks, for a notebook; they reach no element outside a block."""
    return HtmlBlock(f"<style>{read_asset('page.css')}</style>")


def code_details(source: str) -> str:
    """Return the code of a cell, hidden and one click away."""
    return str(
        Markup('<details class="hk cell"><summary>Code</summary><pre><code>{}</code></pre></details>').format(source)
    )


def _block_html(block: HtmlBlock | str) -> str:
    return block if isinstance(block, str) else block._repr_html_()


@cache
def read_asset(name: str) -> str:
    """Return a file of this folder that goes into the page as it is."""
    return (TEMPLATE_FOLDER / name).read_text(encoding="utf-8")


@cache
def _minified_css() -> str:
    """Return the looks without comments and indents: every page carries them."""
    return re.sub(r"/\*.*?\*/|^\s+", "", read_asset("page.css"), flags=re.S | re.M)


def _wrap_bundle(bundle: str) -> str:
    """Return a bundle whose names stay its own, and in which nothing ends the script early."""
    return "(()=>{" + bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--") + "})()"


def _content_security_policy(scripts: list[str], allow_local_files: bool) -> str:
    """Which scripts may run: these, word for word, and where there is one the file beside the page; no requests."""
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts]
    allowed = " ".join([*hashes, *(["'self'", "file:"] if allow_local_files else [])])
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        f"base-uri 'none'; form-action 'none'"
    )
