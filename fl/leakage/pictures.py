"""Galleries of hidden and reconstructed pictures, as one self-contained SVG.

    picture --8 bits, zlib--> PNG --base64--> <image> of the SVG, in a grid with labels

Pixels are shown as squares, so a reader sees exactly what was reconstructed.
"""

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl.report.markup import Html, join, tag
from mpc.errors import ParameterError

__all__ = ["Strip", "gallery", "png"]

_CELL, _GAP, _LABEL, _HEAD = 56, 6, 290, 26


@dataclass(frozen=True, slots=True)
class Strip:
    """One line of a gallery: what was seen or reconstructed, and a note under the label.

    Shapes: pictures [columns, side * side] in [0, 1].
    """

    label: str
    note: str
    pictures: NDArray[np.float64]


def png(picture: NDArray[np.float64]) -> bytes:
    """A grey picture in [0, 1] as a PNG file.

    Shapes: picture [height, width].
    Source: PNG specification (ISO/IEC 15948), colour type 0, 8 bits, no filter.
    """
    height, width = picture.shape
    rows = np.rint(np.clip(picture, 0.0, 1.0) * 255).astype(np.uint8)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def gallery(title: str, strips: Sequence[Strip]) -> Html:
    """The strips under each other, one column a hidden record; dark letters on white, so that it also stands alone.

    Raises: ParameterError for no strips, or pictures that are not square.
    """
    if not strips:
        raise ParameterError("a gallery needs at least one line of pictures")
    columns = max(len(strip.pictures) for strip in strips)
    width = _LABEL + columns * (_CELL + _GAP) + _GAP
    height = _HEAD + len(strips) * (_CELL + _GAP) + _GAP
    lines = [_line(strip, _HEAD + place * (_CELL + _GAP)) for place, strip in enumerate(strips)]
    return tag(
        "svg",
        tag("rect", width="100%", height="100%", fill="white"),
        tag("text", title, x=_GAP, y=18, font_weight="bold"),
        *lines,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        font_family="sans-serif",
        font_size=12,
        fill="#333",
        role="img",
        aria_label=title,
        class_="gallery",
    )


def _line(strip: Strip, top: int) -> Html:
    pixels = strip.pictures.shape[1]
    side = round(pixels**0.5)
    if side * side != pixels:
        raise ParameterError(f"a gallery shows square pictures, and {pixels} is not a square")
    cells = [
        tag(
            "image",
            x=_LABEL + place * (_CELL + _GAP),
            y=top,
            width=_CELL,
            height=_CELL,
            style="image-rendering:pixelated",
            href="data:image/png;base64," + base64.b64encode(png(picture.reshape(side, side))).decode(),
        )
        for place, picture in enumerate(strip.pictures)
    ]
    label = tag("text", strip.label, x=_GAP, y=top + _CELL / 2 - 3)
    note = tag("text", strip.note, x=_GAP, y=top + _CELL / 2 + 13, fill="#777", font_size=11)
    return join(label, note, *cells)
