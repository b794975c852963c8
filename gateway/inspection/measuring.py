"""What those who measure pictures share: careful reading, and the largest size so far."""

from typing import BinaryIO

from gateway.dimensions import Dimensions

BLOCK = 64 * 1024
_NEARBY = 4096
"""Bytes that are read at once where few are wanted."""
_MOST_STEPS = 2**20
"""Of one file; a step is a small read, or a KiB. They suffice for 1.5 GiB of PNG in chunks of
8 KiB, for 1 GiB of GIF, and take about a second."""


class Unreadable(Exception):
    """The file is not what its first bytes promise, or is made to keep its readers busy."""


class EndOfFile(Unreadable):
    """What would tell lies behind the end of what there is."""


class Source:
    """A file read at any place, in as many steps as an honest one needs."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = 0
        self._bytes = b""
        self._steps = 0

    def read(self, at: int, size: int) -> bytes:
        """``size`` bytes, at most BLOCK. Raises EndOfFile, or Unreadable after too many steps."""
        offset = at - self._start
        if not 0 <= offset <= len(self._bytes) - size:
            self._fill(at, max(size, _NEARBY))
            offset = 0
        self.spend(1)
        if len(self._bytes) - offset < size:
            raise EndOfFile
        return self._bytes[offset : offset + size]

    def block(self, at: int) -> bytes:
        """BLOCK bytes from ``at`` on, or what there is. Raises EndOfFile for none."""
        self._fill(at, BLOCK)
        if not self._bytes:
            raise EndOfFile
        return self._bytes

    def spend(self, steps: int) -> None:
        """Raises Unreadable after too many."""
        self._steps += steps
        if self._steps > _MOST_STEPS:
            raise Unreadable

    def _fill(self, at: int, size: int) -> None:
        self.spend(size // 1024)
        if at >= 2**63:
            raise EndOfFile
        self._file.seek(at)
        self._start, self._bytes = at, self._file.read(size)


class Extent:
    """The largest width and height of all that was found, and how many frames."""

    def __init__(self) -> None:
        self.width = 0
        self.height = 0
        self.frames = 0

    def enlarge(self, width: int, height: int) -> None:
        self.width = max(self.width, width)
        self.height = max(self.height, height)

    def dimensions(self) -> Dimensions | None:
        """None if nothing has a size."""
        if not self.width or not self.height:
            return None
        return Dimensions(self.width, self.height, max(1, self.frames))
