"""Whatever is wrong with Redis or the way to it, callers see LedgerUnavailable, and what was
stored is booked once."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis.exceptions

from gateway.ledger.engine import Ledger
from gateway.ledger.engines import ledger_from
from gateway.ledger.quotas import LedgerUnavailable, QuotaExceeded, Reservation, Usage
from gateway.ledger.redis_client import FOREIGN
from gateway.ledger.redis_ledger import RedisLedger
from tests.support.valkey import ValkeyCluster, ValkeyServer, free_port

from .lossy import LossyWay, liar, lossy_way
from .support import DAY, TODAY, Clock, Make, claim, eventually, opener, redis_maker

WAIT = 0.3
"""How long these ledgers wait for an answer."""


@pytest.fixture(scope="module")
def own_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A server that may be mistreated, and keeps what it has acknowledged."""
    folder = tmp_path_factory.mktemp("own")
    with ValkeyServer(folder, "--appendonly", "yes", "--appendfsync", "always") as running:
        yield running


@pytest.fixture
def server(own_valkey: ValkeyServer) -> ValkeyServer:
    own_valkey.command("FLUSHALL")
    return own_valkey


@pytest.fixture
def make(server: ValkeyServer, clock: Clock) -> Make[Any]:
    return redis_maker(server.url, clock)


@asynccontextmanager
async def opened(url: str, clock: Clock, *, wait: float = WAIT) -> AsyncIterator[RedisLedger]:
    async with opener(redis_maker(url, clock)) as new_ledger:
        yield await new_ledger(busy_timeout=wait)


async def says(ledger: Ledger, usage: Usage) -> bool:
    try:
        return await ledger.usage("user:ada", TODAY) == usage
    except LedgerUnavailable:
        return False


async def assert_unavailable(ledger: Ledger) -> None:
    """Each method says so; none of them ends with another exception."""
    with pytest.raises(LedgerUnavailable):
        await ledger.check()
    with pytest.raises(LedgerUnavailable):
        await ledger.reserve([claim(1)])
    with pytest.raises(LedgerUnavailable):
        await ledger.usage("user:ada", TODAY)
    with pytest.raises(LedgerUnavailable):
        await ledger.entries()
    with pytest.raises(LedgerUnavailable):
        await ledger.correct("user:ada", TODAY, 1)
    with pytest.raises(LedgerUnavailable):
        await ledger.session("s")
    with pytest.raises(LedgerUnavailable):
        await ledger.keep_session("s", "note", was="note")
    with pytest.raises(LedgerUnavailable):
        await ledger.open_session("s", Reservation(()), note="note", ttl=DAY)


# The server.


async def test_a_server_that_is_not_there(clock: Clock, tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path)
    ledger = redis_maker(server.url, clock)(lease=60, busy_timeout=WAIT)
    with pytest.raises(LedgerUnavailable, match=f"127.0.0.1:{server.port} cannot be used"):
        await ledger.open()
    with pytest.raises(LedgerUnavailable, match="closed"):
        await ledger.check()
    with server:
        await ledger.open()
        assert await ledger.reserve([claim(1)])
        await ledger.close()


async def test_a_server_that_is_killed_and_started(server: ValkeyServer, clock: Clock) -> None:
    async with opened(server.url, clock) as ledger:
        running = await ledger.reserve([claim(600)])
        await ledger.open_session("s", await ledger.reserve([claim(50)]), note="", ttl=DAY)
        server.kill()
        try:
            await assert_unavailable(ledger)
            for _ in range(2):
                await ledger_says_no(ledger, running)
            with pytest.raises(LedgerUnavailable):
                await ledger.end_session("s", 20)
        finally:
            server.start()
        # Nobody asks for it: what is owed is written as soon as there is somebody to tell.
        async with opened(server.url, clock) as other:
            await eventually(partial(says, other, Usage(520, 0)))
        assert await ledger.reserve([claim(480)])


async def ledger_says_no(ledger: Ledger, running: Reservation) -> None:
    """The first time; afterwards it is owed already."""
    try:
        await ledger.settle(running, 500)
    except LedgerUnavailable:
        return


async def test_a_server_that_does_not_answer(server: ValkeyServer, clock: Clock) -> None:
    async with opened(server.url, clock) as ledger, opened(server.url, clock) as other:
        running = await ledger.reserve([claim(300)])
        still = await ledger.reserve([claim(70)])
        server.signal(signal.SIGSTOP)
        try:
            with pytest.raises(LedgerUnavailable):
                await ledger.reserve([claim(200)])
            with pytest.raises(LedgerUnavailable):
                await ledger.settle(running, 250)
        finally:
            server.signal(signal.SIGCONT)
        # What it was told meanwhile it did later. Nobody holds the 200 that nobody got.
        await eventually(partial(says, ledger, Usage(250, 70)))
        await eventually(partial(says, other, Usage(250, 70)))
        assert await other.reserve([claim(680)])
        await ledger.settle(still, 0)


async def test_all_who_wait_for_a_silent_server_wait_together(
    server: ValkeyServer, clock: Clock
) -> None:
    """One after the other, they would wait for longer than a test may take."""
    async with opened(server.url, clock) as ledger:
        server.signal(signal.SIGSTOP)
        try:
            for _ in range(2):  # with a lease, and without
                asked = [ledger.reserve([claim(1)]) for _ in range(500)]
                outcomes = await asyncio.gather(*asked, return_exceptions=True)
                assert {type(outcome) for outcome in outcomes} == {LedgerUnavailable}
        finally:
            server.signal(signal.SIGCONT)
        await eventually(partial(says, ledger, Usage(0, 0)))
        assert await ledger.reserve([claim(1000)])


async def test_a_full_server(server: ValkeyServer, clock: Clock) -> None:
    async with opened(server.url, clock) as ledger:
        running = await ledger.reserve([claim(600)])
        server.command("CONFIG", "SET", "maxmemory", 1)
        try:
            with pytest.raises(LedgerUnavailable, match=r"OOM|maxmemory"):
                await ledger.reserve([claim(1)])
            with pytest.raises(LedgerUnavailable):
                await ledger.check()
            with pytest.raises(LedgerUnavailable):
                await ledger.settle(running, 500)
        finally:
            server.command("CONFIG", "SET", "maxmemory", 0)
        await eventually(partial(says, ledger, Usage(500, 0)))


async def test_a_read_only_server(server: ValkeyServer, clock: Clock) -> None:
    """A replica is one; so is a master that was replaced."""
    async with opened(server.url, clock) as ledger:
        running = await ledger.reserve([claim(600)])
        server.command("REPLICAOF", "127.0.0.1", free_port())
        try:
            with pytest.raises(LedgerUnavailable):
                await ledger.reserve([claim(1)])
            with pytest.raises(LedgerUnavailable):
                await ledger.settle(running, 500)
        finally:
            server.command("REPLICAOF", "NO", "ONE")
        await eventually(partial(says, ledger, Usage(500, 0)))


async def test_an_account_that_is_something_else(server: ValkeyServer, clock: Clock) -> None:
    key = f"upload-gateway:account:{TODAY.start}:{TODAY.end}:user:ada"
    server.command("SET", key, "a letter to my mother")
    async with opened(server.url, clock) as ledger:
        for _ in range(2):
            with pytest.raises(LedgerUnavailable, match="WRONGTYPE"):
                await ledger.reserve([claim(1), claim(1, user="bob")])
        # Others have theirs, and nothing was taken from them.
        assert await ledger.reserve([claim(1000, user="bob")])
        server.command("DEL", key)
        assert await ledger.reserve([claim(1000)])


async def test_a_server_that_lost_its_data(server: ValkeyServer, clock: Clock) -> None:
    """What is running is held again, and booked in the end."""
    async with opened(server.url, clock) as ledger, opened(server.url, clock) as other:
        running = await ledger.reserve([claim(600)])
        server.command("FLUSHALL")
        await ledger.check()
        await other.check()
        with pytest.raises(QuotaExceeded):
            await other.reserve([claim(401)])
        await ledger.settle(running, 500)
        assert await other.usage("user:ada", TODAY) == Usage(500, 0)


async def test_a_server_that_forgot_the_scripts(server: ValkeyServer, clock: Clock) -> None:
    async with opened(server.url, clock) as ledger:
        running = await ledger.reserve([claim(600)])
        server.command("SCRIPT", "FLUSH")
        await ledger.settle(running, 500)
        assert await ledger.usage("user:ada", TODAY) == Usage(500, 0)


async def test_a_server_with_a_password(server: ValkeyServer, clock: Clock) -> None:
    server.command("ACL", "SETUSER", "gateway", "on", ">p@ss:word/", "~upload-gateway:*", "+@all")
    host = f"127.0.0.1:{server.port}"
    async with opened(f"redis://gateway:p%40ss%3Aword%2F@{host}", clock) as ledger:
        assert await ledger.reserve([claim(1)])
    with pytest.raises(LedgerUnavailable, match=r"WRONGPASS|invalid username") as caught:
        async with opened(f"redis://gateway:secret@{host}", clock):
            pass
    assert "secret" not in str(caught.value)


# The way.


@pytest.fixture
async def way(server: ValkeyServer) -> AsyncIterator[LossyWay]:
    async with lossy_way(server.port) as running:
        yield running


async def test_a_reservation_whose_answer_is_lost(
    way: LossyWay, server: ValkeyServer, clock: Clock
) -> None:
    async with opened(way.url, clock) as ledger, opened(server.url, clock) as other:
        way.lose_replies = 1
        with pytest.raises(LedgerUnavailable):
            await ledger.reserve([claim(600)])
        assert way.lost == 1
        await ledger.check()
        assert await other.reserve([claim(1000)])


async def test_a_settlement_whose_answer_is_lost(
    way: LossyWay, server: ValkeyServer, clock: Clock
) -> None:
    async with opened(way.url, clock) as ledger, opened(server.url, clock) as other:
        running, still = await ledger.reserve([claim(600)]), await ledger.reserve([claim(70)])
        way.lose_replies = 1
        with pytest.raises(LedgerUnavailable):
            await ledger.settle(running, 500)
        await ledger.check()
        await ledger.settle(running, 500)
        await eventually(partial(says, other, Usage(500, 70)))
        await ledger.settle(still, 0)
        assert await other.usage("user:ada", TODAY) == Usage(500, 0)


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_session_whose_opening_is_not_answered(
    lost: int, way: LossyWay, server: ValkeyServer, clock: Clock
) -> None:
    """Neither that it was made, nor that it was handed what was reserved."""
    async with opened(way.url, clock) as ledger, opened(server.url, clock) as other:
        running = await ledger.reserve([claim(600)])
        if lost == 2:
            passed = asyncio.ensure_future(lose_second(way))
        way.lose_replies = 1 if lost == 1 else 0
        try:
            await ledger.open_session("s", running, note="n", ttl=DAY)
        except LedgerUnavailable:
            await eventually(partial(is_gone, other))
            await eventually(partial(says, other, Usage(0, 600)))
            await ledger.settle(running, 500)
        else:
            await ledger.end_session("s", 500)
        if lost == 2:
            await passed
        await eventually(partial(says, other, Usage(500, 0)))


async def lose_second(way: LossyWay) -> None:
    """Some turns of the loop from now."""
    for _ in range(8):
        await asyncio.sleep(0)
    way.lose_replies = 1


async def is_gone(ledger: Ledger) -> bool:
    return await ledger.session("s") is None


async def test_the_end_of_a_session_whose_answer_is_lost(
    way: LossyWay, server: ValkeyServer, clock: Clock
) -> None:
    async with opened(way.url, clock) as ledger, opened(server.url, clock) as other:
        await ledger.open_session("s", await ledger.reserve([claim(600)]), note="", ttl=DAY)
        way.lose_replies = 1
        with pytest.raises(LedgerUnavailable):
            await ledger.end_session("s", 500)
        await eventually(partial(says, other, Usage(500, 0)))
        await other.end_session("s", 600)
        assert await other.usage("user:ada", TODAY) == Usage(500, 0)


async def test_many_losses_leave_the_books_exact(
    way: LossyWay, server: ValkeyServer, clock: Clock
) -> None:
    """Whatever was settled is booked, whatever was refused is not, and nothing stays reserved."""
    dice, stored = random.Random(6), 0
    async with opened(way.url, clock) as ledger, opened(server.url, clock) as other:

        async def upload(number: int) -> None:
            nonlocal stored
            size = dice.randrange(1, 60)
            try:
                wanted = [claim(size, limit=10**6)]
                reservation = await ledger.reserve(wanted, due=number % 3 == 1)
                if number % 3 == 2:
                    told = ledger.leave_due(reservation, size)
                    await asyncio.gather(told, return_exceptions=True)
            except LedgerUnavailable:
                return
            if number % 3 == 0:
                try:
                    await ledger.open_session(f"s{number}", reservation, note="", ttl=DAY)
                except LedgerUnavailable:
                    pass
                else:
                    stored += size
                    with_session = ledger.end_session(f"s{number}", size)
                    await asyncio.gather(with_session, return_exceptions=True)
                    return
            stored += size
            await asyncio.gather(ledger.settle(reservation, size), return_exceptions=True)

        way.loss = 0.02
        for begin in range(0, 400, 8):
            await asyncio.gather(*(upload(number) for number in range(begin, begin + 8)))
        way.loss = 0.0
        assert way.lost > 10
        assert stored > 1000
        await eventually(partial(says, other, Usage(stored, 0)))


# What the library raises ends at one place.


def test_all_exceptions_of_the_library_are_known() -> None:
    found = [
        item
        for item in vars(redis.exceptions).values()
        if isinstance(item, type) and issubclass(item, Exception)
    ]
    assert len(found) > 30
    assert [item for item in found if not issubclass(item, FOREIGN)] == []


ANSWERS = [
    b"",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x00\xff\x00\xff",
    b"$5\r\nhello\r\n",
    b"*-5\r\n",
    b":12\r\n",
    *[
        f"-{error} for a reason\r\n".encode()
        for error in (
            "ERR unknown command", "OOM command not allowed", "READONLY You can't write",
            "LOADING is loading", "BUSY is busy", "MISCONF errors writing", "NOAUTH required",
            "WRONGPASS invalid", "NOPERM no", "CLUSTERDOWN down", "MASTERDOWN gone",
            "NOREPLICAS not enough", "TRYAGAIN later", "MOVED 1 127.0.0.1:1", "ASK 1 127.0.0.1:1",
            "CROSSSLOT keys", "EXECABORT no", "UNKILLABLE no", "NOSCRIPT no", "WRONGTYPE no",
        )
    ],
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer[:10].decode("latin-1"))
async def test_servers_that_answer_something_else(answer: bytes) -> None:
    async with liar(answer) as url:
        ledger = ledger_from(url, lease=60, timeout=WAIT)
        with pytest.raises(LedgerUnavailable):
            await ledger.open()


# Housekeeping.


async def test_what_is_kept_and_for_how_long(server: ValkeyServer, clock: Clock) -> None:
    async with opened(server.url, clock) as ledger:
        day, forever = claim(600), claim(1, unit="uploads")
        await ledger.settle(await ledger.reserve([day, forever]), 600)
        keys = {key.split(":")[1] for key in server.command("KEYS", "*")}
        assert keys == {"account", "owners"}
        (account,) = server.command("KEYS", "*account*")
        left = server.command("TTL", account)
        assert abs(left - (day.window.end - clock.now + 2 * DAY)) < 60
        await ledger.settle(await ledger.reserve([claim(1, user="bob")]), 0)
        await ledger.open_session("s", await ledger.reserve([claim(1)]), note="", ttl=DAY)
        assert 0 < server.command("TTL", "upload-gateway:session:s") < 35 * DAY
        await ledger.end_session("s", 0)
        assert server.command("KEYS", "*account*") == [account]
        assert server.command("KEYS", "*session*") == []
    assert server.command("HKEYS", "upload-gateway:owners") == ["last"]


# Sentinel.


async def test_sentinels_know_the_master(
    server: ValkeyServer, clock: Clock, tmp_path: Path
) -> None:
    config = tmp_path / "sentinel.conf"
    config.write_text(f"sentinel monitor uploads 127.0.0.1 {server.port} 1\n")
    with ValkeyServer(tmp_path, config=config) as sentinel:
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{sentinel.port}"
        async with opened(f"redis+sentinel://{hosts}/uploads/1", clock, wait=5) as ledger:
            await ledger.settle(await ledger.reserve([claim(600)]), 500)
            assert await ledger.usage("user:ada", TODAY) == Usage(500, 0)
        assert server.command("DBSIZE") == 0
        with pytest.raises(LedgerUnavailable, match="No master found"):
            async with opened(f"redis+sentinel://{hosts}/other", clock, wait=5):
                pass


# A cluster.


async def test_a_node_that_is_gone(tmp_path: Path, clock: Clock) -> None:
    """Nothing of what it had can be told; when it is back, all goes on."""
    with ValkeyCluster(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as cluster:
        async with opened(cluster.url, clock, wait=3) as ledger:
            users = [f"u{number}" for number in range(20)]
            running = [await ledger.reserve([claim(600, user=user)]) for user in users]
            cluster.servers[1].kill()
            try:
                outcomes = await asyncio.gather(
                    *(ledger.settle(one, 500) for one in running), return_exceptions=True
                )
                assert LedgerUnavailable in {type(outcome) for outcome in outcomes}
            finally:
                cluster.servers[1].start()

            async def booked(user: str) -> bool:
                try:
                    return await ledger.usage(f"user:{user}", TODAY) == Usage(500, 0)
                except LedgerUnavailable:
                    return False

            for user in users:
                await eventually(partial(booked, user))
            entries = await ledger.entries()
            assert {entry.key for entry in entries} == {f"user:{user}" for user in users}


async def test_a_cluster_that_is_not_there(clock: Clock) -> None:
    with pytest.raises(LedgerUnavailable, match="cannot be used"):
        async with opened(f"redis+cluster://127.0.0.1:{free_port()}", clock):
            pass


async def test_what_one_who_left_still_holds_refuses_nobody(
    server: ValkeyServer, clock: Clock
) -> None:
    async with opened(server.url, clock, wait=10) as ledger:
        for _ in range(5):
            server.signal(signal.SIGSTOP)
            try:
                left = asyncio.create_task(ledger.reserve([claim(600)]))
                await asyncio.sleep(0.05)  # it is on its way, and cannot be withdrawn
                left.cancel()
                following = asyncio.create_task(ledger.reserve([claim(600)]))
                await asyncio.sleep(0.05)
            finally:
                server.signal(signal.SIGCONT)
            await ledger.settle(await following, 0)
