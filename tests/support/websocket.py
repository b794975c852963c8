"""WebSockets: a library's own client and server, and handshakes by hand."""

import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve

from tests.support.gateway import GatewayProcess
from tests.support.origin import Visit
from tests.support.wire import Wire, WireResponse

PATH = "/api/v4/websocket"
SECONDS = 30

Handle = Callable[[ServerConnection], None]


def open_socket(gateway: GatewayProcess, path: str = PATH, **options: Any) -> ClientConnection:
    """A library's client, through the gateway. Raises InvalidStatus if it is refused."""
    url = gateway.url.replace("http", "ws", 1) + path
    defaults = {"open_timeout": SECONDS, "close_timeout": SECONDS, "proxy": None}
    return connect(url, **(defaults | options))


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


class WebSocketOrigin:
    """A library's server: ``with WebSocketOrigin(handle) as origin: …``; ``handle`` is called for
    each connection, and can be exchanged."""

    def __init__(self, handle: Handle = echo, tls: ssl.SSLContext | None = None, **options: Any):
        self.handle = handle
        self.connections: list[ServerConnection] = []
        self._server: Server = serve(self._serve, "127.0.0.1", 0, ssl=tls, **options)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._scheme = "http" if tls is None else "https"

    def _serve(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        self.handle(connection)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        for connection in self.connections:
            connection.close_socket()
        self._thread.join(SECONDS)


# By hand.

AGREED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
HANDSHAKE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]


def accept(visit: Visit, behind: bytes = b"") -> socket.socket:
    """Agree to a handshake, and send ``behind`` in the same piece; the connection from then on."""
    visit.send(AGREED + behind)
    return visit.socket


def handshake(path: str = PATH, headers: list[tuple[str, str]] = HANDSHAKE) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: chat.example"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode()


def shake_hands(wire: Wire, path: str = PATH, *headers: tuple[str, str]) -> WireResponse:
    """Ask for a WebSocket; the head of the answer."""
    wire.send(handshake(path, [*HANDSHAKE, *headers]))
    return wire.head()
