"""HTML pages made of blocks: one file that opens from disk, makes no network requests and draws its own charts."""

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
    is_index: bool = False,
) -> str:
    """Return a complete HTML document made of blocks, which may be given as HTML text.

    Charts are drawn by Vega: from a file next to the page (`vega_href`), or from its source in the page (`vega_text`,
    the bundle as vl-convert returns it). A content security policy forbids all requests except for that file.
    `is_index` adds the script of the index of all accounts, which draws, filters and sorts its table.
    """
    parts, shared_spec = pack_charts(_block_html(block) for block in blocks)
    body = Markup("\n").join(map(Markup, map(_without_line_ends, parts)))
    inline = _wrap_bundle(vega_text) if vega_text else ""
    names = "save_chart.js", "page.js", *(["index.js"] if is_index else [])
    scripts = [text for text in (inline, _minified_script(*names)) if text]
    return render_template(
        "page.html.j2",
        title=title,
        lang=lang,
        policy=_content_security_policy(scripts, allow_local_files=bool(vega_href)),
        css=Markup(_minified_css()),  # noqa: S704 - a file of this package
        landscape=landscape,
        body=body,
        shared_spec=Markup(shared_spec),  # noqa: S704 - escaped JSON
        vega_href=vega_href,
        scripts=[Markup(text) for text in scripts],  # noqa: S704 - files of this package and the bundle
    )


def page_styles() -> HtmlBlock:
    """Return the style sheet of all blocks as a block for a notebook; it does not affect other elements."""
    return HtmlBlock(f"<style>{read_asset('page.css')}</style>")


def code_details(source: str) -> str:
    """Return the source code of a cell as a collapsed HTML details element."""
    return str(
        Markup('<details class="hk cell"><summary>Code</summary><pre><code>{}</code></pre></details>').format(source)
    )


def _block_html(block: HtmlBlock | str) -> str:
    return block if isinstance(block, str) else block._repr_html_()


def _without_line_ends(html: str) -> str:
    """Return HTML without the line ends between blocks and the parts of a table, which mean nothing.

    >>> _without_line_ends("<tr>\\n<td>a\\nb</td>\\n</tr>")
    '<tr><td>a\\nb</td></tr>'
    """
    blocks = "td|th|tr|tbody|thead|table|section|h2|h3|p|ol|ul|li|dl|dt|dd|div|figure|figcaption"
    return re.sub(rf"\n+(?=</?(?:{blocks})\b)", "", html)


@cache
def read_asset(name: str) -> str:
    """Return the text of a file in this folder: the style sheet or the script of a page."""
    return (TEMPLATE_FOLDER / name).read_text(encoding="utf-8")


@cache
def _minified_css() -> str:
    """Return the style sheet without comments and blanks that mean nothing, since every page contains it."""
    css = re.sub(r"/\*.*?\*/", "", read_asset("page.css"), flags=re.S)
    css = css.replace("& .", ".")  # In a nested rule, `&` before a class is implied.
    # Texts in quotes stay as they are.
    parts = re.split(r"""("[^"]*"|'[^']*')""", css)
    parts[::2] = [
        re.sub(r": (?=[^{}]*[;}])", ":", re.sub(r" ?([{};,]) ?", r"\1", " ".join(one.split()))) for one in parts[::2]
    ]
    return "".join(parts).replace(";}", "}")


@cache
def _minified_script(*names: str) -> str:
    """Return scripts of a page as one, without comments and most blanks, since every page contains them."""
    script = re.sub(r"^\s*//.*\n|^\s+", "", "".join(map(read_asset, names)), flags=re.M)
    return "\n".join(map(_without_blanks, script.split("\n")))


def _without_blanks(line: str) -> str:
    """Return a line of JavaScript without the blanks around its signs, but for those in texts, where they may matter.

    A line with a template, a regular expression or an escaped sign stays as it is.

    >>> _without_blanks("const a = b ? 'x = y' : c; // d"), _without_blanks("const a = b ? 'x = y' : c;")
    ("const a = b ? 'x = y' : c; // d", "const a=b?'x = y':c;")
    """
    if re.search(r"[`/\\]", line):
        return line
    parts = re.split(r"""('[^']*'|"[^"]*")""", line)
    parts[::2] = [re.sub(r" ?([={}(),;?:]|=>|&&|\|\|) ?", r"\1", one) for one in parts[::2]]
    return "".join(parts)


def _wrap_bundle(bundle: str) -> str:
    """Return a script bundle wrapped in a function scope, with text escaped that would end the script element."""
    return "(()=>{" + bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--") + "})()"


def _content_security_policy(scripts: list[str], allow_local_files: bool) -> str:
    """Return the content security policy that allows the given scripts by hash, and no requests.

    With `allow_local_files`, scripts in files next to the page may run, too.
    """
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts]
    allowed = " ".join([*hashes, *(["'self'", "file:"] if allow_local_files else [])])
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        f"base-uri 'none'; form-action 'none'"
    )
