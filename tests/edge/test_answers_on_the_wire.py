"""Answers, as they leave; also those that come before the body has arrived."""

import asyncio

import pytest

from gateway.edge.protocol import LINGER_IDLE, LINGER_TOTAL
from tests.edge.support import (
    GET,
    MIB,
    POST,
    Receive,
    Scope,
    Send,
    answer,
    echo,
    now,
    piece,
    post,
    read_all,
    refuse,
    serving,
    start,
    until,
)

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
