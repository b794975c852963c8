"""Two connections joined: what comes over either goes out over the other, byte for byte.

Nothing of it is parsed. An end that takes its bytes slowly pauses the reading from the other one.
When one end closes its side, what is left goes to the other, and then both are closed.
"""

import asyncio
import socket
from enum import Enum, auto
from typing import Any, cast

BUFFER = 64 * 1024
"""Bytes that may wait for an end before reading from the other pauses. What the event loop reads
at once, up to 256 KiB, may come on top."""
STALLED = 60.0
"""Seconds after which an end is given up that takes nothing of what waits for it."""
LAST_BYTES = 10.0
"""Seconds in which both ends must be closed once one of them has closed its side."""

# Whoever is silent for a minute is asked for a sign of life every 15 seconds. Whoever gives none
# four times, or confirms nothing of what was sent to them for two minutes, is dead.
_SIGNS_OF_LIFE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 120_000),
)


class Ending(Enum):
    """What ended a tunnel."""

    CLOSED = auto()
    """An end closed its side."""
    CLIENT_BROKE = auto()
    SERVER_BROKE = auto()
    SHUTDOWN = auto()


class End(asyncio.Protocol):
    """One of the two connections."""

    __slots__ = ("_stalling", "_transport", "finished", "lost", "other", "received", "tunnel")

    def __init__(self, tunnel: "Tunnel") -> None:
        self.other: End
        self.tunnel = tunnel
        self._transport: asyncio.Transport | None = None
        self._stalling: asyncio.TimerHandle | None = None
        self.received = 0
        """Bytes that have come over this connection."""
        self.finished = False
        """Whether it has closed its side."""
        self.lost = False

    # What the other end and the tunnel call.

    @property
    def _open(self) -> asyncio.Transport | None:
        """The connection, while it can be used."""
        transport = self._transport
        return None if transport is None or transport.is_closing() else transport

    def write(self, data: bytes) -> None:
        if transport := self._open:
            transport.write(data)

    def pause_reading(self) -> None:
        if transport := self._open:
            transport.pause_reading()

    def resume_reading(self) -> None:
        if transport := self._open:
            transport.resume_reading()

    def finish(self) -> None:
        """Nothing more comes for this end. TLS knows no closing of one side."""
        if transport := self._open:
            if self.finished or not transport.can_write_eof():
                transport.close()
            else:
                transport.write_eof()

    def close(self) -> None:
        """Close the connection once all is written."""
        if transport := self._open:
            transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=BUFFER)
        opened: socket.socket = transport.get_extra_info("socket")
        for level, option, value in _SIGNS_OF_LIFE:
            opened.setsockopt(level, option, value)
        if self.other.lost:
            self.close()

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self.other.write(data)

    def eof_received(self) -> bool:
        self.finished = True
        self.tunnel.end(Ending.CLOSED)
        self.other.finish()
        return self._transport is not None and self._transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        self.lost = True
        self.tunnel.on_lost(self, exc)

    def pause_writing(self) -> None:
        self.other.pause_reading()
        self._watch()

    def resume_writing(self) -> None:
        self._stop_watching()
        self.other.resume_reading()

    # An end that takes nothing may be there all the same, so TCP does not tell.

    def _watch(self) -> None:
        if transport := self._open:
            waiting = transport.get_write_buffer_size()
            self._stalling = self.tunnel.loop.call_later(self.tunnel.stalled, self._look, waiting)

    def _look(self, before: int) -> None:
        transport = self._open
        if transport is not None and transport.get_write_buffer_size() >= before:
            self.tunnel.on_stalled(self)
        else:
            self._watch()

    def _stop_watching(self) -> None:
        if self._stalling is not None:
            self._stalling.cancel()
            self._stalling = None


class ClientEnd(End):
    """The client's connection, which a server keeps among its own."""

    __slots__ = ("_connections",)

    def take_over(self, transport: asyncio.Transport, connections: set[Any]) -> None:
        """Be the connection's protocol from now on, and one of the server's ``connections``."""
        self._connections = connections
        connections.add(self)
        transport.set_protocol(self)
        self.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Part of a graceful stop: clients connect again, elsewhere."""
        self.tunnel.end(Ending.SHUTDOWN)
        self.tunnel.abort()


class Tunnel:
    """Both ends, and how they end. Each is joined by becoming its connection's protocol."""

    __slots__ = (
        "_ending",
        "_last_bytes",
        "_limit",
        "client",
        "closed",
        "detail",
        "loop",
        "server",
        "stalled",
    )

    def __init__(self, *, stalled: float = STALLED, last_bytes: float = LAST_BYTES) -> None:
        self.loop = asyncio.get_running_loop()
        self.stalled = stalled
        self._last_bytes = last_bytes
        self.client = ClientEnd(self)
        self.server = End(self)
        self.client.other, self.server.other = self.server, self.client
        self.closed: asyncio.Future[Ending] = self.loop.create_future()
        """Once both connections are closed: why."""
        self.detail: str | None = None
        """What the operating system said of it, for the log."""
        self._ending: Ending | None = None
        self._limit: asyncio.TimerHandle | None = None

    def end(self, ending: Ending, detail: str | None = None) -> None:
        """Only what comes first is what ended the tunnel; all else follows from it."""
        if self._ending is None:
            self._ending, self.detail = ending, detail
            self._limit = self.loop.call_later(self._last_bytes, self.abort)

    def on_lost(self, end: End, error: Exception | None) -> None:
        if error is None:
            self.end(Ending.CLOSED)
        else:
            self.end(self._broke(end), str(error))
        if not end.other.lost:
            end.other.close()
        elif self._ending is not None and self._limit is not None:
            self._limit.cancel()
            self.closed.set_result(self._ending)
            for lost in (self.client, self.server):
                del lost.other, lost.tunnel  # circles, and the collector finds old ones late

    def on_stalled(self, end: End) -> None:
        self.end(self._broke(end), f"took nothing for {self.stalled:g} seconds")
        self.abort()

    def abort(self) -> None:
        """Close both connections at once."""
        self.client.abort()
        self.server.abort()

    def _broke(self, end: End) -> Ending:
        return Ending.CLIENT_BROKE if end is self.client else Ending.SERVER_BROKE
