"""PNG files read into arrays of pixels, with nothing but the standard library and numpy."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def png_pixels(png: bytes) -> np.ndarray:
    """Return the pixels of a PNG of 8 bits a channel, by row, column and red, green, blue, alpha."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n"), "not a PNG"
    chunks, at = [], 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + size]))
        at += size + 12
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", dict(chunks)[b"IHDR"])
    assert (depth, interlaced) == (8, 0)
    channels = {2: 3, 6: 4}[kind]
    raw = zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT"))
    lines = np.frombuffer(raw, np.uint8).reshape(height, 1 + width * channels)
    pixels = np.zeros((height + 1, width + 1, channels), np.uint8)  # a row above and a column to the left hold 0
    for row, line in enumerate(lines, 1):
        pixels[row, 1:] = _unfilter(line[0], line[1:].reshape(width, channels).astype(int), pixels[row - 1].astype(int))
    pixels = pixels[1:, 1:]
    opaque = np.full((height, width, 1), 255, np.uint8)
    return pixels if channels == 4 else np.concatenate([pixels, opaque], axis=2)


def _unfilter(kind: int, line: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Return the pixels of one line; `above` is the line before it, with a pixel of 0 to its left."""
    if kind == 0:
        return line
    if kind == 2:
        return (line + above[1:]) % 256
    if kind == 1:
        return line.cumsum(axis=0) % 256
    made = np.zeros_like(above)
    for column, pixel in enumerate(line, 1):
        left, up, corner = made[column - 1], above[column], above[column - 1]
        if kind == 3:
            guess = (left + up) // 2
        else:
            a, b, c = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
            guess = np.where((a <= b) & (a <= c), left, np.where(b <= c, up, corner))
        made[column] = (pixel + guess) % 256
    return made[1:]


def colours_of(pixels: np.ndarray) -> set[str]:
    """Return every opaque colour of a picture, as in "#b83a00"."""
    opaque = pixels[pixels[..., 3] == 255][:, :3]
    return {"#" + bytes(colour).hex() for colour in np.unique(opaque, axis=0).astype(np.uint8)}
