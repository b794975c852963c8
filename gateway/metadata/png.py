"""PNG (W3C, third edition): kept are the chunks that decoders need, as they are."""

import re
import struct
import zlib
from collections.abc import Callable

from gateway.metadata.exif import only_orientation, without_mark
from gateway.metadata.stripper import Stripper, Unparsable

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NAME = re.compile(rb"[A-Za-z]{4}")
_HEADER, _AROUND = 8, 12
"""Bytes of size and name; these, and those of the checksum."""
_LARGEST = 2**31 - 1
_NEEDED = {
    b"PLTE": range(769),
    b"IDAT": range(_LARGEST + 1),
    b"IEND": range(1),
    b"tRNS": range(257),
    b"bKGD": range(7),
    b"cHRM": range(33),
    b"cICP": range(5),
    b"cLLI": range(9),
    b"gAMA": range(5),
    b"iCCP": range(_LARGEST + 1),
    b"mDCV": range(25),
    b"pHYs": range(10),
    b"sBIT": range(5),
    b"sRGB": range(2),
    b"acTL": range(9),
    b"fcTL": range(27),
    b"fdAT": range(_LARGEST + 1),
}
"""Pixels, transparency, colour, density, animation; and how large they can be."""
_HEAD = b"IHDR"
_HEAD_SIZE = 13
_CRITICAL = range(ord("A"), ord("Z") + 1)
"""First letters of chunks without which nobody can decode the picture."""
_EXIF_SEEN = 64 * 1024
"""Bytes of an EXIF chunk in which the orientation has to be found."""


class PngStripper(Stripper):
    """Wants the picture to be there to its end."""

    def __init__(self) -> None:
        super().__init__()
        self._next: Callable[[], bool] = self._start
        self._has_exif = False
        """Only the first counts."""

    def _step(self) -> bool:
        return self._next()

    def _end(self) -> None:
        if self._next != self._behind or self._left:
            raise Unparsable

    def _start(self) -> bool:
        size = len(_SIGNATURE) + _HEADER
        if self._seen() < size:
            return False
        begin = self._data[self._at : self._at + size]
        if begin != _SIGNATURE + struct.pack(">I", _HEAD_SIZE) + _HEAD:
            raise Unparsable
        self._keep(size + _HEAD_SIZE + 4)
        self._next = self._chunk
        return True

    def _chunk(self) -> bool:
        if self._seen() < _HEADER:
            return False
        size, name = struct.unpack_from(">I4s", self._data, self._at)
        if size > _LARGEST or not _NAME.fullmatch(name):
            raise Unparsable
        if size in _NEEDED.get(name, ()):
            self._keep(size + _AROUND)
            if name == b"IEND":
                self._next = self._behind
            return True
        if name[0] in _CRITICAL:
            raise Unparsable
        if name == b"eXIf" and not self._has_exif:
            seen = min(size, _EXIF_SEEN)
            if self._seen() < _HEADER + seen:
                return False
            self._has_exif = True
            begin = self._at + _HEADER
            self._write(_orientation(self._data[begin : begin + seen]))
        self._drop(size + _AROUND)
        return True

    def _behind(self) -> bool:
        self._drop(self._seen())
        return True


def _orientation(data: bytes) -> bytes:
    """A chunk with nothing else in it."""
    tiff = only_orientation(without_mark(data))
    if not tiff:
        return b""
    checksum = zlib.crc32(b"eXIf" + tiff)
    return struct.pack(">I4s", len(tiff), b"eXIf") + tiff + struct.pack(">I", checksum)
