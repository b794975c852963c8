"""Just enough about images: their size in pixels, from the head of the file.

Neither decoded nor turned upright: a picture whose data is broken, or that EXIF rotates, would be
described differently by Mattermost.
"""

import struct
from typing import BinaryIO, Final

MAX_PIXELS: Final = 6048 * 4032
"""Mattermost refuses larger ones."""


def dimensions(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF, JPEG or BMP; None for anything else."""
    head = file.read(26)
    try:
        if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
            width, height = struct.unpack(">II", head[16:24])
        elif head.startswith((b"GIF87a", b"GIF89a")):
            width, height = struct.unpack("<HH", head[6:10])
        elif head.startswith(b"BM"):
            width, height = struct.unpack("<ii", head[18:26])
        elif head.startswith(b"\xff\xd8"):
            return _jpeg_dimensions(file)
        else:
            return None
    except struct.error:
        return None
    return width, abs(height)


def _jpeg_dimensions(file: BinaryIO) -> tuple[int, int] | None:
    """Walks the segments up to the frame header (ITU-T T.81, annex B)."""
    file.seek(2)
    while len(segment := file.read(4)) == 4:
        start, marker, size = struct.unpack(">BBH", segment)
        if start != 0xFF:
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            _precision, height, width = struct.unpack(">BHH", file.read(5))
            return width, height
        file.seek(size - 2, 1)
    return None
