"""What of EXIF is needed to show a picture: which way up it is (CIPA DC-008, 4.6.4)."""

import struct
from typing import Literal

_MARK = b"Exif\0"
_MARK_SIZE = 6
_ORIENTATION = 0x0112
_INTEGERS = {1: 1, 3: 2, 4: 4}
"""BYTE, SHORT and LONG, and their bytes. The standard says SHORT, readers take all."""
_AS_STORED = 1
_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}


def without_mark(data: bytes) -> bytes:
    """The TIFF structure, which begins with ``Exif`` in JPEG and sometimes elsewhere."""
    return data[_MARK_SIZE:] if data.startswith(_MARK) else data


def only_orientation(tiff: bytes) -> bytes:
    """A TIFF structure with the orientation alone; empty where that is as stored, or not told.

    Not longer than ``tiff``.
    """
    orientation = _orientation(tiff)
    if orientation is None:
        return b""
    entry = struct.pack(">HHIHH", _ORIENTATION, 3, 1, orientation, 0)
    # The link to the next directory goes where ``tiff`` had no room for it, either.
    return (b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4))[: len(tiff)]


def _orientation(tiff: bytes) -> int | None:
    """2 to 8."""
    order = _ORDERS.get(tiff[:4])
    if order is None:
        return None
    start = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[start : start + 2], order)
    if start < 8:
        return None
    for at in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        kind = int.from_bytes(tiff[at + 2 : at + 4], order)
        if int.from_bytes(tiff[at : at + 2], order) == _ORIENTATION and kind in _INTEGERS:
            value = int.from_bytes(tiff[at + 8 : at + 8 + _INTEGERS[kind]], order)
            return value if _AS_STORED < value <= 8 else None
    return None
