"""A request's body, read as Go's handlers read it: in pieces, up to a limit, possibly cut short."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.types import Message


class BodyError(Exception):
    """What Go's readers report instead of the rest: the client broke off, or sent too much."""


class Source(Protocol):
    async def read(self) -> bytes:
        """The next piece; empty at the end. Raises BodyError."""


class Body:
    """The request body behind an ``http.MaxBytesReader`` of ``limit`` bytes."""

    def __init__(self, receive: Callable[[], Awaitable[Message]], limit: int) -> None:
        self._receive = receive
        self._left = limit
        self._overflow = False
        self.touched = False
        self.received = 0
        self.finished = False
        """Whether the client has sent all of it."""
        self.aborted = False

    async def read(self) -> bytes:
        if self._overflow:
            raise BodyError("request body too large")
        piece = await self.read_past_limit()
        if len(piece) > self._left:
            self._overflow = True
            piece = piece[: self._left]
            if not piece:
                raise BodyError("request body too large")
        self._left -= len(piece)
        return piece

    async def read_past_limit(self) -> bytes:
        """As the server itself reads what no handler wanted."""
        self.touched = True
        while not self.finished and not self.aborted:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.aborted = True
                break
            self.finished = not message.get("more_body", False)
            if piece := message.get("body", b""):
                self.received += len(piece)
                return bytes(piece)
        if self.aborted:
            raise BodyError("unexpected EOF")
        return b""

    async def read_all(self) -> bytes:
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)


class Recorded:
    """Keeps what is read through it, so that the body can be read again from its beginning."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pieces: list[bytes] = []

    async def read(self) -> bytes:
        piece = await self._source.read()
        if piece:
            self._pieces.append(piece)
        return piece

    def again(self) -> "Replayed":
        return Replayed(self._pieces, self._source)


class Replayed:
    """Recorded pieces, then the rest of their source."""

    def __init__(self, pieces: list[bytes], source: Source) -> None:
        self._pieces = iter(pieces)
        self._source = source

    async def read(self) -> bytes:
        for piece in self._pieces:
            return piece
        return await self._source.read()


class Limited:
    """``io.LimitedReader``: the first ``limit`` bytes."""

    def __init__(self, source: Source, limit: int) -> None:
        self._source = source
        self._left = limit

    async def read(self) -> bytes:
        if self._left <= 0:
            return b""
        piece = (await self._source.read())[: self._left]
        self._left -= len(piece)
        return piece
