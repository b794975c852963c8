"""Exchanges with Mattermost: what is sent, and what becomes of whatever is answered."""

import asyncio

import pytest

from gateway.upstream.connection import (
    READ_BUFFER,
    WRITE_BUFFER,
    Broken,
)
from gateway.upstream.exchange import Content
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


async def test_trailers_are_no_headers() -> None:
    chunks = b"2\r\nok\r\n0\r\nx-trailer: 1\r\n\r\n"

    async with upstream(
        lambda visitor: visitor.answer(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        )
    ) as server:
        exchange = server.exchange()
        response = await exchange.send()
        assert await response.read(10, TIMEOUT) == b"ok"
        assert response.header(b"x-trailer") is None
        exchange.close()


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
