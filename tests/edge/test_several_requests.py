"""One connection for several requests, and clients that leave it."""

import asyncio

import pytest

from tests.edge.support import (
    GET,
    POST,
    Receive,
    Running,
    Scope,
    Send,
    answer,
    echo,
    endless,
    post,
    read_all,
    serving,
    until,
)

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


async def test_a_client_that_leaves_within_its_answer() -> None:
    left = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
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
