"""The logo of a client: a small PNG, JPEG or SVG file, checked and put into its pages as a data URI."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from healthkit.report.html.block import HtmlBlock

MAX_LOGO_BYTES = 200 * 1024
"""Largest logo; every page of the client holds it. [bytes]"""
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS = {
    b"IHDR",
    b"PLTE",
    b"IDAT",
    b"IEND",
    b"tRNS",
    b"gAMA",
    b"cHRM",
    b"sRGB",
    b"iCCP",
    b"sBIT",
    b"bKGD",
    b"pHYs",
}
"""Chunks of a PNG that change how it looks; all others (texts, times, camera data) are left out."""
_JPEG_APPS = {0xE0, 0xE2, 0xEE}
"""Segments of a JPEG beside the picture that change how it looks: JFIF, colour profile, colour transform."""
_SVG_FORBIDDEN = {"script", "foreignobject", "iframe", "object", "embed", "handler", "listener", "set", "animate"}
_SVG_ADDRESS = re.compile(r"url\(\s*['\"]?(?!\s*#)|@import|javascript:|expression\(", re.I)


class LogoError(ValueError):
    """Raised if a logo cannot be used; the message names the file and says why and what to do."""


def read_logo(path: Path) -> str:
    """Return a logo file as a data URI, without the texts and camera data that it may hold.

    Raises LogoError for a file that is missing, larger than MAX_LOGO_BYTES, no PNG, JPEG or SVG, damaged, or an SVG
    with scripts or addresses.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LOGO_BYTES + 1)
    except OSError as error:
        raise LogoError(f"{path}: the logo cannot be read ({error.strerror}). Correct the field logo.") from None
    if len(data) > MAX_LOGO_BYTES:
        raise LogoError(f"{path}: the logo is larger than {MAX_LOGO_BYTES // 1024} KiB. Save a smaller one.")
    kind, cleaned = _clean(path, data)
    return f"data:image/{kind};base64,{base64.b64encode(cleaned).decode()}"


def logo_block(data_uri: str) -> HtmlBlock:
    """Return the HTML block of a logo, which stands on white above the heading that names the client."""
    look = "display:block;max-width:240px;max-height:72px;padding:4px;margin:0 0 12px -4px;background:#fff"
    return HtmlBlock(Markup('<div class="hk"><img src="{}" alt="" style="{}"></div>').format(data_uri, look))


def _clean(path: Path, data: bytes) -> tuple[str, bytes]:
    """Return the kind of a logo by its content, and the logo without what does not change how it looks."""
    try:
        if data.startswith(_PNG_START):
            return "png", _PNG_START + b"".join(_png_chunks(data))
        if data.startswith(b"\xff\xd8\xff"):
            return "jpeg", b"\xff\xd8" + b"".join(_jpeg_segments(data))
    except (struct.error, IndexError, ValueError):
        raise LogoError(f"{path}: the logo is damaged or cut off. Save it again.") from None
    if b"<svg" in data[:4096]:
        return "svg+xml", _checked_svg(path, data)
    raise LogoError(f"{path}: the logo is no PNG, JPEG or SVG. Save it as one of them.")


def _png_chunks(data: bytes) -> Iterator[bytes]:
    """Yield the chunks of a PNG that change how it looks. Raises ValueError if it has no end."""
    at = len(_PNG_START)
    while True:
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            raise ValueError
        if kind in _PNG_CHUNKS:
            yield data[at:end]
        if kind == b"IEND":
            return
        at = end


def _jpeg_segments(data: bytes) -> Iterator[bytes]:
    """Yield the segments of a JPEG that change how it looks, the picture last. Raises ValueError if it has no end."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError
        marker = data[at + 1]
        if marker == 0xDA:
            end = data.rindex(b"\xff\xd9") + 2
            yield data[at:end]
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        if at + 2 + length > len(data):
            raise ValueError
        is_extra = marker == 0xFE or (0xE0 <= marker <= 0xEF and marker not in _JPEG_APPS)
        if not is_extra:
            yield data[at : at + 2 + length]
        at += 2 + length


def _checked_svg(path: Path, data: bytes) -> bytes:
    """Return an SVG without comments. Raises LogoError for one that is damaged, or that runs or fetches something."""
    if re.search(rb"<!(DOCTYPE|ENTITY)|<\?xml-stylesheet", data, re.I):
        raise LogoError(f"{path}: the SVG has a DOCTYPE or a style sheet of its own. Save it as plain SVG.")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - without DOCTYPE there are no entities to expand
    except (ElementTree.ParseError, ValueError, LookupError):
        raise LogoError(f"{path}: the SVG is damaged. Save it again.") from None
    for element in root.iter():
        name = _local_name(str(element.tag)).lower()
        texts = [element.text or ""] if name == "style" else []
        links = [value for key, value in element.attrib.items() if _local_name(key).lower() in ("href", "src")]
        if (
            name in _SVG_FORBIDDEN
            or any(_local_name(key).lower().startswith("on") for key in element.attrib)
            or any(_SVG_ADDRESS.search(value) for value in (*element.attrib.values(), *texts))
            or any(not re.match(r"#|data:image/(png|jpeg);", link.strip(), re.I) for link in links)
        ):
            raise LogoError(f"{path}: the SVG holds a script or an address (<{name}>). Save it as plain SVG or as PNG.")
    _drop_metadata(root)
    ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
    return ElementTree.tostring(root)


def _drop_metadata(element: ElementTree.Element) -> None:
    """Remove the descriptions that drawing programs write into an SVG."""
    for child in list(element):
        if _local_name(str(child.tag)).lower() in ("metadata", "title", "desc", "namedview"):
            element.remove(child)
        else:
            _drop_metadata(child)


def _local_name(name: str) -> str:
    return name.rpartition("}")[2]
