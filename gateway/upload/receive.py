"""Receiving a file: its head for inspection, or the whole of it into a spool."""

from dataclasses import dataclass
from typing import Self

from gateway.body.kept import KeptFile
from gateway.body.spool import Spool, Whole
from gateway.inspection.detector import HEAD_SIZE
from gateway.refusals import Refusal, Refused
from gateway.upload.request import Source
from gateway.upstream.exchange import Content, Read
from gateway.upstream.sink import Sink


@dataclass(frozen=True, slots=True)
class Limit:
    """How much may be received, and what is said to more."""

    size: int
    refusal: Refusal


class Held:
    """Spools to be closed at the end; an ExitStack costs more than most uploads need."""

    __slots__ = ("_spools",)

    def __init__(self) -> None:
        self._spools: list[Spool] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for spool in self._spools:
            spool.close()

    @property
    def in_memory(self) -> int:
        """Bytes that are not on disk, of all."""
        return sum(spool.in_memory for spool in self._spools)

    def add(self, spool: Spool) -> Spool:
        self._spools.append(spool)
        return spool


class Unread:
    """A source of which ``first`` was read already, and is read again."""

    __slots__ = ("_first", "_source")

    def __init__(self, first: bytes, source: Source) -> None:
        self._first = first
        self._source = source

    @property
    def ended(self) -> bool:
        return not self._first and self._source.ended

    @property
    def received(self) -> int:
        return self._source.received - len(self._first)

    async def read(self) -> bytes:
        first, self._first = self._first, b""
        return first or await self._source.read()

    async def read_on(self) -> bytes:
        first, self._first = self._first, b""
        return first or await self._source.read_on()

    def check(self) -> None:
        self._source.check()

    async def pour(self, sink: Sink) -> bool:
        return not self._first and await self._source.pour(sink)


async def read_head(source: Source) -> bytes:
    """At least as much of the file as inspection wants, or all of it."""
    head = await source.read()
    if len(head) >= HEAD_SIZE or source.ended:
        return head
    pieces, size = [head], len(head)
    while size < HEAD_SIZE and not source.ended:
        piece = await source.read()
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


async def fill(spool: Spool, head: bytes, source: Source, limit: Limit) -> None:
    """Receive ``head`` and the rest of ``source``, which is all that ``spool`` is for.

    Raises Refused past ``limit``.
    """
    await append(spool, head, source, limit)
    await spool.seal()


async def append(spool: Spool | KeptFile, head: bytes, source: Source, limit: Limit) -> int:
    """Receive ``head`` and the rest of ``source`` into ``spool``, and count these bytes.

    Raises Refused past ``limit``.
    """
    piece, size = head, 0
    while piece:
        await spool.write(piece)
        size += len(piece)
        if size > limit.size:
            raise Refused(limit.refusal)
        piece = await source.read()
    return size


def reading(whole: Whole, offset: int = 0) -> Read:
    """Reads a whole file from ``offset`` on, piece by piece; empty bytes at its end."""

    async def read() -> bytes:
        # A read that is cancelled has read nothing: it can be done again on a new connection.
        nonlocal offset
        if offset == whole.size:  # told at once: Mattermost may answer as soon as it has all
            return b""
        chunk = await whole.read_at(offset)
        offset += len(chunk)
        return chunk

    return read


def spooled(whole: Whole) -> Content:
    """A whole file, as a request's body."""
    if not whole.size:
        return Content(b"", None, None)
    return Content(b"", reading(whole), whole.size)


def rest_of(whole: Whole, offset: int) -> Content:
    """What of a whole file is behind ``offset``, as a request's body; it may be nothing."""
    left = whole.size - offset
    return Content(b"", reading(whole, offset) if left else None, left)
