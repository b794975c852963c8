"""A request's body, read piece by piece from the server."""

from collections.abc import Callable
from typing import Any

from gateway.edge.cycle import MALFORMED, STALLED, Cycle
from gateway.refusals import Refused, client_too_slow, malformed_request
from gateway.upload.request import ClientGone
from gateway.upstream.sink import Sink


def _reason(disconnect: dict[str, Any]) -> Exception:
    if STALLED in disconnect:
        return Refused(client_too_slow())
    if MALFORMED in disconnect:
        return Refused(malformed_request())
    return ClientGone()


class RequestBody:
    """The body as a Source."""

    __slots__ = ("_cycle", "ended", "length", "received")

    def __init__(self, cycle: Cycle, length: int | None) -> None:
        self._cycle = cycle
        self.length = length
        """Bytes; None if it is not told."""
        self.ended = False
        self.received = 0

    async def read(self) -> bytes:
        """The next piece, empty at the end. Raises ClientGone, and Refused if none comes."""
        while not self.ended:
            piece = self._cycle.take()
            if piece is None:
                message = await self._cycle.receive()
                if message["type"] == "http.disconnect":
                    raise _reason(message)
                piece = message["body"]
            self.ended = self._cycle.taken
            if piece:
                self.received += len(piece)
                return piece
        return b""

    # The body of a raw upload is the file: there is nothing behind it that could be wrong.
    read_on = read

    def check(self) -> None:
        """Raises ClientGone if the client is known to have left."""
        if self._cycle.disconnected:
            raise ClientGone

    def when_gone(self, abandon: Callable[[], None]) -> None:
        """``abandon`` is called when the client leaves before it has its answer."""
        self._cycle.abandon = abandon

    async def pour(self, sink: Sink) -> bool:
        """Have all that is left pumped into ``sink``, if that pays. Raises as ``read`` does."""
        if self.length is None or self.ended:
            return False
        try:
            self.ended = await self._cycle.pour(sink, self.length)
        except TimeoutError:
            raise Refused(client_too_slow()) from None
        except OSError:
            raise ClientGone from None
        finally:
            if self.received < self._cycle.arrived and not self._cycle.pieces:
                self.received = self._cycle.arrived
        return self.ended
