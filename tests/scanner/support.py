"""A daemon that does, connection by connection, what a test says; and files to be scanned."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from gateway.scanner.clamd import ClamAV, Failure, ScanFailed

TIMEOUT = 10.0
MIB = 2**20


async def chunks_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def client(address: str, **options: float) -> ClamAV:
    """Of a daemon; a test that ends well does not wait for its time-outs."""
    settings = {"timeout": TIMEOUT, "connect_timeout": TIMEOUT, "largest": 2**40, **options}
    return ClamAV(
        address,
        timeout=settings["timeout"],
        connect_timeout=settings["connect_timeout"],
        largest=int(settings["largest"]),
        concurrency=int(settings.get("concurrency", 10)),
    )


async def failure(scan: Awaitable[object]) -> Failure:
    """Why it fails."""
    with pytest.raises(ScanFailed) as caught:
        await scan
    assert caught.value.detail
    return caught.value.reason


@dataclass
class Visitor:
    """One connection, as the daemon sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    commands: list[bytes] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)
    """Chunks that were read."""
    whole: bool = False
    """The end of the stream was read."""

    async def command(self) -> None:
        self.commands.append(await self.reader.readuntil(b"\0"))

    async def header(self) -> int:
        return int.from_bytes(await self.reader.readexactly(4), "big")

    async def chunk(self) -> bool:
        """Whether there was one more."""
        if size := await self.header():
            self.content.append(await self.reader.readexactly(size))
        self.whole = size == 0
        return not self.whole

    async def read(self) -> None:
        """A command with its whole stream."""
        await self.command()
        while await self.chunk():
            pass

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def stop_reading(self) -> None:
        # uvloop's transports can, though they are no asyncio.ReadTransport.
        cast(asyncio.Transport, self.writer.transport).pause_reading()

    def half_close(self) -> None:
        """Say no more, and read no more."""
        self.stop_reading()
        self.writer.write_eof()

    def reset(self) -> None:
        """Break the connection off; what was sent before may get lost."""
        opened: socket.socket = self.writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_closed(self) -> None:
        with suppress(ConnectionError):
            await self.reader.read()


Serve = Callable[[Visitor], Awaitable[object]]


@dataclass
class Daemon:
    """Where it is, and who came."""

    url: str
    visitors: list[Visitor] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """A connection has been served to its end."""


@asynccontextmanager
async def daemon(serve: Serve, path: Path | None = None) -> AsyncIterator[Daemon]:
    """``serve`` is called for each connection, which ends when it returns or fails.

    On TCP, or on a Unix socket in the folder ``path``.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        visitor = Visitor(reader, writer)
        running.visitors.append(visitor)
        try:
            with suppress(EOFError, ConnectionError):
                await serve(visitor)
        finally:
            writer.close()
            tasks.discard(task)
            running.gone.set()

    if path is None:
        server = await asyncio.start_server(handle, "127.0.0.1")
        running = Daemon(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    else:
        server = await asyncio.start_unix_server(handle, path / "daemon")
        running = Daemon(f"unix://{path / 'daemon'}")
    try:
        yield running
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # for the transports, which close now


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
