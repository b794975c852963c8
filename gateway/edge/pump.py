"""The rest of a large body, read into one buffer and written from it: no objects, no copies.

For as long as it runs, a pump is the protocol of the client's connection. asyncio reads into the
pump's buffer, never past the end of the body; each piece is written to Mattermost's connection
before the next is read. A buffer is read into again only once all of it has been written, so what
is slower of the two sets the pace of both.
"""

import asyncio
from typing import Protocol

from gateway.upstream.sink import Sink

BUFFER = 512 * 1024
"""Bytes that a pump reads at once."""
WORTH_IT = 1024 * 1024
"""Bytes that must be missing for a pump to be worth its making."""
_MOST_KEPT = 16

_buffers: list[bytearray] = []


class Client(Protocol):
    """What the pump needs of the connection whose protocol it replaces."""

    transport: asyncio.Transport
    deadline: float | None

    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def expect_more(self) -> None:
        """Set the deadline for the next piece."""


class Pump(asyncio.BufferedProtocol):
    """Pumps ``missing`` bytes; ``done`` tells when, or raises EOFError if the client is gone."""

    def __init__(self, client: Client, sink: Sink, missing: int) -> None:
        self._client = client
        self._transport = client.transport
        self._sink = sink
        self._buffer = _buffers.pop() if _buffers else bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self.missing = missing
        self.wanted = missing
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._paused = False

    def start(self) -> None:
        """Take over the connection, whose reading is paused."""
        self._sink.begin_pouring(self._drained)
        self._transport.set_protocol(self)
        self._client.expect_more()
        self._transport.resume_reading()

    def stop(self) -> None:
        """Leave the connection, with its reading paused."""
        self._client.deadline = None
        self._sink.end_pouring()
        if not self._paused and not self._transport.is_closing():
            self._transport.pause_reading()
        # Only a buffer of which nothing waits any more can serve another.
        if not self._sink.congested and len(_buffers) < _MOST_KEPT:
            self._view.release()
            _buffers.append(self._buffer)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[: self.missing] if self.missing < BUFFER else self._view

    def buffer_updated(self, nbytes: int) -> None:
        self.missing -= nbytes
        self._sink.write(self._view[:nbytes])
        congested = self._sink.congested
        if congested or not self.missing:
            self._paused = True
            self._client.deadline = None  # it is not the client that is waited for
            self._transport.pause_reading()
            if not congested:
                self._finish()
        else:
            self._client.expect_more()

    def _drained(self) -> None:
        if not self.missing:
            self._finish()
        elif self._paused and not self._transport.is_closing():
            self._paused = False
            self._client.expect_more()
            self._transport.resume_reading()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def eof_received(self) -> bool:
        self._gone()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone()
        self._client.connection_lost(exc)

    def _gone(self) -> None:
        if not self.done.done():
            self.done.set_exception(EOFError("the client is gone"))
            self.done.exception()  # it may be that nobody waits any more

    def pause_writing(self) -> None:
        self._client.pause_writing()

    def resume_writing(self) -> None:
        self._client.resume_writing()
