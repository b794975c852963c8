"""uvicorn's HTTP protocol, watched by the journal and open to the faults."""

import asyncio
import socket
import struct
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.standin.journal import Entry, Journal

EXTENSION = "standin.connection"
"""Where a request's Connection is found among the ASGI scope's extensions."""
_LINGER_SECONDS = 0.5


class StandInProtocol(HttpToolsProtocol):
    """Counts what arrives, and closes as Go's server does when it leaves a body unread."""

    journal: ClassVar[Journal]
    upgraded: ClassVar[dict[Any, asyncio.Transport]]
    """The transports of WebSockets, by the client's address."""
    _entry: Entry

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.journal.connections_opened += 1
        self.journal.connections_open += 1
        self.lingering = LingeringTransport(cast(asyncio.Transport, transport))
        super().connection_made(cast(asyncio.Transport, self.lingering))

    def connection_lost(self, exc: Exception | None) -> None:
        self.journal.connections_open -= 1
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        method = self.parser.get_method().decode("ascii")
        self._entry = self.journal.begin(method, self.url, self.headers)
        self.scope["extensions"] = {EXTENSION: cast(Any, Connection(self, self._entry, self.url))}
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        # From here on it belongs to another protocol, and is not counted any more.
        self.journal.connections_open -= 1
        self.upgraded[self.client] = self.lingering.wrapped
        super().handle_websocket_upgrade()

    def on_body(self, body: bytes) -> None:
        self._entry.body_bytes += len(body)
        super().on_body(body)


class LingeringTransport:
    """The transport, except that closing it can take two steps.

    Closing a socket that still has unread input resets the connection, and the client may lose
    the answer. Go's server therefore ends its own side first, and closes half a second later.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.wrapped = transport
        self.lingers = False
        self.reads = True
        self._is_closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)

    def resume_reading(self) -> None:
        if self.reads:
            self.wrapped.resume_reading()

    def is_closing(self) -> bool:
        return self._is_closing or self.wrapped.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        self._is_closing = True
        if not self.lingers:
            self.wrapped.close()
            return
        self.wrapped.pause_reading()
        self.wrapped.write_eof()
        asyncio.get_running_loop().call_later(_LINGER_SECONDS, self.wrapped.close)


class Connection:
    """What the application may do to the connection that a request came on."""

    def __init__(self, protocol: StandInProtocol, entry: Entry, target: bytes) -> None:
        self._protocol = protocol
        self.entry = entry
        self.target = target

    def linger(self) -> None:
        """Close in two steps, when it comes to closing."""
        self._protocol.lingering.lingers = True

    def hang_up(self, *, reset: bool) -> None:
        transport = self._protocol.lingering.wrapped
        if reset:
            no_linger = struct.pack("ii", 1, 0)
            opened = transport.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
            transport.abort()
        else:
            transport.close()

    def write(self, raw: bytes) -> None:
        self._protocol.lingering.wrapped.write(raw)

    def stop_reading(self) -> None:
        """For good. That the client leaves will not be noticed either."""
        self._protocol.lingering.reads = False
        self._protocol.lingering.wrapped.pause_reading()

    def close_when_idle(self, seconds: float) -> None:
        self._protocol.timeout_keep_alive = cast(int, seconds)


def protocol_for(journal: Journal, upgraded: dict[Any, asyncio.Transport]) -> type[StandInProtocol]:
    """The protocol class for one server; uvicorn makes its instances itself."""
    bound = {"journal": journal, "upgraded": upgraded}
    return type("BoundProtocol", (StandInProtocol,), bound)
