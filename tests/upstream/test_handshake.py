"""Requests to go on in another protocol: only the change that was asked for is one."""

import asyncio

import pytest

from gateway.upstream.connection import Broken, TimedOut, Unreachable
from gateway.upstream.handshake import Handshake
from gateway.upstream.mattermost import Mattermost
from tests.upstream.support import OK, Upstream, Visitor, forever, upstream

AGREED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"


class Successor(asyncio.Protocol):
    """Remembers what comes."""

    def __init__(self) -> None:
        self.transport: asyncio.BaseTransport | None = None
        self.received = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


def ask(server: Upstream) -> Handshake:
    return server.mattermost.handshake(b"/x?a=b", b"host: chat\r\nx-one: 1\r\n", b"websocket")


async def test_what_is_sent() -> None:
    heads = []

    async def serve(visitor: Visitor) -> None:
        heads.append(await visitor.head())
        await visitor.send(OK)

    async with upstream(serve) as server:
        handshake = ask(server)
        assert (await handshake.send()).status == 200
        handshake.close()
    (head,) = heads
    assert head.line == "GET /x?a=b HTTP/1.1"
    assert head.headers == [
        ("host", "chat"),
        ("x-one", "1"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
    ]


async def test_an_agreement_and_what_comes_behind_it() -> None:
    """No byte is lost to the HTTP parser, and none is read before somebody wants it."""

    agreed = asyncio.Event()

    async def serve(visitor: Visitor) -> None:
        await visitor.head()
        await visitor.send(AGREED + b"\x81\x02hi")
        await agreed.wait()
        await visitor.send(b"more")
        assert await visitor.reader.readexactly(2) == b"ok"

    async with upstream(serve) as server:
        handshake = ask(server)
        response = await handshake.send()
        assert (response.status, response.header(b"upgrade")) == (101, b"WebSocket")
        agreed.set()
        await asyncio.sleep(0.1)
        successor = Successor()
        behind = handshake.hand_over(successor)
        handshake.close()  # it has nothing to close any more
        transport = successor.transport
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"ok")
        transport.resume_reading()
        await asyncio.wait_for(successor.ended, 10)
        assert behind + successor.received == b"\x81\x02himore"
        assert server.idle == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
        b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Content-Length: 2\r\n\r\nab",
        b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=[
        "another protocol",
        "two protocols",
        "two headers",
        "no protocol",
        "not of the connection",
        "with a length",
        "with chunks",
    ],
)
async def test_a_change_that_was_not_asked_for(answer: bytes) -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer(answer)
        await visitor.until_closed()

    async with upstream(serve) as server:
        handshake = ask(server)
        with pytest.raises(Broken):
            await handshake.send()
        handshake.close()


@pytest.mark.parametrize("protocol", [b"WebSocket", b""])
async def test_another_request_is_not_answered_by_a_change(protocol: bytes) -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer(AGREED.replace(b"WebSocket", protocol))
        await visitor.until_closed()

    async with upstream(serve) as server:
        with pytest.raises(Broken):
            await server.send()


async def test_interim_answers_may_come_before() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + AGREED)
        await visitor.until_closed()

    async with upstream(serve) as server:
        handshake = ask(server)
        assert (await handshake.send()).status == 101
        handshake.close()


async def test_a_connection_of_its_own() -> None:
    """Neither from the pool nor back into it, whatever the answer."""
    async with upstream(forever) as server:
        assert (await server.send())[0] == 200
        assert server.idle == 1
        handshake = ask(server)
        response = await handshake.send()
        assert await response.read(100, 5) == b"ok"
        handshake.close()
        assert (server.idle, len(server.visitors)) == (1, 2)
        assert (await server.send())[0] == 200
        assert len(server.visitors) == 2


async def test_no_answer() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.until_closed()

    async with upstream(serve, timeout=0.2) as server:
        handshake = ask(server)
        with pytest.raises(TimedOut, match="did not answer"):
            await handshake.send()
        handshake.close()


async def test_nobody_listens() -> None:
    mattermost = Mattermost("http://127.0.0.1:9", "", connect_timeout=5, timeout=5)
    handshake = mattermost.handshake(b"/x", b"host: chat\r\n", b"websocket")
    with pytest.raises(Unreachable):
        await handshake.send()
    handshake.close()
    await mattermost.close()


async def test_a_connection_that_ended_behind_its_agreement() -> None:
    """It cannot be handed over: its end would be told to nobody."""

    async def serve(visitor: Visitor) -> None:
        await visitor.answer(AGREED)
        await visitor.until_closed()

    async with upstream(serve) as server:
        handshake = ask(server)
        await handshake.send()
        connection = handshake._connection
        assert connection is not None
        connection.close()
        with pytest.raises(Broken):
            handshake.hand_over(Successor())
        handshake.close()
