"""The sizes and frames of GIF, PNG and WebP pictures."""

import re
import struct

from gateway.inspection.measuring import Extent, Source, Unreadable

_GIF_BLOCK = re.compile(rb"[,!;]")
_GIF_IMAGE, _GIF_EXTENSION, _GIF_END = b",", b"!", b";"
_WEBP_ANIMATED = 0x02
"""In the flags of VP8X."""


def gif(source: Source, extent: Extent) -> None:
    """The canvas and each frame, over whatever lies between blocks as some readers do."""
    width, height, flags = struct.unpack("<HHB", source.read(6, 5))
    extent.enlarge(width, height)
    at = 13 + _color_table(flags)
    while True:
        kind = source.read(at, 1)
        if kind == _GIF_END:
            return
        if kind == _GIF_EXTENSION:
            at = _behind_blocks(source, at + 2)
        elif kind == _GIF_IMAGE:
            left, top, width, height, flags = struct.unpack("<4HB", source.read(at + 1, 9))
            extent.enlarge(left + width, top + height)
            extent.frames += 1
            at = _behind_blocks(source, at + 10 + _color_table(flags) + 1)
        else:
            at = _next_block(source, at)


def _color_table(flags: int) -> int:
    """Bytes that it takes."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _next_block(source: Source, at: int) -> int:
    while True:
        block = source.block(at)
        found = _GIF_BLOCK.search(block)
        if found is not None:
            return at + found.start()
        at += len(block)


def _behind_blocks(source: Source, at: int) -> int:
    """The place behind the sub-blocks that begin at ``at``."""
    while True:
        block = source.block(at)
        offset, passed = 0, 0
        while offset < len(block):
            size = block[offset]
            offset += size + 1
            if not size:
                return at + offset
            passed += 1
        source.spend(passed // 8)
        at += offset


def png(source: Source, extent: Extent) -> None:
    """All chunks if it is animated, which has to be said before the picture begins."""
    extent.enlarge(*struct.unpack(">II", source.read(16, 8)))
    at, animated, counted = 8, False, 0
    while True:
        size, kind = struct.unpack(">I4s", source.read(at, 8))
        if kind == b"IEND" or (kind == b"IDAT" and not animated):
            return
        if kind == b"acTL":
            animated = True
            extent.frames = max(extent.frames, *struct.unpack(">I", source.read(at + 8, 4)))
        elif kind == b"fcTL":
            extent.enlarge(*struct.unpack(">II", source.read(at + 12, 8)))
            counted += 1
            extent.frames = max(extent.frames, counted)
        at += 12 + size


def webp(source: Source, extent: Extent) -> None:
    """All chunks if it is animated, otherwise the first picture."""
    end = int.from_bytes(source.read(4, 4), "little") + 8
    at, animated = 12, False
    while at < end:
        kind, size = struct.unpack("<4sI", source.read(at, 8))
        at += 8
        if kind == b"VP8X":
            flags, canvas = source.read(at, 1)[0], source.read(at + 4, 6)
            animated = bool(flags & _WEBP_ANIMATED)
            extent.enlarge(*_less_one(canvas))
        elif kind == b"ANMF":
            extent.enlarge(*_frame(source, at))
            extent.frames += 1
        elif kind in (b"VP8 ", b"VP8L"):
            extent.enlarge(*_bitstream(source, at, kind))
            if not animated:
                return
        at += size + size % 2


def _less_one(sizes: bytes) -> tuple[int, int]:
    """Two sizes of 24 bits, each written as one less."""
    return int.from_bytes(sizes[:3], "little") + 1, int.from_bytes(sizes[3:], "little") + 1


def _frame(source: Source, at: int) -> tuple[int, int]:
    """What a frame of an animation reaches to, and what is in it."""
    x, y = (2 * (size - 1) for size in _less_one(source.read(at, 6)))
    width, height = _less_one(source.read(at + 6, 6))
    return x + width, y + height


def _bitstream(source: Source, at: int, kind: bytes) -> tuple[int, int]:
    if kind == b"VP8L":
        mark, bits = struct.unpack("<BI", source.read(at, 5))
        if mark != 0x2F:
            raise Unreadable
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    mark, width, height = struct.unpack("<3sHH", source.read(at + 3, 7))
    if mark != b"\x9d\x01\x2a":
        raise Unreadable
    return width & 0x3FFF, height & 0x3FFF
