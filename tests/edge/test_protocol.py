"""The server's side of HTTP/1.1, over real sockets; time passes by calling ``expire``."""

import asyncio
from contextlib import suppress

import pytest

from gateway.edge.protocol import (
    BODY_BUFFER,
    HEAD_LIMIT,
    HEAD_TIMEOUT,
    LINGER_IDLE,
    LINGER_TOTAL,
    MALFORMED,
    STALLED,
)
from tests.edge.support import (
    CLIENT_TIMEOUT,
    KEEP_ALIVE,
    Receive,
    Running,
    Scope,
    Send,
    answer,
    echo,
    piece,
    read_all,
    refuse,
    serving,
    serving_until_stopped,
    start,
    until,
)

GET = b"GET /x HTTP/1.1\r\nHost: chat\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: chat\r\n"
MIB = 2**20


def post(body: bytes, *headers: bytes) -> bytes:
    lines = [POST, *(header + b"\r\n" for header in headers)]
    return b"".join(lines) + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def now() -> float:
    return asyncio.get_running_loop().time()


# What the application is told.


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", b""),
        (b"/a/b", b"/a/b", b""),
        (b"/a%2Fb//c?x=1&y=%20?z", b"/a%2Fb//c", b"x=1&y=%20?z"),
        (b"/a?", b"/a", b""),
        (b"/a;b=c", b"/a;b=c", b""),
        (b"http://chat.example:80/a?b", b"/a", b"b"),
        (b"http://chat.example", b"/", b""),
        (b"/a?b#c", b"/a", b"b"),
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


# Answers.


async def test_an_answer_with_its_length() -> None:
    async with serving(echo) as running:
        client = await running.connect()
        await client.send(post(b"hello"))
        status, headers, body = await client.answer()
        assert (status, body) == (200, b"hello")
        assert headers["content-length"] == "5"
        assert headers["date"].endswith("GMT")
        assert "connection" not in headers
        assert "server" not in headers


async def in_pieces(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    for item in (b"one", b"", b"two"):
        await piece(send, item)
    await piece(send, b"", more=False)


@pytest.mark.parametrize(
    ("version", "framing"), [("1.1", ("transfer-encoding", "chunked")), ("1.0", None)]
)
async def test_an_answer_of_unknown_length(version: str, framing: tuple[str, str] | None) -> None:
    async with serving(in_pieces) as running:
        client = await running.connect()
        await client.send(f"GET /x HTTP/{version}\r\nHost: chat\r\n\r\n".encode())
        _, headers, body = await client.answer()
        assert body == b"onetwo"
        assert (framing in headers.items()) if framing else "transfer-encoding" not in headers


async def test_an_answer_to_head_has_no_body() -> None:
    async with serving(echo) as running:
        client = await running.connect()
        await client.send(b"HEAD /x HTTP/1.1\r\nHost: chat\r\nContent-Length: 5\r\n\r\nhello")
        _, headers, _ = await client.answer(head_only=True)
        assert headers["content-length"] == "5"
        await client.send(post(b"again"))
        assert (await client.answer())[2] == b"again"


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_never_has_a_body(status: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, status)
        await piece(send, b"", more=False)

    async with serving(app) as running:
        client = await running.connect()
        for _ in range(2):
            await client.send(GET)
            got, headers, _ = await client.answer()
            assert got == status
            assert not {"content-length", "transfer-encoding"} & set(headers)


async def test_a_status_that_no_standard_knows() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"", 599)

    async with serving(app) as running:
        client = await running.connect()
        await client.send(GET)
        assert (await client.answer())[0] == 599


async def test_an_application_that_dates_its_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"", 200, (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"))

    async with serving(app) as running:
        client = await running.connect()
        await client.send(GET)
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.lower().count(b"date:") == 1


async def answer_with_a_line_end(scope: Scope, receive: Receive, send: Send) -> None:
    with pytest.raises(RuntimeError, match="line end"):
        await answer(send, b"", 200, (b"x-one", b"1\r\nx-two: 2"))


async def stop_within_the_answer(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, 200, (b"content-length", b"5"))
    await piece(send, b"he")


async def never_answer(scope: Scope, receive: Receive, send: Send) -> None:
    await read_all(receive)


@pytest.mark.parametrize("app", [answer_with_a_line_end, stop_within_the_answer, never_answer])
async def test_an_application_that_does_not_finish_its_answer(app: object) -> None:
    """The end of the connection is what tells the client."""
    assert callable(app)
    async with serving(app) as running:
        client = await running.connect()
        await client.send(GET)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.answer()


async def test_a_client_that_does_not_read_stops_the_application() -> None:
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await start(send)
        for _ in range(64):
            await piece(send, bytes(MIB))
            sent += 1
        await piece(send, b"", more=False)

    async with serving(app) as running:
        client = await running.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(GET)
        await until(lambda: sent > 0)
        await asyncio.sleep(0.2)
        assert sent < 32
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len((await client.answer())[2]) == 64 * MIB


# One connection, several requests.


async def test_a_connection_is_kept() -> None:
    async with serving(echo) as running:
        client = await running.connect()
        for body in (b"one", b"", b"three" * 100_000):
            sending = asyncio.create_task(client.send(post(body)))
            assert (await client.answer())[2] == body
            await sending
        assert len(running.connections) == 1


UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (POST + UPGRADE + b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (POST + UPGRADE + b"Content-Length: 0\r\n\r\n", b""),
        (b"GET /x HTTP/1.1\r\nHost: chat\r\n" + UPGRADE + b"\r\n", b""),
    ],
    ids=["with its length", "empty", "without a body"],
)
@pytest.mark.parametrize("by_byte", [False, True])
async def test_an_upgrade_that_is_offered_is_overlooked(
    request_: bytes, body: bytes, *, by_byte: bool
) -> None:
    """RFC 9110, 7.8. Java's HttpClient and curl --http2 offer one in every first request."""
    async with serving(echo) as running:
        client = await running.connect()
        for start_ in range(0, len(request_), 1 if by_byte else len(request_)):
            await client.send(request_[start_:][: 1 if by_byte else None])
            await asyncio.sleep(0)
        assert (await client.answer())[2] == body
    (scope,) = running.scopes
    assert scope["method"] in ("GET", "POST")


async def test_what_follows_an_upgrade_is_no_part_of_it() -> None:
    """Nor is its body the beginning of another request."""
    hidden = b"GET /hidden HTTP/1.1\r\nHost: chat\r\n\r\n"
    async with serving(echo) as running:
        client = await running.connect()
        length = b"Content-Length: %d\r\n\r\n" % len(hidden)
        await client.send(POST + UPGRADE + length + hidden)
        assert (await client.answer())[2] == hidden
        await asyncio.sleep(0.05)
    assert [scope["raw_path"] for scope in running.scopes] == [b"/x"]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /x HTTP/1.1\r\nHost: chat\r\nConnection: close\r\n\r\n",
        b"GET /x HTTP/1.0\r\nHost: chat\r\n\r\n",
    ],
)
async def test_a_connection_that_is_not_to_be_kept(head: bytes) -> None:
    async with serving(echo) as running:
        client = await running.connect()
        await client.send(head)
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await client.at_end()


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_all(receive)
        await asyncio.sleep(0.05 if body == b"0" else 0)
        await answer(send, body)

    async with serving(app) as running:
        client = await running.connect()
        await client.send(b"".join(post(b"%d" % number) for number in range(20)))
        for number in range(20):
            assert (await client.answer())[2] == b"%d" % number


async def test_pipelined_requests_are_served_one_at_a_time() -> None:
    busy = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal busy
        busy += 1
        assert busy == 1
        body = await read_all(receive)
        await asyncio.sleep(0.01)
        busy -= 1
        await answer(send, body)

    async with serving(app) as running:
        client = await running.connect()
        bodies = [bytes(300_000), b"x", bytes(700_000)]
        sending = asyncio.create_task(client.send(b"".join(post(body) for body in bodies)))
        for body in bodies:
            assert (await client.answer())[2] == body
        await sending


async def test_what_follows_a_request_does_not_take_its_answer_away() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_all(receive)
        await asyncio.sleep(0.05)
        await answer(send, body)

    async with serving(app) as running:
        client = await running.connect()
        await client.send(post(b"hello") + b"nonsense\r\n\r\n")
        assert (await client.answer())[2] == b"hello"


# The client leaves.


async def test_a_client_may_close_its_side_after_its_request() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_all(receive)
        await asyncio.sleep(0.1)
        await answer(send, body)

    async with serving(app) as running:
        client = await running.connect()
        await client.send(post(b"hello"))
        client.writer.write_eof()
        status, headers, body = await client.answer()
        assert (status, body) == (200, b"hello")
        assert headers["connection"] == "close"
        assert await client.at_end()


@pytest.mark.parametrize("event", ["eof", "shutdown"])
async def test_an_answer_that_was_given_arrives(event: str) -> None:
    """Whatever happens to the connection in the same round of the event loop."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, await read_all(receive))
        connection = await running.connection()
        if event == "shutdown":
            connection.shutdown()
        elif not connection.eof_received():
            connection.transport.close()

    running: Running
    async with serving(app) as running:
        client = await running.connect()
        await client.send(post(b"hello"))
        assert (await client.answer())[2] == b"hello"


async def test_a_client_that_leaves_within_its_body() -> None:
    left = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(ConnectionError):
            await read_all(receive)
        left.set()
        with pytest.raises(OSError):  # noqa: PT011 - any of them
            await answer(send)

    async with serving(app) as running:
        client = await running.connect()
        await client.send(POST + b"Content-Length: 5\r\n\r\nhe")
        await until(lambda: bool(running.scopes))
        client.close()
        async with asyncio.timeout(10):
            await left.wait()


async def endless(send: Send) -> None:
    while True:
        await piece(send, bytes(MIB))


async def test_a_client_that_leaves_within_its_answer() -> None:
    left = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        with pytest.raises(OSError):  # noqa: PT011 - any of them
            await endless(send)
        left.set()

    async with serving(app) as running:
        client = await running.connect()
        await client.send(GET)
        await client.reader.read(1000)
        client.writer.transport.abort()
        async with asyncio.timeout(10):
            await left.wait()


# Early answers, and the lingering close.


async def test_an_early_answer_reaches_a_client_that_goes_on_sending() -> None:
    async with serving(refuse) as running:
        client = await running.connect()
        await client.send(POST + b"Content-Length: 1000000000\r\n\r\n")
        for _ in range(20):
            await client.send(bytes(MIB))
        status, headers, body = await client.answer()
        assert (status, headers["connection"], body) == (413, "close", b"no")
        assert await client.at_end()


async def test_a_lingering_connection_ends_when_the_client_does() -> None:
    async with serving(refuse) as running:
        client = await running.connect()
        await client.send(POST + b"Content-Length: 1000000000\r\n\r\n")
        await client.answer()
        client.close()
        await until(lambda: not running.connections)


async def test_a_lingering_connection_ends_after_some_silence() -> None:
    async with serving(refuse) as running:
        client = await running.connect()
        await client.send(POST + b"Content-Length: 1000000000\r\n\r\n")
        await client.answer()
        connection = await running.connection()
        answered = now()
        connection.expire(answered + LINGER_IDLE - 1)
        assert running.connections
        connection.expire(answered + LINGER_IDLE + 1)
        await until(lambda: not running.connections)


async def test_a_lingering_connection_ends_even_if_the_client_goes_on() -> None:
    async with serving(refuse) as running:
        client = await running.connect()
        await client.send(POST + b"Content-Length: 1000000000\r\n\r\n")
        await client.answer()
        connection = await running.connection()
        since = connection._lingering_since
        connection._lingering_since = since - LINGER_TOTAL
        await client.send(bytes(1000))
        await asyncio.sleep(0.05)
        connection.expire(now() + 0.1)
        await until(lambda: not running.connections)


# Limits.


async def test_a_head_must_be_complete_in_time() -> None:
    async with serving(echo) as running:
        client = await running.connect()
        connection = await running.connection()
        connected = now()
        for byte in (b"G", b"E", b"T"):  # a client that sends a byte now and then
            await client.send(byte)
            await asyncio.sleep(0.02)
        connection.expire(connected + HEAD_TIMEOUT - 1)
        assert running.connections
        connection.expire(connected + HEAD_TIMEOUT + 1)
        assert await client.at_end()
        assert running.scopes == []


async def test_the_time_of_a_head_begins_with_it() -> None:
    async with serving(echo) as running:
        client = await running.connect()
        await client.send(post(b"hello"))
        await client.answer()
        connection = await running.connection()
        await client.send(b"GET")
        await until(lambda: connection.deadline is not None)
        await asyncio.sleep(0.02)
        connection.expire(now() + HEAD_TIMEOUT - 1)
        assert running.connections
        connection.expire(now() + HEAD_TIMEOUT + 1)
        assert await client.at_end()


async def test_an_idle_connection_is_closed() -> None:
    async with serving(echo) as running:
        client = await running.connect()
        await client.send(post(b"hello"))
        await client.answer()
        connection = await running.connection()
        connection.expire(now() + KEEP_ALIVE - 1)
        assert running.connections
        connection.expire(now() + KEEP_ALIVE + 1)
        assert await client.at_end()


async def test_a_running_request_has_all_the_time_it_needs() -> None:
    go_on = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_all(receive)
        await go_on.wait()
        await answer(send, body)

    async with serving(app) as running:
        client = await running.connect()
        await client.send(post(b"hello"))
        connection = await running.connection()
        await until(lambda: bool(running.scopes))
        connection.expire(now() + 10_000)
        go_on.set()
        assert (await client.answer())[2] == b"hello"


async def test_a_client_that_is_silent_within_its_body_can_be_told_so() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        assert message["body"] == b"he"
        message = await receive()
        assert message["type"] == "http.disconnect"
        await answer(send, b"too slow" if STALLED in message else b"gone", 408)

    async with serving(app) as running:
        client = await running.connect()
        await client.send(POST + b"Content-Length: 5\r\n\r\nhe")
        connection = await running.connection()
        await until(lambda: bool(running.scopes))
        await asyncio.sleep(0.05)
        connection.expire(now() + CLIENT_TIMEOUT - 1)
        await asyncio.sleep(0.05)
        assert running.connections
        connection.expire(now() + CLIENT_TIMEOUT + 1)
        status, _, body = await client.answer()
        assert (status, body) == (408, b"too slow")
        assert await client.at_end()


@pytest.mark.parametrize("size", [HEAD_LIMIT + 1, HEAD_LIMIT * 2, MIB])
async def test_a_head_that_is_too_large(size: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"", 400 if MALFORMED in scope["extensions"] else 200)

    async with serving(app) as running:
        client = await running.connect()
        await client.send(b"GET /x HTTP/1.1\r\nX-Long: " + b"a" * size)
        assert (await client.answer())[0] == 400
        assert await client.at_end()


async def test_a_whole_head_that_is_too_large() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"", 400 if MALFORMED in scope["extensions"] else 200)

    async with serving(app) as running:
        client = await running.connect()
        connection = await running.connection()
        head = b"GET /x HTTP/1.1\r\nX-Long: " + b"a" * HEAD_LIMIT + b"\r\n\r\n"
        connection.data_received(head)
        assert (await client.answer())[0] == 400


async def test_a_large_head_within_the_limit() -> None:
    async with serving(echo) as running:
        client = await running.connect()
        line = b"X-Long: " + b"a" * 1000 + b"\r\n"
        await client.send(b"GET /x HTTP/1.1\r\n" + line * 60 + b"\r\n")
        assert (await client.answer())[0] == 200


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


# The server ends.


async def test_an_idle_connection_ends_with_the_server() -> None:
    async with serving_until_stopped(echo) as (running, server):
        client = await running.connect()
        await client.send(post(b"hello"))
        await client.answer()
        server.should_exit = True
        assert await client.at_end()


async def until_nobody_listens(running: Running) -> None:
    with suppress(ConnectionRefusedError):
        while True:
            await running.connect()
            await asyncio.sleep(0.02)


async def test_a_running_request_is_answered_before_the_server_ends() -> None:
    async with serving_until_stopped(echo) as (running, server):
        client = await running.connect()
        await client.send(POST + b"Content-Length: 5\r\n\r\nhe")
        await until(lambda: bool(running.scopes))
        server.should_exit = True
        await until_nobody_listens(running)
        await client.send(b"llo")
        status, headers, body = await client.answer()
        assert (status, headers["connection"], body) == (200, "close", b"hello")
        assert await client.at_end()


async def test_the_server_lets_deadlines_pass() -> None:
    async with serving_until_stopped(echo) as (running, _):
        client = await running.connect()
        connection = await running.connection()
        connection.deadline = now()
        assert await client.at_end()


async def test_a_request_that_is_cancelled_while_its_client_does_not_read() -> None:
    """As at the end of a graceful stop that took too long."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await endless(send)

    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    async with serving(app) as running:
        client = await running.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(GET)
        connection = await running.connection()
        await until(lambda: connection.writable is not None)
        for task in list(running.state.tasks):
            task.cancel()
        await until(lambda: not running.connections)
    assert problems == []
