"""Connections that are kept: which serve again, and what happens when one has died meanwhile."""

import asyncio
import time

import pytest

from gateway.upstream.connection import Broken
from gateway.upstream.exchange import GO_AHEAD, IDLE_EXPIRY, MOST_IDLE, TRUSTED_IDLE, Content
from gateway.upstream.mattermost import Mattermost
from tests.support.origin import Origin, Visit
from tests.upstream.support import OK, TIMEOUT, Request, Upstream, Visitor, forever, upstream


async def test_a_connection_serves_again() -> None:
    async with upstream(forever) as server:
        for _ in range(5):
            assert await server.send(b"hello") == (200, b"ok")
        assert (len(server.visitors), server.idle) == (1, 1)


async def test_exchanges_at_the_same_time_have_connections_of_their_own() -> None:
    async with upstream(forever) as server:
        await asyncio.gather(*(server.send(b"hello") for _ in range(5)))
        assert server.idle == len(server.visitors) == 5
        await asyncio.gather(*(server.send(b"hello") for _ in range(5)))
        assert len(server.visitors) == 5


async def test_so_many_idle_connections_are_kept_and_no_more() -> None:
    async with upstream(forever) as server:
        exchanges = [server.exchange(b"hello") for _ in range(MOST_IDLE + 10)]
        for exchange in exchanges:
            response = await exchange.send()
            await response.read(10, TIMEOUT)
        for exchange in exchanges:
            exchange.close()
        assert server.idle == MOST_IDLE


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
        OK + b"and more",
        OK + OK,
    ],
    ids=["says so", "is old", "marks the end of the answer", "goes on", "answers twice"],
)
async def test_a_connection_that_does_not_serve_again(answer: bytes) -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer(answer)
        if b"Content-Length" in answer:
            await visitor.until_closed()

    async with upstream(serve) as server:
        for number in range(3):
            assert await server.send(b"hello") == (200, b"ok")
            await asyncio.sleep(0.01)
            assert len(server.visitors) == number + 1


async def test_a_connection_whose_answer_was_not_read_to_its_end_does_not_serve_again() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
        await visitor.until_closed()

    async with upstream(serve) as server:
        exchange = server.exchange(b"hello")
        await exchange.send()
        exchange.close()
        assert server.idle == 0


async def test_a_connection_that_was_idle_for_too_long_does_not_serve_again() -> None:
    async with upstream(forever) as server:
        await server.send(b"hello")
        server.let_idle(IDLE_EXPIRY - 1)
        await server.send(method=b"GET", safe=True)
        assert len(server.visitors) == 1
        server.let_idle(IDLE_EXPIRY + 1)
        await server.send(method=b"GET", safe=True)
        assert len(server.visitors) == 2


async def test_idle_connections_are_closed_when_they_have_expired() -> None:
    async with upstream(forever) as server:
        await asyncio.gather(*(server.send(b"hello") for _ in range(5)))
        server.let_idle(IDLE_EXPIRY + 1)
        await server.send(b"hello")
        assert server.idle == 1


# Look before reuse.


def once_then(end: object) -> object:
    """Each connection serves one request, and then ``end``."""

    async def serve(visitor: Visitor) -> None:
        await visitor.answer()
        assert callable(end)
        await end(visitor)

    return serve


async def close_at_once(visitor: Visitor) -> None:
    """Nothing: the connection ends."""


async def reset_at_once(visitor: Visitor) -> None:
    visitor.reset()


@pytest.mark.parametrize("end", [close_at_once, reset_at_once])
async def test_a_connection_that_ended_while_it_was_idle_is_not_used(end: object) -> None:
    """Neither at once nor later, whatever the request is."""
    serve = once_then(end)
    assert callable(serve)
    async with upstream(serve) as server:
        for number in range(4):
            assert await server.send(b"hello") == (200, b"ok")
            await asyncio.sleep(0.02)
            if number == 2:
                server.let_idle(TRUSTED_IDLE + 1)
        assert len(server.visitors) == 4


async def test_a_connection_is_looked_at_before_it_is_used() -> None:
    """Its end may have come in while the event loop was busy with something else."""

    def answer_and_close(visit: Visit) -> bool:
        visit.read_body()
        visit.send(OK)
        return False

    with Origin(answer_and_close) as origin:
        mattermost = Mattermost(origin.url, "", connect_timeout=TIMEOUT, timeout=TIMEOUT)
        for _ in range(5):
            exchange = mattermost.exchange(
                b"POST", b"/x", b"host: chat\r\n", Content(b"a", None, 1)
            )
            response = await exchange.send()
            assert await response.read(10, TIMEOUT) == b"ok"
            exchange.close()
            time.sleep(0.02)  # noqa: ASYNC251 - that is the point
        await mattermost.close()
    assert origin.connections == 5


# It ends when the next request has been written to it.


async def dying(server: Upstream, *, idle: float = 0.0) -> None:
    """Leave one connection in the pool of ``server``, which closes it at the next request."""
    assert await server.send(method=b"GET", safe=True) == (200, b"ok")
    server.let_idle(idle)


async def serve_then_die(visitor: Visitor) -> None:
    """The first connection ends at its second request's head; all others go on."""
    await visitor.answer()
    if visitor.number == 0:
        await visitor.head()
        return
    await forever(visitor)


def rest_of(*pieces: bytes, wait: float = 0.0) -> tuple[Content, list[bytes]]:
    """A body with a first piece and ``pieces``; and what is left of them."""
    left = list(pieces)

    async def read() -> bytes:
        await asyncio.sleep(wait)
        return left.pop(0) if left else b""

    return Content(b"first,", read, None), left


async def test_a_safe_request_is_sent_again() -> None:
    async with upstream(serve_then_die) as server:
        await dying(server)
        assert await server.send(method=b"GET", safe=True) == (200, b"ok")
        assert len(server.visitors) == 2


async def test_a_body_in_hand_is_not_sent_again_once_it_was_sent() -> None:
    """Mattermost may have acted on it: a file must not be stored twice."""
    async with upstream(serve_then_die) as server:
        await dying(server)
        with pytest.raises(Broken):
            await server.send(b"hello")
        assert len(server.visitors) == 1


async def test_a_request_without_a_body_is_not_sent_again_unless_it_is_safe() -> None:
    """Such as ``POST /posts/{id}/pin``."""
    async with upstream(serve_then_die) as server:
        await dying(server)
        with pytest.raises(Broken):
            await server.send(b"")
        assert len(server.visitors) == 1


async def test_a_body_of_which_nothing_was_pulled_is_sent_again() -> None:
    """What was sent is still in hand, and was not all of it: Mattermost cannot have acted."""
    bodies: list[bytes] = []

    async def serve(visitor: Visitor) -> None:
        if visitor.number == 0:
            await visitor.answer()
            await visitor.head()
            return
        bodies.append(await visitor.answer())

    async with upstream(serve) as server:
        await dying(server)
        content, left = rest_of(b"second,", b"third", wait=0.1)
        assert await server.send(content) == (200, b"ok")
        assert left == []
    assert bodies == [b"first,second,third"]


async def test_a_body_of_which_something_was_pulled_is_not_sent_again() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer()
        await visitor.head()
        assert await visitor.piece() == b"first,"
        assert await visitor.piece() == b"second,"

    async with upstream(serve) as server:
        await dying(server)
        content, left = rest_of(b"second,", *[b"piece"] * 1000, wait=0.01)
        with pytest.raises(Broken):
            await server.send(content)
        assert len(server.visitors) == 1
        assert left


async def test_a_body_that_was_all_in_its_first_piece_is_not_sent_again() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer()
        assert await visitor.body(await visitor.head()) == b"first,"

    async with upstream(serve) as server:
        await dying(server)
        content, _ = rest_of()
        with pytest.raises(Broken):
            await server.send(content)
        assert len(server.visitors) == 1


@pytest.mark.parametrize("said", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_nothing_is_sent_again_once_something_was_answered(said: bytes) -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer()
        await visitor.head()
        await visitor.send(said)

    async with upstream(serve) as server:
        await dying(server)
        with pytest.raises(Broken):
            await server.send(method=b"GET", safe=True)
        assert len(server.visitors) == 1


async def test_a_request_is_sent_again_once_only() -> None:
    async def serve(visitor: Visitor) -> None:
        if visitor.number == 0:
            await visitor.answer()
        await visitor.head()

    async with upstream(serve) as server:
        await dying(server)
        with pytest.raises(Broken):
            await server.send(method=b"GET", safe=True)
        assert len(server.visitors) == 2


# After some idleness a connection is asked whether it is still there.


async def test_an_idle_connection_is_asked_before_it_gets_a_body() -> None:
    requests: list[Request] = []

    async def serve(visitor: Visitor) -> None:
        await visitor.answer()
        request = await visitor.head()
        requests.append(request)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await visitor.reader.read(1)
        await visitor.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await visitor.body(request) == b"hello"
        await visitor.send(OK)

    async with upstream(serve) as server:
        await dying(server, idle=TRUSTED_IDLE + 1)
        assert await server.send(b"hello") == (200, b"ok")
        assert len(server.visitors) == 1
    assert requests[0].header("expect") == "100-continue"


@pytest.mark.parametrize(
    ("content", "idle", "method"),
    [
        (b"hello", 0.0, b"POST"),
        (b"", TRUSTED_IDLE + 1, b"POST"),
        (b"", TRUSTED_IDLE + 1, b"GET"),
    ],
    ids=["used just now", "without a body", "safe"],
)
async def test_otherwise_it_is_not_asked(content: bytes, idle: float, method: bytes) -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer()
        request = await visitor.head()
        assert request.header("expect") is None
        assert await visitor.body(request) == content
        await visitor.send(OK)

    async with upstream(serve) as server:
        await dying(server, idle=idle)
        assert await server.send(content, method, safe=method == b"GET") == (200, b"ok")


async def test_a_connection_that_ends_when_it_is_asked() -> None:
    """Nothing of the body was sent, so all of it goes over a new one, which need not be asked."""
    bodies: list[bytes] = []

    async def serve(visitor: Visitor) -> None:
        if visitor.number == 0:
            await visitor.answer()
            await visitor.head()
            return
        request = await visitor.head()
        assert request.header("expect") is None
        bodies.append(await visitor.body(request))
        await visitor.send(OK)

    async with upstream(serve) as server:
        await dying(server, idle=TRUSTED_IDLE + 1)
        assert await server.send(b"hello") == (200, b"ok")
    assert bodies == [b"hello"]


async def test_an_upstream_that_refuses_when_it_is_asked() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.answer()
        await visitor.head()
        await visitor.send(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno")
        await visitor.until_closed()

    async with upstream(serve) as server:
        await dying(server, idle=TRUSTED_IDLE + 1)
        exchange = server.exchange(b"hello")
        response = await exchange.send()
        assert (response.status, await response.read(10, TIMEOUT)) == (401, b"no")
        assert not exchange.delivered
        exchange.close()
        assert server.idle == 0


async def test_an_upstream_that_does_not_understand_the_question() -> None:
    """RFC 9110, 10.1.1: the body follows after a moment all the same."""
    assert GO_AHEAD <= 1

    async def serve(visitor: Visitor) -> None:
        await visitor.answer()
        request = await visitor.head()
        assert await visitor.body(request) == b"hello"
        await visitor.send(OK)

    async with upstream(serve) as server:
        await dying(server, idle=TRUSTED_IDLE + 1)
        assert await server.send(b"hello") == (200, b"ok")
