"""The logo of a client: kind, size and content are checked, and nothing but the picture reaches a page."""

from __future__ import annotations

import base64
import struct
import zlib

import pytest

from healthkit.report.html.logo import MAX_LOGO_BYTES, LogoError, logo_block, read_logo


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
END = chunk(b"IDAT", zlib.compress(b"\0\1\2\3")) + chunk(b"IEND", b"")
JPEG = (
    b"\xff\xd8\xff\xe0\0\4JF\xff\xe1\0\x0bExif:Jane\xff\xfe\0\x08by Jo:\xff\xdb\0\3q\xff\xda\0\2scan\xff\0end\xff\xd9"
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{}<rect width="9" height="9" fill="url(#a)"/></svg>'


def content(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])


def test_a_png_keeps_its_picture_and_loses_its_texts(tmp_path):
    (tmp_path / "logo.png").write_bytes(PNG + chunk(b"tEXt", b"Author\0Jane") + chunk(b"eXIf", b"Jane") + END + b"tail")
    uri = read_logo(tmp_path / "logo.png")
    assert uri.startswith("data:image/png;base64,")
    assert content(uri) == PNG + END
    assert f'src="{uri}"' in logo_block(uri)._repr_html_()


def test_a_jpeg_loses_camera_data_and_comments(tmp_path):
    (tmp_path / "logo").write_bytes(JPEG)
    uri = read_logo(tmp_path / "logo")
    assert uri.startswith("data:image/jpeg;base64,")
    assert content(uri) == b"\xff\xd8\xff\xe0\0\4JF\xff\xdb\0\3q\xff\xda\0\2scan\xff\0end\xff\xd9"


def test_an_svg_loses_comments_and_descriptions(tmp_path):
    (tmp_path / "logo.svg").write_text("<!-- Jane -->" + SVG.format("<metadata>Jane</metadata><title>Jane</title>"))
    uri = read_logo(tmp_path / "logo.svg")
    assert uri.startswith("data:image/svg+xml;base64,")
    assert b"<rect" in content(uri)
    assert b"Jane" not in content(uri)


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        '<g onload="alert(1)"/>',
        '<a href="javascript:alert(1)"/>',
        '<image href="https://example.invalid/x.png"/>',
        '<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="other.svg#a"/>',
        "<style>@import 'https://example.invalid/x.css'</style>",
        "<style>rect { fill: url(https://example.invalid/x) }</style>",
        '<g style="fill: url( https://example.invalid/x)"/>',
        "<foreignObject><p>x</p></foreignObject>",
        '<image href="data:image/svg+xml;base64,PHN2Zz4="/>',
        '<animate attributeName="href" to="javascript:alert(1)"/>',
    ],
)
def test_an_svg_that_runs_or_fetches_something_is_refused(tmp_path, inside):
    (tmp_path / "logo.svg").write_text(SVG.format(inside))
    with pytest.raises(LogoError, match="holds a script or an address"):
        read_logo(tmp_path / "logo.svg")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg"/>', "DOCTYPE"),
        (b"<svg><rect></svg>", "the SVG is damaged"),
        (PNG + END[:-3], "damaged or cut off"),
        (PNG, "damaged or cut off"),
        (JPEG[:-2], "damaged or cut off"),
        (b"GIF89a", "no PNG, JPEG or SVG"),
        (b"", "no PNG, JPEG or SVG"),
        (b"x" * (MAX_LOGO_BYTES + 1), "larger than 200 KiB"),
    ],
)
def test_what_is_no_logo_is_refused_with_a_cure(tmp_path, data, why):
    (tmp_path / "logo").write_bytes(data)
    with pytest.raises(LogoError, match=why) as told:
        read_logo(tmp_path / "logo")
    assert str(tmp_path / "logo") in str(told.value)


def test_a_missing_logo_is_told(tmp_path):
    with pytest.raises(LogoError, match="cannot be read"):
        read_logo(tmp_path / "none.png")
