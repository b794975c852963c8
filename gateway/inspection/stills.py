"""The sizes of JPEG, BMP, TIFF and PSD pictures."""

import re
import struct
from typing import Literal

from gateway.inspection.measuring import Extent, Source, Unreadable

_MARKER = re.compile(rb"\xff([^\x00\xff])")
_EOI, _SOS, _DHP = 0xD9, 0xDA, 0xDE
_ALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
"""TEM, SOI, RST: markers that no segment follows."""
_FRAMES = frozenset({*range(0xC0, 0xD0), _DHP}) - {0xC4, 0xC8, 0xCC}
"""SOF and DHP: all that say a size (ITU-T T.81, B.2.2 and B.3.2)."""

_OS2_HEADER = 12
_BIG_TIFF = 43
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_INTEGERS = {1: 1, 3: 2, 4: 4, 16: 8}
"""BYTE, SHORT, LONG and LONG8, and their bytes."""
_ENTRIES_AT_ONCE = 2048
_MOST_ENTRIES = 65_535
_ByteOrder = Literal["little", "big"]


def jpeg(source: Source, extent: Extent) -> None:
    """Goes from marker to marker as Go and libjpeg do, over whatever lies between segments.

    No decoder takes a second frame header behind the first scan.
    """
    at = 2
    while True:
        at, marker = _next_marker(source, at)
        if marker in (_SOS, _EOI):
            return
        if marker in _ALONE:
            continue
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", source.read(at + 3, 4))
            extent.enlarge(width, height)
        at += max(2, int.from_bytes(source.read(at, 2), "big"))


def _next_marker(source: Source, at: int) -> tuple[int, int]:
    """The first marker from ``at`` on, and the place behind it."""
    here = source.read(at, 2)
    if here[0] == 0xFF and 0 < here[1] < 0xFF:
        return at + 2, here[1]
    while True:
        block = source.block(at)
        found = _MARKER.search(block)
        if found is not None:
            return at + found.end(), found[1][0]
        at += len(block) - block.endswith(b"\xff") or 1


def bmp(source: Source, extent: Extent) -> None:
    if int.from_bytes(source.read(14, 4), "little") == _OS2_HEADER:
        extent.enlarge(*struct.unpack("<HH", source.read(18, 4)))
    else:
        width, height = struct.unpack("<ii", source.read(18, 8))
        extent.enlarge(abs(width), abs(height))


def psd(source: Source, extent: Extent) -> None:
    height, width = struct.unpack(">II", source.read(14, 8))
    extent.enlarge(width, height)


def tiff(source: Source, extent: Extent) -> None:
    """Every page, in the order of their links; one without a size is some reader's own."""
    order: _ByteOrder = "little" if source.read(0, 2) == b"II" else "big"
    big = int.from_bytes(source.read(2, 2), order) == _BIG_TIFF
    word = 8 if big else 4
    at = int.from_bytes(source.read(8 if big else 4, word), order)
    seen: set[int] = set()
    while at:
        if at in seen:
            raise Unreadable
        seen.add(at)
        count_size = 8 if big else 2
        count = int.from_bytes(source.read(at, count_size), order)
        if count > _MOST_ENTRIES:
            raise Unreadable
        at += count_size
        width, height = _page(source, at, count, order, word)
        if width and height:
            extent.frames += 1
            extent.enlarge(width, height)
        at += count * (4 + 2 * word)
        at = int.from_bytes(source.read(at, word), order)


def _page(source: Source, at: int, count: int, order: _ByteOrder, word: int) -> tuple[int, int]:
    """Width and height that ``count`` entries from ``at`` on give; the larger of two."""
    size = 4 + 2 * word
    sizes = {_TIFF_WIDTH: 0, _TIFF_HEIGHT: 0}
    for first in range(0, count, _ENTRIES_AT_ONCE):
        entries = source.read(at + first * size, min(_ENTRIES_AT_ONCE, count - first) * size)
        source.spend(len(entries) // size)
        for entry in range(0, len(entries), size):
            tag = int.from_bytes(entries[entry : entry + 2], order)
            kind = int.from_bytes(entries[entry + 2 : entry + 4], order)
            if tag in sizes and kind in _TIFF_INTEGERS:
                if int.from_bytes(entries[entry + 4 : entry + 4 + word], order) != 1:
                    raise Unreadable  # some readers take the first of several, which lie elsewhere
                value = entries[entry + 4 + word :][: _TIFF_INTEGERS[kind]]
                sizes[tag] = max(sizes[tag], int.from_bytes(value, order))
    return sizes[_TIFF_WIDTH], sizes[_TIFF_HEIGHT]
