"""A request's body, read piece by piece from the server."""

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.edge.protocol import STALLED
from gateway.refusals import Refused, client_too_slow
from gateway.upload.request import ClientGone


class RequestBody:
    """The body as a Source."""

    __slots__ = ("_receive", "ended", "received")

    def __init__(self, receive: Callable[[], Awaitable[Any]]) -> None:
        self._receive = receive
        self.ended = False
        self.received = 0

    async def read(self) -> bytes:
        """The next piece, empty at the end. Raises ClientGone, and Refused if none comes."""
        while not self.ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Refused(client_too_slow()) if STALLED in message else ClientGone
            self.ended = not message["more_body"]
            piece: bytes = message["body"]
            if piece:
                self.received += len(piece)
                return piece
        return b""
