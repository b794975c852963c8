"""A way to Redis on which answers get lost."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class LossyWay:
    """Passes everything on, but for what it is told to lose."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.port = 0
        self.lose_replies = 0
        """How many pieces of answers are still to be lost, each with its connection."""
        self.loss = 0.0
        """How often a request or an answer is lost by chance."""
        self.lost = 0
        self.random = random.Random(6)
        self.running: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.running[asyncio.current_task()] = writer
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        ways = [
            asyncio.ensure_future(self._pass(reader, back, replies=False)),
            asyncio.ensure_future(self._pass(there, writer, replies=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, back):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()
            del self.running[asyncio.current_task()]

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, replies: bool
    ) -> None:
        while data := await source.read(2**16):
            if replies and self.lose_replies:
                self.lose_replies -= 1
                self.lost += 1
                return
            if self.random.random() < self.loss:
                self.lost += 1
                return
            sink.write(data)
            await sink.drain()


@asynccontextmanager
async def lossy_way(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[LossyWay]:
    way = LossyWay(port)
    server = await asyncio.start_server(way.serve, "127.0.0.1", 0, ssl=tls)
    way.port = server.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        server.close()
        for writer in way.running.values():
            writer.close()
        while way.running:  # noqa: ASYNC110 - they end by themselves
            await asyncio.sleep(0.005)


@asynccontextmanager
async def liar(answer: bytes) -> AsyncIterator[str]:
    """The address of a server that always gives one answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(2**16):
                writer.write(answer)
                if not answer:
                    break
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
