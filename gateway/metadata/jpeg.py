"""JPEG (ITU-T T.81): kept is what decoders need, told by its marker; all else is dropped."""

import re
import struct
from collections.abc import Callable

from gateway.metadata.exif import only_orientation, without_mark
from gateway.metadata.stripper import Stripper, Unparsable

_MARKER = re.compile(rb"\xff([^\x00\xff])")
_ENDS_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_RESTARTS = frozenset(range(0xD0, 0xD8))
_NEEDED = frozenset(range(0xC0, 0xE0)) - {0xC8, _SOI, _EOI, *_RESTARTS}
"""Frames, scans, tables, restart interval, number of lines, hierarchy; not JPG (C8)."""
_APP0, _APP1, _APP2, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE

_MOST_SKIPPED = 64 * 1024
"""Bytes between two segments."""
_JFIF, _JFIF_SIZE, _JFIF_THUMBNAIL = b"JFIF\0", 14, 12
_ADOBE, _ADOBE_SIZE = b"Adobe", 12
_ICC = b"ICC_PROFILE\0"
_EXIF = b"Exif\0"


class JpegStripper(Stripper):
    """Skips what lies between segments, as libjpeg and Go's decoder do.

    A file that breaks off behind its first scan header has nothing left to remove.
    """

    padding = b"\xff"
    """Fill bytes (B.1.1.2), which change nothing in a picture that breaks off, either."""

    def __init__(self) -> None:
        super().__init__()
        self._next: Callable[[], bool] = self._start
        self._scanned = False
        self._has_exif = False
        """Only the first counts."""

    def _step(self) -> bool:
        return self._next()

    def _end(self) -> None:
        if not self._scanned:
            raise Unparsable
        if self._next == self._scan:
            self._write(self._data[self._at :])

    def _start(self) -> bool:
        if self._seen() < 2:
            return False
        if self._data[self._at : self._at + 2] != b"\xff\xd8":
            raise Unparsable
        self._keep(2)
        self._next = self._between
        return True

    def _between(self) -> bool:
        """At a marker, or at something that decoders skip before one."""
        found = _MARKER.search(self._data, self._at)
        if found is None:
            if self._seen() > _MOST_SKIPPED + 1:
                raise Unparsable
            return False
        if found.start() - self._at > _MOST_SKIPPED:
            raise Unparsable
        self._at = found.start()
        marker = found[1][0]
        if marker in _RESTARTS:
            self._drop(2)
        elif marker == _EOI and self._scanned:
            self._keep(2)
            self._next = self._behind
        elif marker in _NEEDED or _APP0 <= marker <= _APP15 or marker == _COM:
            return self._segment(marker)
        else:
            raise Unparsable
        return True

    def _segment(self, marker: int) -> bool:
        if self._seen() < 4:
            return False
        size = int.from_bytes(self._data[self._at + 2 : self._at + 4], "big") + 2
        if size < 4:
            raise Unparsable
        if marker in _NEEDED:
            self._keep(size)
            if marker == _SOS:
                self._scanned = True
                self._next = self._scan
            return True
        if marker in (_APP0, _APP1, _APP2, _APP14):
            if self._seen() < size:
                return False
            self._write(self._of_application(marker, self._data[self._at : self._at + size]))
        self._drop(size)
        return True

    def _scan(self) -> bool:
        """In coded data, up to a marker that is no restart."""
        found = _ENDS_SCAN.search(self._data, self._at)
        if found is None:
            self._keep(self._seen() - self._data.endswith(b"\xff"))
            return self._left > 0
        self._keep(found.start() - self._at)
        self._next = self._between
        return True

    def _behind(self) -> bool:
        self._drop(self._seen())
        return True

    def _of_application(self, marker: int, segment: bytes) -> bytes:
        """What decoders need of a segment that an application has written."""
        data = segment[4:]
        if marker == _APP0 and data.startswith(_JFIF):
            if len(data) < _JFIF_SIZE:
                return segment  # Go's decoder cares that it is there
            return _written(marker, data[:_JFIF_THUMBNAIL] + bytes(2))
        if marker == _APP14 and data.startswith(_ADOBE) and len(data) >= _ADOBE_SIZE:
            return _written(marker, data[:_ADOBE_SIZE])
        if marker == _APP2 and data.startswith(_ICC):
            return segment
        if marker == _APP1 and data.startswith(_EXIF) and not self._has_exif:
            self._has_exif = True
            tiff = only_orientation(without_mark(data))
            return _written(marker, b"Exif\0\0" + tiff) if tiff else b""
        return b""


def _written(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data
