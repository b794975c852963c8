"""Exchanges with Mattermost: what is sent, and what becomes of whatever is answered."""

import asyncio
import socket
from contextlib import ExitStack

import pytest

from gateway.upstream.connection import (
    READ_BUFFER,
    WRITE_BUFFER,
    Broken,
    Response,
    TimedOut,
    Unreachable,
    UpstreamError,
)
from gateway.upstream.exchange import Content
from gateway.upstream.mattermost import Mattermost
from tests.upstream.support import (
    OK,
    TIMEOUT,
    Request,
    Visitor,
    forever,
    pieces_of,
    upstream,
)

MIB = 2**20


# What is sent.


@pytest.mark.parametrize(
    ("content", "method", "framing", "body"),
    [
        (Content(), b"GET", None, b""),
        (Content(), b"POST", ("content-length", "0"), b""),
        (Content(b"hello", None, 5), b"POST", ("content-length", "5"), b"hello"),
        (Content(b"hello", None, None), b"POST", ("transfer-encoding", "chunked"), b"hello"),
        (Content(b"", None, None), b"POST", ("transfer-encoding", "chunked"), b""),
        (
            pieces_of(b"lo", b"!", first=b"hel", length=6),
            b"PUT",
            ("content-length", "6"),
            b"hello!",
        ),
        (pieces_of(b"lo", b"!", first=b"hel"), b"PUT", ("transfer-encoding", "chunked"), b"hello!"),
        (pieces_of(b"hello"), b"PUT", ("transfer-encoding", "chunked"), b"hello"),
    ],
)
async def test_a_request_on_the_wire(
    content: Content, method: bytes, framing: tuple[str, str] | None, body: bytes
) -> None:
    requests: list[tuple[Request, bytes]] = []

    async def serve(visitor: Visitor) -> None:
        request = await visitor.head()
        requests.append((request, await visitor.body(request)))
        await visitor.send(OK)

    async with upstream(serve) as server:
        exchange = server.exchange(content, method, safe=method == b"GET")
        response = await exchange.send()
        assert (response.status, await response.read(10, TIMEOUT)) == (200, b"ok")
        assert exchange.delivered
        exchange.close()
    ((request, received),) = requests
    assert request.line == f"{method.decode()} /x HTTP/1.1"
    assert request.headers == [("host", "chat"), *([framing] if framing else [])]
    assert received == body


async def test_a_body_is_read_no_faster_than_it_is_taken() -> None:
    taken = asyncio.Event()
    pieces = 0

    async def read() -> bytes:
        nonlocal pieces
        pieces += 1
        await asyncio.sleep(0)
        return bytes(MIB) if pieces <= 64 else b""

    async def serve(visitor: Visitor) -> None:
        request = await visitor.head()
        await taken.wait()
        assert len(await visitor.body(request)) == 64 * MIB
        await visitor.send(OK)

    async with upstream(serve) as server:
        exchange = server.exchange(Content(b"", read, 64 * MIB))
        sending = asyncio.create_task(exchange.send())
        await asyncio.sleep(0.2)
        assert pieces < 32
        assert not exchange.delivered
        taken.set()
        assert (await sending).status == 200
        exchange.close()
    assert WRITE_BUFFER <= MIB


# What is answered.


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
@pytest.mark.parametrize("by_byte", [False, True])
async def test_every_framing_of_an_answer(answer: bytes, *, by_byte: bool) -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.head()
        for start in range(0, len(answer), 1 if by_byte else len(answer)):
            await visitor.send(answer[start:][: 1 if by_byte else None])
            await asyncio.sleep(0)

    async with upstream(serve) as server:
        assert await server.send(method=b"GET", safe=True) == (200, b"hello")


@pytest.mark.parametrize(
    ("method", "head", "connections"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", 1),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 1),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 12345\r\n\r\n", 1),
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1),
        # The parser, which does not know the method, would wait for a body until the end.
        (b"HEAD", b"HTTP/1.1 200 OK\r\n\r\n", 2),
    ],
)
async def test_an_answer_without_a_body(method: bytes, head: bytes, connections: int) -> None:
    """Nobody waits for it, and the connection serves again."""

    async def serve(visitor: Visitor) -> None:
        if visitor.number == 0:
            await visitor.answer(head)
        await forever(visitor)

    async with upstream(serve) as server:
        _, body = await server.send(method=method, safe=True)
        assert body == b""
        assert await server.send(method=b"GET", safe=True) == (200, b"ok")
        assert len(server.visitors) == connections


async def test_the_headers_of_an_answer() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer(
            b"HTTP/1.1 418 Teapot\r\nX-One: 1\r\nset-cookie: a\r\nSet-Cookie: b\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    async with upstream(serve) as server:
        exchange = server.exchange()
        response = await exchange.send()
        assert response.status == 418
        assert response.headers == [
            (b"x-one", b"1"),
            (b"set-cookie", b"a"),
            (b"set-cookie", b"b"),
            (b"content-length", b"0"),
        ]
        assert response.header(b"set-cookie") == b"a"
        assert response.header(b"x-two") is None
        exchange.close()


async def test_an_answer_is_received_no_faster_than_it_is_read() -> None:
    sent = 0

    async def serve(visitor: Visitor) -> None:
        nonlocal sent
        await visitor.head()
        await visitor.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        for _ in range(64):
            await visitor.send(bytes(MIB))
            sent += 1

    async with upstream(serve) as server:
        exchange = server.exchange(method=b"GET", safe=True)
        response = await exchange.send()
        await asyncio.sleep(0.2)
        assert sent < 32
        received = [len(chunk) async for chunk in response.chunks()]
        assert sum(received) == 64 * MIB
        exchange.close()
    assert READ_BUFFER <= MIB


async def test_an_answer_that_is_too_long_for_its_purpose() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world")

    async with upstream(serve) as server:
        exchange = server.exchange()
        response = await exchange.send()
        with pytest.raises(Broken, match="more than 10 bytes"):
            await response.read(10, TIMEOUT)
        exchange.close()


# Early answers.


@pytest.mark.parametrize("length", [1000, None])
async def test_an_answer_that_comes_before_the_body(length: int | None) -> None:
    """It does not wait for a client that has not sent the rest yet."""

    async def read() -> bytes:
        await asyncio.Event().wait()
        return b""

    async def serve(visitor: Visitor) -> None:
        await visitor.head()
        await visitor.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await visitor.until_closed()

    async with upstream(serve) as server:
        exchange = server.exchange(Content(b"hel", read, length))
        response = await exchange.send()
        assert (response.status, await response.read(10, TIMEOUT)) == (403, b"no")
        assert not exchange.delivered
        exchange.close()
        assert server.idle == 0  # it still waits for the rest of that body


async def test_an_answer_that_comes_while_nothing_more_is_taken() -> None:
    async def read() -> bytes:
        await asyncio.sleep(0)
        return bytes(MIB)

    async def serve(visitor: Visitor) -> None:
        await visitor.head()
        await asyncio.sleep(0.1)
        await visitor.send(b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
        await asyncio.sleep(1)

    async with upstream(serve) as server:
        exchange = server.exchange(Content(b"", read, 10**12))
        response = await exchange.send()
        assert (response.status, await response.read(10, TIMEOUT)) == (413, b"no")
        exchange.close()


# The client, or somebody on its side, ends it.


class Gone(Exception):
    """What reading the rest of a body may raise."""


async def test_a_body_that_fails_ends_the_request() -> None:
    """Mattermost must not take what has come for all there is."""
    ended = asyncio.Event()

    async def read() -> bytes:
        await asyncio.sleep(0.05)
        raise Gone

    async def serve(visitor: Visitor) -> None:
        await visitor.head()
        await visitor.until_closed()
        ended.set()

    async with upstream(serve) as server:
        exchange = server.exchange(Content(b"hel", read, None))
        with pytest.raises(Gone):
            await exchange.send()
        assert not exchange.delivered
        exchange.close()
        async with asyncio.timeout(TIMEOUT):
            await ended.wait()


@pytest.mark.parametrize("whole", [True, False])
async def test_who_is_cancelled_ends_the_request(*, whole: bool) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def read() -> bytes:
        await asyncio.Event().wait()
        return b""

    async def serve(visitor: Visitor) -> None:
        await visitor.head()
        begun.set()
        await visitor.until_closed()
        ended.set()

    async with upstream(serve) as server:
        exchange = server.exchange(b"hello" if whole else Content(b"hel", read, 5))
        sending = asyncio.create_task(exchange.send())
        await begun.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert exchange.delivered is whole
        exchange.close()
        async with asyncio.timeout(TIMEOUT):
            await ended.wait()


# What goes wrong.


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
