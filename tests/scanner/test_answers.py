"""What a clamd could say, and when: only one thing at one time is taken for "clean"."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.scanner.clamd import Failure, ScanFailed
from tests.scanner.support import (
    MIB,
    TIMEOUT,
    Daemon,
    Serve,
    Visitor,
    chunks_of,
    client,
    daemon,
    failure,
    open_files,
)

OK = b"stream: OK\0"
FOUND = b"stream: Win.Test FOUND\0"
TOO_LARGE = b"INSTREAM size limit exceeded. ERROR\0"
SHORT = 0.2
"""Seconds for a daemon that never does its part."""


@pytest.fixture(params=["tcp", "unix"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Where the daemon has its Unix socket, or None for TCP."""
    return tmp_path if request.param == "unix" else None


def saying(*pieces: bytes) -> Serve:
    """After all was read; a new packet for each of ``pieces``."""

    async def serve(visitor: Visitor) -> None:
        await visitor.read()
        for piece in pieces:
            await visitor.send(piece)
            await asyncio.sleep(0)

    return serve


async def outcome(server: Daemon, *chunks: bytes, timeout: float = TIMEOUT) -> str | None:
    clamav = client(server.url, timeout=timeout)
    return await outcome_of(clamav.scan(chunks_of(*(chunks or [b"hello"]))))


async def outcome_of(scan: Awaitable[str | None]) -> str | None:
    """None for clean, a signature, or why there is no verdict."""
    try:
        return await scan
    except ScanFailed as error:
        return error.reason if error.detail.isprintable() else "not fit for a log"


# Answers


ANSWERS: list[tuple[bytes, str | None]] = [
    (OK, None),
    (FOUND, "Win.Test"),
    (b"stream: Win.Trojan.A-1 (PUA: x) FOUND\0", "Win.Trojan.A-1 (PUA: x)"),
    (b"stream: OK FOUND\0", "OK"),
    (TOO_LARGE, Failure.TOO_LARGE),
    (b"INSTREAM: Can't write to temporary file. ERROR\0", Failure.ERROR),
    (b"stream: Can't allocate memory ERROR\0", Failure.ERROR),
    (b"stream: OK ERROR\0", Failure.ERROR),
    (b"", Failure.NO_VERDICT),
    *(
        (answer, Failure.GARBAGE)
        for answer in [
            OK[:-1],
            b"stream: O",
            b"s",
            b"\0",
            b"OK\0",
            b"stream: OK\n",
            b"stream: OK\r\n\0",
            b"stream: OK \0",
            b" stream: OK\0",
            b"stream:  OK\0",
            b"stream: ok\0",
            b"stream: OKAY\0",
            b"1: stream: OK\0",
            b"\0" + OK,
            OK + b"\0",
            OK + OK,
            OK + FOUND,
            FOUND + OK,
            OK + TOO_LARGE,
            TOO_LARGE + OK,
            FOUND[:-1],
            FOUND[:-5],
            b"stream: FOUND\0",
            b"stream:  FOUND\0",
            b"stream: a\nb FOUND\0",
            "stream: Größe FOUND\0".encode(),
            b"other: Win.Test FOUND\0",
            b" ERROR\0",
            b"UNKNOWN COMMAND\0",
            b"COMMAND READ TIMED OUT\n",
            b"PONG\0",
            b"HTTP/1.1 200 OK\r\n\r\nstream: OK\0",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            bytes(range(256)),
            b"stream: " + b"x" * 500 + b" FOUND\0",
            b"x" * 500 + b" ERROR\0",
            b"x" * MIB,
        ]
    ),
]


async def test_answers(path: Path | None) -> None:
    current: list[bytes] = []

    async def serve(visitor: Visitor) -> None:
        await saying(*current)(visitor)

    async with daemon(serve, path) as server:
        for answer, expected in ANSWERS:
            current[:] = [answer]
            assert await outcome(server) == expected, answer
            if len(answer) < 100:
                current[:] = [answer[i : i + 1] for i in range(len(answer))]
                assert await outcome(server) == expected, f"{answer!r}, byte by byte"


@pytest.mark.parametrize("answer", [b"", OK, FOUND, TOO_LARGE])
async def test_an_answer_whose_connection_breaks(answer: bytes, path: Path | None) -> None:
    """Then nobody knows what else it would have said."""
    expected = {b"": "no_verdict", OK: "garbage", FOUND: "Win.Test", TOO_LARGE: "too_large"}
    family = socket.AF_UNIX if path else socket.AF_INET
    address: Any = str(path / "broken") if path else ("127.0.0.1", 0)
    with socket.create_server(address, family=family) as listener:
        listener.settimeout(TIMEOUT)
        where = listener.getsockname()
        clamav = client(f"unix://{where}" if path else f"tcp://127.0.0.1:{where[1]}")

        def answer_and_break() -> None:
            """Both before the client looks: uvloop tells that of a broken connection once."""
            with listener.accept()[0] as connection:
                connection.recv(5)  # not all: so it is no regular end
                connection.sendall(answer)

        async def chunks() -> AsyncIterator[bytes]:
            yield b"hello"
            asyncio.get_running_loop().call_soon(answer_and_break)

        assert await outcome_of(clamav.scan(chunks())) == expected[answer]


async def test_it_never_closes_after_its_answer(path: Path | None) -> None:
    async def serve(visitor: Visitor) -> None:
        await saying(OK)(visitor)
        await visitor.until_closed()

    async with daemon(serve, path) as server:
        assert await outcome(server, timeout=SHORT) == "timeout"
        await server.gone.wait()


async def test_it_never_stops_talking(path: Path | None) -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.read()
        while True:
            await visitor.send(bytes(MIB))

    async with daemon(serve, path) as server:
        assert await outcome(server) == "garbage"
        await server.gone.wait()


# Closed, at each point


async def at_once(_: Visitor) -> None: ...


async def after_the_command(visitor: Visitor) -> None:
    await visitor.command()


async def after_a_chunks_length(visitor: Visitor) -> None:
    await visitor.command()
    await visitor.header()


async def within_a_chunk(visitor: Visitor) -> None:
    await visitor.command()
    await visitor.reader.readexactly(await visitor.header() // 2)


async def after_a_chunk(visitor: Visitor) -> None:
    await visitor.command()
    await visitor.chunk()


async def after_everything(visitor: Visitor) -> None:
    await visitor.read()


POINTS = [
    at_once,
    after_the_command,
    after_a_chunks_length,
    within_a_chunk,
    after_a_chunk,
    after_everything,
]
FILES = [[b"hello"], [b"ab", b"cd"], [bytes(MIB)] * 16]


@pytest.mark.parametrize("point", POINTS)
async def test_it_closes_without_a_verdict(
    point: Callable[[Visitor], Awaitable[None]], path: Path | None
) -> None:
    async def broken(visitor: Visitor) -> None:
        await point(visitor)
        visitor.reset()

    async def half(visitor: Visitor) -> None:
        await point(visitor)
        visitor.half_close()
        await asyncio.Event().wait()

    for serve in (point, broken, half):
        async with daemon(serve, path) as server:
            for file in FILES:
                assert await outcome(server, *file) == "no_verdict"


@pytest.mark.parametrize("answer", [OK, OK[:-1], FOUND, TOO_LARGE])
@pytest.mark.parametrize("point", POINTS[:-1])
async def test_it_answers_too_early(
    answer: bytes, point: Callable[[Visitor], Awaitable[None]], path: Path | None
) -> None:
    """What it can say of a file that it has not got: that it does not take it, but not "OK"."""
    expected = {FOUND: "Win.Test", TOO_LARGE: "too_large"}.get(answer, "garbage")

    async def closing(visitor: Visitor) -> None:
        await point(visitor)
        await visitor.send(answer)

    async def half_closing(visitor: Visitor) -> None:
        await closing(visitor)
        visitor.half_close()
        await asyncio.Event().wait()

    async def reading_on(visitor: Visitor) -> None:
        await closing(visitor)
        visitor.writer.write_eof()
        await visitor.until_closed()

    for serve in (closing, half_closing, reading_on):
        async with daemon(serve, path) as server:
            assert await outcome(server, *[bytes(MIB)] * 32) == expected


async def test_it_answers_while_the_file_is_waited_for(path: Path | None) -> None:
    """However short that is: with the last bytes in hand nothing is settled."""
    answered = asyncio.Event()

    async def serve(visitor: Visitor) -> None:
        await visitor.command()
        await visitor.chunk()
        await visitor.send(OK)
        answered.set()
        await visitor.chunk()
        await visitor.chunk()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"hello"
        await answered.wait()
        yield b"world"

    async with daemon(serve, path) as server:
        assert await failure(client(server.url).scan(chunks())) is Failure.GARBAGE
        assert server.visitors[0].content == [b"hello", b"world"]


# What it is sent


async def test_it_is_sent_the_file(path: Path | None) -> None:
    async with daemon(saying(OK), path) as server:
        for file in ([], [b""], [b"", b"ab", b"", b"", b"c", b""], [bytes(MIB), b"x"] * 3):
            assert await client(server.url).scan(chunks_of(*file)) is None
            visitor = server.visitors[-1]
            assert visitor.commands == [b"zINSTREAM\0"]
            assert visitor.content == [chunk for chunk in file if chunk]
            assert visitor.whole


@given(st.lists(st.binary(max_size=300), max_size=10))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_it_is_sent_every_file(chunks: list[bytes]) -> None:
    """In one run, since it is one connection for each."""

    async def run() -> None:
        async with daemon(saying(OK)) as server:
            assert await client(server.url).scan(chunks_of(*chunks)) is None
            (visitor,) = server.visitors
            assert b"".join(visitor.content) == b"".join(chunks)

    asyncio.run(run())


async def test_it_is_not_sent_more_than_it_may(path: Path | None) -> None:
    """Nor the end of such a file, of which it could say that it is clean."""

    async def serve(visitor: Visitor) -> None:
        await saying(OK)(visitor)

    async with daemon(serve, path) as server:
        clamav = client(server.url, largest=10)
        assert await clamav.scan(chunks_of(b"12345", b"67890", b"")) is None
        for chunks in ([b"12345678901"], [b"12345", b"678901"], [b"12345", b"67890", b"1"]):
            server.gone.clear()
            assert await failure(clamav.scan(chunks_of(*chunks))) is Failure.TOO_LARGE
            await server.gone.wait()
            visitor = server.visitors[-1]
            assert len(b"".join(visitor.content)) <= 10
            assert not visitor.whole


# It does nothing


async def test_it_never_answers(path: Path | None) -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.read()
        await visitor.until_closed()

    async with daemon(serve, path) as server:
        assert await outcome(server, timeout=SHORT) == "timeout"
        await server.gone.wait()


async def test_it_never_reads(path: Path | None) -> None:
    """What it does not take stays where it is: no more is asked for than sockets hold."""
    asked = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal asked
        for _ in range(1024):
            asked += 1
            yield bytes(MIB)

    async def serve(visitor: Visitor) -> None:
        visitor.stop_reading()
        await asyncio.Event().wait()

    async with daemon(serve, path) as server:
        clamav = client(server.url, timeout=SHORT)
        assert await failure(clamav.scan(chunks())) is Failure.TIMEOUT
    assert asked <= 16


# Cancelled


async def waiting_for_the_file(started: asyncio.Event) -> AsyncIterator[bytes]:
    yield b"hello"
    started.set()
    await asyncio.Event().wait()


async def sending(started: asyncio.Event) -> AsyncIterator[bytes]:
    asyncio.get_running_loop().call_later(SHORT, started.set)
    for _ in range(64):
        yield bytes(MIB)


async def waiting_for_the_answer(started: asyncio.Event) -> AsyncIterator[bytes]:
    yield b"hello"
    asyncio.get_running_loop().call_soon(started.set)


@pytest.mark.parametrize("where", [waiting_for_the_file, sending, waiting_for_the_answer])
async def test_a_scan_is_cancelled(
    where: Callable[[asyncio.Event], AsyncIterator[bytes]], path: Path | None
) -> None:
    """Its connection ends, and the next one gets its turn."""
    cancelled = asyncio.Event()

    async def serve(visitor: Visitor) -> None:
        if where is sending and not cancelled.is_set():
            await cancelled.wait()
            await visitor.until_closed()
        await visitor.read()
        if cancelled.is_set():
            await visitor.send(OK)
        else:
            await visitor.until_closed()

    async with daemon(serve, path) as server:
        clamav = client(server.url, concurrency=1)
        started = asyncio.Event()
        scan = asyncio.create_task(clamav.scan(where(started)))
        await started.wait()
        waiting = asyncio.create_task(clamav.scan(chunks_of(b"hello")))
        await asyncio.sleep(0)
        scan.cancel()
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await scan
        await server.gone.wait()
        assert not server.visitors[0].whole or where is waiting_for_the_answer
        assert await waiting is None


async def test_nothing_stays_open(path: Path | None) -> None:
    async with daemon(after_the_command, path) as server:
        clamav = client(server.url)
        assert await failure(clamav.scan(chunks_of(b"hello"))) is Failure.NO_VERDICT
        await server.gone.wait()
        before = open_files()
        for _ in range(10):
            server.gone.clear()
            assert await failure(clamav.scan(chunks_of(b"hello"))) is Failure.NO_VERDICT
            await server.gone.wait()
        await asyncio.sleep(0.05)  # for the daemon's own side
        assert open_files() <= before + 1


# Several


async def test_no_more_at_once_than_there_are_slots(path: Path | None) -> None:
    """And each is given back, whatever a scan came to."""
    full, go_on = asyncio.Event(), asyncio.Event()
    here = most = 0

    async def serve(visitor: Visitor) -> None:
        nonlocal here, most
        here += 1
        most = max(most, here)
        if here == 3:
            full.set()
        await visitor.read()
        await go_on.wait()
        here -= 1
        await visitor.send(OK if len(server.visitors) % 2 else b"x")

    async with daemon(serve, path) as server:
        clamav = client(server.url, concurrency=3)
        scans = [asyncio.create_task(clamav.scan(chunks_of(b"hello"))) for _ in range(9)]
        await full.wait()
        go_on.set()
        await asyncio.gather(*scans, return_exceptions=True)
    assert (len(server.visitors), most) == (9, 3)


async def test_who_waits_for_others_waits_in_its_own_time(path: Path | None) -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.until_closed()

    async with daemon(serve, path) as server:
        clamav = client(server.url, concurrency=1, timeout=SHORT)
        scans = [failure(clamav.scan(chunks_of(b"hello"))) for _ in range(20)]
        assert await asyncio.gather(*scans) == [Failure.TIMEOUT] * 20
    assert len(server.visitors) < 20


# Its version


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"ClamAV 1.4.6\0", "ClamAV 1.4.6"),
        (b"ClamAV 1.0.3/27000/Mon Jan 1\0", "ClamAV 1.0.3/27000/Mon Jan 1"),
        (b"", Failure.NO_VERDICT),
        (b"ClamAV 1.4.6", Failure.GARBAGE),
        (b"UNKNOWN COMMAND\0", Failure.GARBAGE),
        (b"Clam\xff\0", Failure.GARBAGE),
        (b"x" * 5000, Failure.GARBAGE),
        (b"Engine missing ERROR\0", Failure.ERROR),
    ],
)
async def test_version(answer: bytes, expected: str, path: Path | None) -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.command()
        await visitor.send(answer)

    async with daemon(serve, path) as server:
        if isinstance(expected, Failure):
            assert await failure(client(server.url).ping()) is expected
        else:
            assert await client(server.url).ping() == expected
        assert server.visitors[0].commands == [b"zVERSION\0"]


async def test_no_version_in_time(path: Path | None) -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.until_closed()

    async with daemon(serve, path) as server:
        assert await failure(client(server.url, connect_timeout=SHORT).ping()) is Failure.TIMEOUT


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK, True),
        (b"stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND\0", False),
        (b"stream: Heuristics.Limits.Exceeded FOUND\0", False),
        (b"stream: Local.AnyZip.UNOFFICIAL FOUND\0", None),
        (TOO_LARGE, None),
    ],
)
async def test_whether_it_passes_what_exceeds_its_limits(
    answer: bytes, *, expected: bool | None
) -> None:
    async with daemon(saying(answer)) as server:
        assert await client(server.url).passes_excess() is expected
    async with daemon(saying(b"")) as server:
        assert await failure(client(server.url).passes_excess()) is Failure.NO_VERDICT
