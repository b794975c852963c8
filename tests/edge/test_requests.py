"""Requests, as the application is told of them, and bodies that arrive."""

import asyncio

import pytest

from gateway.edge.cycle import MALFORMED
from gateway.edge.protocol import BODY_BUFFER
from tests.edge.support import (
    GET,
    MIB,
    POST,
    Receive,
    Scope,
    Send,
    answer,
    echo,
    post,
    read_all,
    refuse,
    serving,
    until,
)

# What the application is told.


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", b""),
        (b"/a/b", b"/a/b", b""),
        (b"/a%2Fb//c?x=1&y=%20?z", b"/a%2Fb//c", b"x=1&y=%20?z"),
        (b"/a?", b"/a", b""),
        (b"/a;b=c", b"/a;b=c", b""),
        (b"http://chat.example:80/a?b", b"http://chat.example:80/a", b"b"),
        (b"http://chat.example", b"http://chat.example", b""),
        (b"*", b"*", b""),
    ],
)
async def test_the_target_of_a_request(target: bytes, path: bytes, query: bytes) -> None:
    async with serving(echo) as running:
        client = await running.connect()
        await client.send(b"OPTIONS %s HTTP/1.1\r\nHost: chat\r\n\r\n" % target)
        assert (await client.answer())[0] == 200
    (scope,) = running.scopes
    assert (scope["raw_path"], scope["query_string"]) == (path, query)


async def test_the_scope_of_a_request() -> None:
    async with serving(echo) as running:
        client = await running.connect()
        await client.send(post(b"hello", b"X-One: 1", b"x-TWO:  2", b"X-One: 3"))
        assert (await client.answer())[2] == b"hello"
    (scope,) = running.scopes
    assert (scope["type"], scope["method"], scope["http_version"]) == ("http", "POST", "1.1")
    assert scope["scheme"] == "http"
    assert scope["client"][0] == "127.0.0.1"
    assert scope["headers"] == [
        (b"host", b"chat"),
        (b"x-one", b"1"),
        (b"x-two", b"2"),
        (b"x-one", b"3"),
        (b"content-length", b"5"),
    ]


async def test_blanks_around_a_value_are_not_part_of_it() -> None:
    """RFC 9110, 5.5."""
    async with serving(echo) as running:
        client = await running.connect()
        await client.send(post(b"hello", b"X-One: \t1 \t"))
        assert (await client.answer())[0] == 200
    (scope,) = running.scopes
    assert (b"x-one", b"1") in scope["headers"]


async def test_trailers_are_no_headers() -> None:
    async with serving(echo) as running:
        client = await running.connect()
        chunks = b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"
        await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        assert (await client.answer())[2] == b"hello"
    (scope,) = running.scopes
    assert dict(scope["headers"]) == {b"host": b"chat", b"transfer-encoding": b"chunked"}


# Bodies.


@pytest.mark.parametrize("size", [0, 1, 100_000, 5_000_000])
async def test_a_body_arrives(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with serving(echo) as running:
        client = await running.connect()
        sending = asyncio.create_task(client.send(post(body)))
        assert (await client.answer())[2] == body
        await sending


async def test_a_chunked_body_arrives_in_the_pieces_in_which_it_was_sent() -> None:
    pieces: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            pieces.append(message["body"])
            more = message["more_body"]
        await answer(send)

    async with serving(app) as running:
        client = await running.connect()
        await client.send(
            POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n3\r\nbcd\r\n0\r\n\r\n"
        )
        assert (await client.answer())[0] == 200
    assert [item for item in pieces if item] == [b"a", b"bcd"]


async def test_a_body_that_nobody_reads_is_not_received() -> None:
    """Back-pressure: what waits is bounded, and the rest stays with the client."""
    go_on = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await answer(send, b"%d" % len(await read_all(receive)))

    async with serving(app) as running:
        client = await running.connect()
        body = bytes(64 * MIB)
        sending = asyncio.create_task(client.send(post(body)))
        connection = await running.connection()
        await until(lambda: connection._running is not None)
        cycle = connection._running
        assert cycle is not None
        await until(lambda: cycle.waiting > BODY_BUFFER)
        await asyncio.sleep(0.1)
        assert cycle.waiting < 2 * BODY_BUFFER
        assert not sending.done()
        go_on.set()
        assert (await client.answer())[2] == b"%d" % len(body)
        await sending


async def test_a_client_is_asked_for_its_body_when_somebody_wants_it() -> None:
    want = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await want.wait()
        await echo(scope, receive, send)

    async with serving(app) as running:
        client = await running.connect()
        await client.send(POST + b"Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.reader.read(1)
        want.set()
        assert (await client.answer())[0] == 100
        await client.send(b"hello")
        assert (await client.answer())[2] == b"hello"


async def test_a_client_whose_body_nobody_wants_is_not_asked_for_it() -> None:
    async with serving(refuse) as running:
        client = await running.connect()
        await client.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert (await client.answer())[0] == 413


# What is not HTTP.


def malformed_only(seen: list[bool]) -> object:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(MALFORMED in scope["extensions"])
        await answer(send, b"", 400 if seen[-1] else 200)

    return app


NOT_HTTP = {
    "words": b"hello there\r\n\r\n",
    "nothing but zeros": bytes(100),
    "a great deal of zeros": bytes(2 * MIB),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method in small letters": b"get / HTTP/1.1\r\nHost: chat\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : chat\r\n\r\n",
    "a continued line": b"GET / HTTP/1.1\r\nHost: chat\r\nX: a\r\n b\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: chat\n\n",
    "a zero in a header": b"GET / HTTP/1.1\r\nHost: chat\r\nX: a\0b\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
    "a length with a sign": b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na",
    "an endless length": b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\na",
    "length and chunks": (
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a length beside an encoding": (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\na"
    ),
    "no address": b"CONNECT chat:80 HTTP/1.1\r\nHost: chat\r\n\r\n",
    "a fragment": b"GET /a?b#c HTTP/1.1\r\nHost: chat\r\n\r\n",
    "another scheme": b"GET ftp://chat/ HTTP/1.1\r\nHost: chat\r\n\r\n",
    "an address without a host": b"GET http:///x HTTP/1.1\r\nHost: chat\r\n\r\n",
    "an address with a user name": b"GET http://a:b@chat/ HTTP/1.1\r\nHost: chat\r\n\r\n",
    "HTTP/0.9": b"GET /x\r\n\r\n",
    "HTTP/2 in words": b"GET /x HTTP/2.0\r\nHost: chat\r\n\r\n",
}


@pytest.mark.parametrize("kind", NOT_HTTP)
async def test_what_is_not_http_is_the_applications_to_refuse(kind: str) -> None:
    seen: list[bool] = []
    app = malformed_only(seen)
    assert callable(app)
    async with serving(app) as running:
        client = await running.connect()
        sending = asyncio.create_task(client.send(NOT_HTTP[kind]))
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (400, "close")
        assert await client.at_end()
        await asyncio.gather(sending, return_exceptions=True)
    assert seen == [True]


async def test_what_is_not_http_may_come_later() -> None:
    seen: list[bool] = []
    app = malformed_only(seen)
    assert callable(app)
    async with serving(app) as running:
        client = await running.connect()
        await client.send(GET)
        assert (await client.answer())[0] == 200
        await client.send(b"hello there\r\n\r\n")
        assert (await client.answer())[0] == 400
        assert await client.at_end()
    assert seen == [False, True]
