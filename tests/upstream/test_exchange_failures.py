"""Exchanges that fail, each with the error that says how."""

import asyncio
import socket
from contextlib import ExitStack

import pytest

from gateway.upstream.connection import Broken, Response, TimedOut, Unreachable, UpstreamError
from gateway.upstream.exchange import Content
from gateway.upstream.mattermost import Mattermost
from tests.upstream.support import TIMEOUT, Visitor, forever, pieces_of, upstream

MIB = 2**20


async def close(visitor: Visitor) -> None:
    await visitor.head()


async def reset(visitor: Visitor) -> None:
    await visitor.head()
    visitor.reset()


def saying(answer: bytes) -> object:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer(answer)

    return serve


BROKEN = {
    "closes": close,
    "resets": reset,
    "talks nonsense": saying(b"hello\r\n\r\n"),
    "talks HTTP/2": saying(b"\0\0\x12\x04\0\0\0\0\0" + bytes(18)),
    "stops within the status line": saying(b"HTTP/1.1 20"),
    "stops within a header": saying(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "stops before its body": saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    "stops within its body": saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"),
    "stops within a chunk": saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"),
    "stops between chunks": saying(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n"
    ),
    "sends a bad chunk": saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "sends two lengths": saying(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"
    ),
    "changes the protocol": saying(
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    ),
    "answers with interim answers only": saying(b"HTTP/1.1 102 Processing\r\n\r\n"),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_broken_exchange(how: str) -> None:
    serve = BROKEN[how]
    assert callable(serve)
    async with upstream(serve) as server:
        with pytest.raises(Broken):
            await server.send(b"hello")
        assert len(server.visitors) == 1  # on a new connection nothing is tried again
        assert server.idle == 0


async def test_an_upstream_that_does_not_answer() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.until_closed()

    async with upstream(serve, timeout=0.2) as server:
        with pytest.raises(TimedOut, match="did not answer"):
            await server.send(b"hello")
        with pytest.raises(TimedOut, match="did not answer"):
            await server.send(pieces_of(b"hello"))


async def test_an_upstream_that_does_not_finish_its_answer() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
        await visitor.until_closed()

    async with upstream(serve) as server:
        exchange = server.exchange()
        response = await exchange.send()
        with pytest.raises(TimedOut, match="did not finish"):
            await response.read(10, 0.2)
        exchange.close()


async def test_an_upstream_that_takes_no_more() -> None:
    async def read() -> bytes:
        await asyncio.sleep(0)
        return bytes(MIB)

    async def serve(visitor: Visitor) -> None:
        await visitor.head()
        await asyncio.sleep(10)

    async with upstream(serve, timeout=0.2) as server:
        with pytest.raises(TimedOut, match="accepted no more"):
            await server.send(Content(b"", read, 10**12))


async def test_a_slow_client_is_not_the_upstreams_fault() -> None:
    """Mattermost's time-out counts while Mattermost is waited for."""
    waits = 3

    async def read() -> bytes:
        nonlocal waits
        waits -= 1
        await asyncio.sleep(0.15)
        return b"piece" if waits else b""

    async with upstream(forever, timeout=0.2) as server:
        assert await server.send(Content(b"", read, None)) == (200, b"ok")


async def test_nobody_listens() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{holder.getsockname()[1]}"
        mattermost = Mattermost(url, "", connect_timeout=TIMEOUT, timeout=TIMEOUT)
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
            await mattermost.exchange(b"GET", b"/", b"", Content(), safe=True).send()
        await mattermost.close()


async def test_nobody_accepts() -> None:
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):  # these fill the queue, so that the next one gets no answer at all
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        url = f"http://127.0.0.1:{address[1]}"
        mattermost = Mattermost(url, "", connect_timeout=0.2, timeout=TIMEOUT)
        with pytest.raises(Unreachable, match="timed out"):
            await mattermost.exchange(b"GET", b"/", b"", Content(), safe=True).send()
        await mattermost.close()


def test_every_error_has_a_refusal_of_its_own() -> None:
    kinds = {kind: (kind.refusal.status, kind.refusal.reason) for kind in subclasses()}
    assert kinds == {
        Unreachable: (503, "upstream_unreachable"),
        Broken: (502, "upstream_failed"),
        TimedOut: (504, "upstream_timeout"),
    }
    assert Unreachable.refusal.retry_after is not None


def subclasses() -> list[type[UpstreamError]]:
    return UpstreamError.__subclasses__()


async def test_an_answer_is_not_there_before_it_has_come() -> None:
    """``chunks`` of an answer in hand ends; of one that broke off it says so, every time."""

    async def serve(visitor: Visitor) -> None:
        await visitor.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")

    async with upstream(serve) as server:
        exchange = server.exchange()
        response: Response = await exchange.send()
        for _ in range(2):
            with pytest.raises(Broken):
                await response.read(10, TIMEOUT)
        exchange.close()
