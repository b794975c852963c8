"""What readers of archives have in common: what they give, what they raise, how they read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gateway.contents import Kind, Limits, Trouble

PIECE = 64 * 1024
"""Bytes that are read, and unpacked, at once."""
MOST_TARGET = 4096
"""Bytes of a link's target, and characters of a name (Linux' PATH_MAX)."""
_DIRECTORY_BYTES = 512
"""Of an archive's directory, for each entry that is allowed; real ones have a hundred or so."""


class Unfit(Exception):
    """An archive, or an entry's content, that cannot be read any further."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


@dataclass(slots=True)
class Item:
    """An entry as its archive tells of it. Its content has to be read before the next one's."""

    name: str
    content: Iterable[bytes] = ()
    """Pieces of at most some times PIECE bytes. Raises Unfit."""
    size: int | None = None
    """As the archive tells, in bytes; needed only where ``content`` cannot be read."""
    kind: Kind = Kind.REGULAR
    link: str | None = None
    trouble: Trouble | None = None
    """Why there is no ``content``."""
    other_names: tuple[str, ...] = ()


class Stream:
    """Bytes that come in pieces, read forwards in other sizes."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def some(self, size: int) -> bytes:
        """At least one byte and at most ``size``; none at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        found, self._rest = self._rest[:size], self._rest[size:]
        return bytes(found)

    def peek(self, size: int) -> bytes:
        """What the next ``size`` bytes will be, or as many as there are."""
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest = memoryview(bytes(self._rest) + piece)
        return bytes(self._rest[:size])

    def read(self, size: int) -> bytes:
        """``size`` bytes. Raises Unfit if there are fewer."""
        return b"".join(self.content(size))

    def content(self, size: int) -> Iterator[bytes]:
        """``size`` bytes in pieces. Raises Unfit if there are fewer."""
        while size:
            piece = self.some(min(size, PIECE))
            if not piece:
                raise Unfit(Trouble.UNREADABLE)
            size -= len(piece)
            yield piece

    def rest(self) -> Iterator[bytes]:
        while piece := self.some(PIECE):
            yield piece


def size_of(file: BinaryIO) -> int:
    """In bytes."""
    return file.seek(0, 2)


def read_at(file: BinaryIO, start: int, size: int) -> bytes:
    """``size`` bytes from ``start``. Raises Unfit if there are fewer."""
    file.seek(start)
    found = file.read(size)
    if len(found) != size:
        raise Unfit(Trouble.UNREADABLE)
    return found


def slices(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """What lies there, in pieces; others may move the file's position meanwhile."""
    while start < end:
        piece = read_at(file, start, min(PIECE, end - start))
        start += len(piece)
        yield piece


def check_directory(entries: int, size: int, limits: Limits) -> None:
    """Before memory is spent on an archive's directory of ``size`` bytes. Raises Unfit."""
    if entries > limits.entries or size > _DIRECTORY_BYTES * (limits.entries + 128):
        raise Unfit(Trouble.TOO_MANY_ENTRIES)


def link_target(content: Iterable[bytes]) -> str:
    """The target of a link that is its content. Raises Unfit."""
    target = b""
    for piece in content:
        target += piece
        if len(target) > MOST_TARGET:
            raise Unfit(Trouble.UNREADABLE)
    return target.decode("utf-8", "replace")
