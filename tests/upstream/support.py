"""A server that does, connection by connection, what a test says; and exchanges with it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from gateway.upstream.exchange import Content, Exchange
from gateway.upstream.mattermost import Mattermost

TIMEOUT = 5.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Request:
    """A request's head."""

    line: str
    headers: list[tuple[str, str]]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass
class Visitor:
    """One connection, as the server sees it."""

    number: int
    """Of the connection, from 0."""
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> Request:
        """Raises EOFError when the connection ends."""
        line, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (item.partition(": ") for item in lines if item)
        return Request(line, [(name, value) for name, _, value in pairs])

    async def piece(self) -> bytes:
        """The next chunk of a chunked body."""
        piece = await self.reader.readexactly(int(await self.reader.readline(), 16))
        await self.reader.readline()
        return piece

    async def body(self, request: Request) -> bytes:
        if request.header("transfer-encoding") == "chunked":
            body = b""
            while piece := await self.piece():
                body += piece
            return body
        return await self.reader.readexactly(int(request.header("content-length") or 0))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, data: bytes = OK) -> bytes:
        """Read one request, and send ``data``; the request's body."""
        body = await self.body(await self.head())
        await self.send(data)
        return body

    def reset(self) -> None:
        opened: socket.socket = self.writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_closed(self) -> None:
        with suppress(ConnectionError):
            await self.reader.read()


Serve = Callable[[Visitor], Awaitable[object]]


@dataclass
class Upstream:
    """The server, and the gateway's way to it."""

    port: int
    mattermost: Mattermost
    visitors: list[Visitor] = field(default_factory=list)

    def exchange(
        self,
        content: Content | bytes = b"",
        method: bytes = b"POST",
        *,
        safe: bool = False,
        headers: bytes = b"host: chat\r\n",
    ) -> Exchange:
        if isinstance(content, bytes):
            content = Content(content, None, len(content))
        return self.mattermost.exchange(method, b"/x", headers, content, safe=safe, framed=not safe)

    async def send(
        self, content: Content | bytes = b"", method: bytes = b"POST", *, safe: bool = False
    ) -> tuple[int, bytes]:
        """Status and body of the answer to one exchange, brought to its end."""
        exchange = self.exchange(content, method, safe=safe)
        try:
            response = await exchange.send()
            return response.status, await response.read(2**20, TIMEOUT)
        finally:
            exchange.close()

    def let_idle(self, seconds: float) -> None:
        """As if the connections in the pool had been idle for so much longer."""
        for connection in self.mattermost._pool._idle:
            connection.idle_since -= seconds

    @property
    def idle(self) -> int:
        """Connections in the pool."""
        return len(self.mattermost._pool._idle)


@asynccontextmanager
async def upstream(
    serve: Serve, *, timeout: float = TIMEOUT, subpath: str = ""
) -> AsyncIterator[Upstream]:
    """``serve`` is called for each connection, which ends when it returns or fails."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        visitor = Visitor(len(running.visitors), reader, writer)
        running.visitors.append(visitor)
        with suppress(EOFError, ConnectionError, asyncio.CancelledError):
            await serve(visitor)
        writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", limit=2**20)
    port = server.sockets[0].getsockname()[1]
    mattermost = Mattermost(
        f"http://127.0.0.1:{port}", subpath, connect_timeout=TIMEOUT, timeout=timeout
    )
    running = Upstream(port, mattermost)
    try:
        yield running
    finally:
        await mattermost.close()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for visitor in running.visitors:
            visitor.writer.close()
        await asyncio.sleep(0)


def pieces_of(*pieces: bytes, length: int | None = None, first: bytes = b"") -> Content:
    """A body of which ``pieces`` are still to be read."""
    waiting = list(pieces)

    async def read() -> bytes:
        await asyncio.sleep(0)
        return waiting.pop(0) if waiting else b""

    return Content(first, read, length)


async def forever(visitor: Visitor) -> None:
    """Answers every request with 200."""
    while True:
        await visitor.answer()
