"""The gateway's HTTP server around an application of the test's own, in the test's event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from gateway.edge.cycle import WHOLE
from gateway.edge.protocol import GatewayServer, UploadProtocol

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

KEEP_ALIVE = 75
CLIENT_TIMEOUT = 60.0

GET = b"GET /x HTTP/1.1\r\nHost: chat\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: chat\r\n"
MIB = 2**20


def post(body: bytes, *headers: bytes) -> bytes:
    """A request with ``body`` and its length."""
    lines = [POST, *(header + b"\r\n" for header in headers)]
    return b"".join(lines) + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def now() -> float:
    """As deadlines count."""
    return asyncio.get_running_loop().time()


@dataclass
class Client:
    """A client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer. Raises IncompleteReadError."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.rstrip().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        status = int(status_line.split(" ")[1])
        if head_only or status in (100, 204, 304):
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, await self._chunked()
        if "content-length" in headers:
            return status, headers, await self.reader.readexactly(int(headers["content-length"]))
        return status, headers, await self.reader.read()

    async def _chunked(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body

    async def at_end(self) -> bool:
        """Whether the server has closed the connection (waits for it), or broken it."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.writer.close()


@dataclass
class Running:
    """A server, and what it was asked."""

    address: tuple[str, int]
    state: ServerState
    scopes: list[Scope]
    clients: list[Client] = field(default_factory=list)

    async def connect(self) -> Client:
        reader, writer = await asyncio.open_connection(*self.address)
        client = Client(reader, writer)
        self.clients.append(client)
        return client

    @property
    def connections(self) -> list[UploadProtocol]:
        connections: set[Any] = set(self.state.connections)
        return [item for item in connections if isinstance(item, UploadProtocol)]

    async def connection(self) -> UploadProtocol:
        """The only one that is open."""
        await until(lambda: len(self.connections) == 1)
        return self.connections[0]


class _Server(GatewayServer):
    def capture_signals(self) -> Any:
        return nullcontext()


def _configured(app: App, client_timeout: float) -> tuple[uvicorn.Config, list[Scope]]:
    scopes: list[Scope] = []

    async def remembering(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        with suppress(OSError):  # the client is gone, and nobody is left to be told
            await app(scope, receive, send)

    config = uvicorn.Config(
        remembering,
        http=partial(UploadProtocol, client_timeout=client_timeout),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=5,
    )
    config.load()
    return config, scopes


@asynccontextmanager
async def serving(app: App, *, client_timeout: float = CLIENT_TIMEOUT) -> AsyncIterator[Running]:
    """The protocol alone, without the server that ends it and lets time pass."""
    config, scopes = _configured(app, client_timeout)
    state = ServerState()
    state.default_headers = [(b"date", b"Mon, 23 Nov 2026 08:00:00 GMT")]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: UploadProtocol(config, state, {}, loop, client_timeout=client_timeout),
        "127.0.0.1",
    )
    running = Running(server.sockets[0].getsockname()[:2], state, scopes)
    try:
        yield running
    finally:
        server.close()
        for client in running.clients:
            client.close()
        for connection in running.connections:
            connection.transport.abort()
        await until(lambda: not state.tasks and not state.connections)


@asynccontextmanager
async def serving_until_stopped(app: App) -> AsyncIterator[tuple[Running, GatewayServer]]:
    """The whole server."""
    config, scopes = _configured(app, CLIENT_TIMEOUT)
    server = _Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve([listener]))
    await until(lambda: server.started)
    running = Running(listener.getsockname()[:2], server.server_state, scopes)
    try:
        yield running, server
    finally:
        for client in running.clients:
            client.close()
        server.should_exit = True
        await task


async def until(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    """Let others go on until ``condition`` holds. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - of somebody else, who sets no event
            await asyncio.sleep(0.005)


async def read_all(receive: Receive) -> bytes:
    """The whole body. Raises ConnectionError if the client leaves before its end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)


async def answer(send: Send, body: bytes = b"ok", status: int = 200, *headers: Any) -> None:
    """A whole answer."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": WHOLE, "status": status, "headers": [*headers, length], "body": body})


async def start(send: Send, status: int = 200, *headers: Any) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def piece(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body."""
    await answer(send, await read_all(receive))


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without reading anything."""
    await answer(send, b"no", 413)


async def endless(send: Send) -> None:
    """An answer without an end."""
    await start(send)
    while True:
        await piece(send, bytes(MIB))
