"""Limits of time and size, and the end of the server; time passes by calling ``expire``."""

import asyncio
from contextlib import suppress

import pytest

from gateway.edge.cycle import MALFORMED, STALLED
from gateway.edge.protocol import HEAD_LIMIT, HEAD_TIMEOUT
from tests.edge.support import (
    CLIENT_TIMEOUT,
    GET,
    KEEP_ALIVE,
    MIB,
    POST,
    Receive,
    Running,
    Scope,
    Send,
    answer,
    echo,
    endless,
    now,
    post,
    read_all,
    serving,
    serving_until_stopped,
    until,
)

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


async def answer_with_much(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, bytes(64 * MIB))


@pytest.mark.parametrize("head", [GET, GET[:-2] + b"Connection: close\r\n\r\n"])
async def test_a_client_that_takes_nothing_of_its_answer(head: bytes) -> None:
    """All of it is said, and waits: neither does it wait for ever, nor is the client idle."""
    async with serving(answer_with_much) as running:
        client = await running.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(head)
        connection = await running.connection()
        await until(lambda: connection.transport.get_write_buffer_size() > MIB)
        seen = now()
        connection.expire(seen)
        connection.expire(seen + CLIENT_TIMEOUT - 1)
        assert running.connections
        connection.expire(seen + CLIENT_TIMEOUT + 1)
        await until(lambda: not running.connections)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        with pytest.raises(ConnectionError):
            await client.answer()


async def test_a_client_that_takes_its_answer_slowly() -> None:
    """It may take longer than an idle connection is kept, and than it may take nothing."""
    async with serving(answer_with_much) as running:
        client = await running.connect()
        await client.send(GET)
        connection = await running.connection()
        await until(lambda: connection.transport.get_write_buffer_size() > MIB)
        await client.reader.readuntil(b"\r\n\r\n")
        clock, received = now(), 0
        while received < 32 * MIB:
            waiting = connection.transport.get_write_buffer_size()
            received += len(await client.reader.readexactly(8 * MIB))
            await until(lambda: connection.transport.get_write_buffer_size() < waiting)  # noqa: B023
            clock += KEEP_ALIVE + CLIENT_TIMEOUT
            connection.expire(clock)
        assert len(await client.reader.readexactly(32 * MIB)) == 32 * MIB
        await client.send(GET)
        assert (await client.answer())[0] == 200


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


# The server ends.


async def test_an_idle_connection_ends_with_the_server() -> None:
    async with serving_until_stopped(echo) as (running, server):
        client = await running.connect()
        await client.send(post(b"hello"))
        await client.answer()
        server.should_exit = True
        assert await client.at_end()


async def until_nobody_listens(running: Running) -> None:
    with suppress(ConnectionRefusedError, ConnectionResetError):
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
