"""What may be stored is booked if nobody is left who knows, and is booked once."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from gateway.ledger import redis_scripts as scripts
from gateway.ledger.quotas import QuotaExceeded, Usage
from gateway.ledger.redis_scripts import Script
from gateway.ledger.sessions import SCHEMA as SESSIONS_SCHEMA
from tests.support.valkey import ValkeyServer

from .support import (
    DAY,
    ENGINES,
    LEASE,
    NOON,
    TODAY,
    VERSION_1,
    AnyLedger,
    Clock,
    claim,
    eventually,
    opener,
    redis_maker,
    sqlite_maker,
    stranger,
)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


WANTED = [claim(600), claim(2, unit="files"), claim(1, unit="uploads")]


async def usages(new_ledger: AnyLedger) -> list[Usage]:
    other = await new_ledger()
    return [await other.usage(want.key, want.window) for want in WANTED]


async def test_what_is_due_is_reserved_as_any_other(new_ledger: AnyLedger) -> None:
    ledger, other = await new_ledger(), await new_ledger()
    reservation = await ledger.reserve(WANTED, due=True)
    assert reservation.taken == (600, 2, 1)
    for want in WANTED:
        assert await other.usage(want.key, want.window) == Usage(0, want.amount)
    with pytest.raises(QuotaExceeded):
        await other.reserve([claim(401)])
    await ledger.settle(reservation, 500, 2)
    assert await usages(new_ledger) == [Usage(500, 0), Usage(2, 0), Usage(0, 0)]


async def test_what_a_dead_process_left_due_is_booked(new_ledger: AnyLedger, clock: Clock) -> None:
    dead = await new_ledger()
    await dead.reserve(WANTED, due=True)
    await dead.reserve([claim(100)])
    clock.now += LEASE
    assert await usages(new_ledger) == [Usage(600, 0), Usage(2, 0), Usage(0, 0)]
    with pytest.raises(QuotaExceeded) as caught:
        await (await new_ledger()).reserve([claim(401)])
    assert caught.value.used == 600


async def test_it_can_become_due_with_what_is_known_then(
    new_ledger: AnyLedger, clock: Clock
) -> None:
    dead = await new_ledger()
    reservation = await dead.reserve(WANTED)
    await dead.leave_due(reservation, 250, 1)
    await dead.leave_due(reservation, 250, 1)
    assert await usages(new_ledger) == [Usage(0, 250), Usage(0, 1), Usage(0, 1)]
    clock.now += LEASE
    assert await usages(new_ledger) == [Usage(250, 0), Usage(1, 0), Usage(0, 0)]


async def test_who_is_refused_has_it_booked(new_ledger: AnyLedger, clock: Clock) -> None:
    dead, other = await new_ledger(), await new_ledger()
    await dead.reserve([claim(300)])
    await dead.reserve([claim(600)], due=True)
    clock.now += LEASE
    assert (await other.reserve([claim(400)])).taken == (1000,)


async def test_what_became_due_is_settled_once(new_ledger: AnyLedger, clock: Clock) -> None:
    ledger = await new_ledger()
    stored, refused = await ledger.reserve([claim(600)]), await ledger.reserve([claim(300)])
    await ledger.leave_due(stored, 500)
    await ledger.leave_due(refused, 300)
    for _ in range(2):
        await ledger.settle(stored, 500)
        await ledger.settle(refused, 0)
        await ledger.leave_due(stored, 500)
    clock.now += LEASE
    assert await (await new_ledger()).usage("user:ada", TODAY) == Usage(500, 0)


async def test_who_lost_its_lease_and_lives_settles_it_once(
    new_ledger: AnyLedger, clock: Clock
) -> None:
    slept, other = await new_ledger(), await new_ledger()
    stored = await slept.reserve([claim(600)], due=True)
    refused = await slept.reserve([claim(300)], due=True)
    clock.now += LEASE
    assert await other.usage("user:ada", TODAY) == Usage(900, 0)
    await slept.settle(refused, 0)
    assert sum(await other.usage("user:ada", TODAY)) == 600
    for _ in range(2):
        await slept.settle(stored, 550)
        assert await other.usage("user:ada", TODAY) == Usage(550, 0)
    clock.now += LEASE
    assert await (await new_ledger()).usage("user:ada", TODAY) == Usage(550, 0)


async def test_who_lost_its_lease_dies_later(new_ledger: AnyLedger, clock: Clock) -> None:
    slept, other = await new_ledger(), await new_ledger()
    await slept.reserve([claim(600)], due=True)
    for _ in range(2):
        clock.now += LEASE
        assert await other.usage("user:ada", TODAY) == Usage(600, 0)
        await slept.check()
        assert await other.usage("user:ada", TODAY) == Usage(0, 600)


async def test_what_was_corrected_is_not_taken_back(new_ledger: AnyLedger, clock: Clock) -> None:
    slept, other = await new_ledger(), await new_ledger()
    reservation = await slept.reserve([claim(600)], due=True)
    clock.now += LEASE
    assert await other.usage("user:ada", TODAY) == Usage(600, 0)
    await other.correct("user:ada", TODAY, 50)
    await slept.check()
    assert await other.usage("user:ada", TODAY) == Usage(50, 600)
    await slept.settle(reservation, 0)
    assert await other.usage("user:ada", TODAY) == Usage(50, 0)


async def test_who_closes_leaves_it_due(new_ledger: AnyLedger, clock: Clock) -> None:
    ledger = await new_ledger()
    reservation = await ledger.reserve([claim(600)], due=True)
    await ledger.reserve([claim(300)])
    await ledger.close()
    await ledger.open()
    assert await (await new_ledger()).usage("user:ada", TODAY) == Usage(600, 0)
    await ledger.settle(reservation, 600)
    clock.now += LEASE
    assert await ledger.usage("user:ada", TODAY) == Usage(600, 0)


async def test_a_cancelled_one_is_not_due(new_ledger: AnyLedger, clock: Clock) -> None:
    ledger = await new_ledger()
    for turns in (*range(20), 50):
        task = asyncio.create_task(ledger.reserve([claim(600)], due=True))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ledger.settle(await task, 0)
    await ledger.close()
    clock.now += LEASE
    assert await (await new_ledger()).usage("user:ada", TODAY) == Usage(0, 0)


async def test_settled_while_it_becomes_due(new_ledger: AnyLedger, clock: Clock) -> None:
    ledger = await new_ledger()
    for turns in range(20):
        reservation = await ledger.reserve([claim(600)])
        telling = asyncio.create_task(ledger.leave_due(reservation, 600))
        for _ in range(turns):
            await asyncio.sleep(0)
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await ledger.settle(reservation, 10)
    clock.now += LEASE
    assert await (await new_ledger()).usage("user:ada", TODAY) == Usage(200, 0)


@pytest.mark.parametrize("due", [True, False])
async def test_who_books_it_is_told(new_ledger: AnyLedger, clock: Clock, due: bool) -> None:
    told: dict[str, int] = {}

    def hear(key: str, amount: int) -> None:
        told[key] = told.get(key, 0) + amount

    dead, other = await new_ledger(), await new_ledger(on_lapse=hear)
    await dead.reserve(WANTED, due=due)
    await dead.reserve([claim(7)], due=due)
    clock.now += LEASE
    for want in WANTED * 2:
        await other.usage(want.key, want.window)
    assert told == ({"user:ada": 607, "files#user:ada": 2} if due else {})


# A file of the version before, and gateways of it beside those that know what is due.


@pytest.fixture
def version_2(path: Path) -> Path:
    """A file in which 500 bytes are used, and 200 held by a process that lives."""
    path.parent.mkdir(mode=0o700)
    with stranger(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"{VERSION_1} {SESSIONS_SCHEMA} PRAGMA user_version = 2;")
        row = (TODAY.end, TODAY.start, "user:ada")
        connection.execute("INSERT INTO owners VALUES (1, ?, ?)", (NOON, LEASE))
        connection.execute("INSERT INTO used VALUES (?, ?, ?, 500)", row)
        connection.execute("INSERT INTO held VALUES (?, ?, ?, 1, 200)", row)
    path.chmod(0o600)
    return path


def former_renewal(connection: sqlite3.Connection, now: float) -> None:
    """What a gateway of version 2 does that has the file open."""
    connection.execute("DELETE FROM owners WHERE renewed + lease <= ?", (now,))
    connection.execute("INSERT OR REPLACE INTO owners VALUES (1, ?, ?)", (now, LEASE))
    connection.execute(
        "DELETE FROM held WHERE owner NOT IN (SELECT owner FROM owners) AND owner != 0"
    )


async def test_a_file_of_version_2_goes_on(version_2: Path, clock: Clock) -> None:
    async with opener(sqlite_maker(version_2, clock)) as new_ledger:
        dead, ledger = await new_ledger(), await new_ledger()
        assert await ledger.usage("user:ada", TODAY) == Usage(500, 200)
        await dead.reserve([claim(100)], due=True)
        with stranger(version_2) as connection:
            # The other one sees one more process that holds something, and lets it live.
            former_renewal(connection, clock.now)
            held = "SELECT sum(bytes) FROM held WHERE owner != 1"
            assert connection.execute(held).fetchone() == (100,)
            connection.execute(
                "INSERT INTO held VALUES (?, ?, ?, 1, 250) ON CONFLICT (ends, starts, key, owner)"
                " DO UPDATE SET bytes = excluded.bytes",
                (TODAY.end, TODAY.start, "user:ada"),
            )
        assert await ledger.usage("user:ada", TODAY) == Usage(500, 350)
        clock.now += LEASE
        # What it held itself is released, as ever.
        assert await ledger.usage("user:ada", TODAY) == Usage(600, 0)


async def test_what_version_2_released_is_held_again(version_2: Path, clock: Clock) -> None:
    async with opener(sqlite_maker(version_2, clock)) as new_ledger:
        slept = await new_ledger()
        reservation = await slept.reserve([claim(100)], due=True)
        clock.now += LEASE
        with stranger(version_2) as connection:
            former_renewal(connection, clock.now)
        await slept.check()
        assert await slept.usage("user:ada", TODAY) == Usage(500, 300)
        await slept.settle(reservation, 90)
        assert await slept.usage("user:ada", TODAY) == Usage(590, 200)


async def test_lapsed_ones_are_forgotten_after_a_month(path: Path, clock: Clock) -> None:
    async with opener(sqlite_maker(path, clock)) as new_ledger:
        await (await new_ledger()).reserve([claim(100)], due=True)
        clock.now += LEASE
        other = await new_ledger(lease=0.06)

        def remembered() -> int:
            with stranger(path) as connection:
                (count,) = connection.execute("SELECT count(*) FROM lapsed").fetchone()
                return int(count)

        await other.check()
        assert remembered() == 1
        clock.now += 31 * DAY

        async def is_forgotten() -> bool:
            return remembered() == 0

        await eventually(is_forgotten)


# Redis alone: what a version before this does there, and what arrives late.


async def test_the_version_before_sees_what_is_due_as_held(
    valkey: ValkeyServer, clock: Clock
) -> None:
    valkey.command("FLUSHALL")
    async with opener(redis_maker(valkey.url, clock)) as new_ledger:
        slept = await new_ledger()
        reservation = await slept.reserve([claim(600)], due=True)
        key = f"upload-gateway:account:{TODAY.start}:{TODAY.end}:user:ada"
        now, ends = str(clock.now + LEASE), str(TODAY.end)
        release = ("EVAL", FORMER_RELEASE, 1, key, now, ends, "9" * 15, "1")
        assert valkey.command(*release) == [0, 0]
        clock.now += LEASE
        await slept.check()
        assert await slept.usage("user:ada", TODAY) == Usage(0, 600)
        await slept.settle(reservation, 500)
        assert await slept.usage("user:ada", TODAY) == Usage(500, 0)


async def test_nothing_holds_again_what_was_settled_for_good(
    valkey: ValkeyServer, clock: Clock
) -> None:
    valkey.command("FLUSHALL")
    key = f"upload-gateway:account:{TODAY.start}:{TODAY.end}:user:ada"

    def send(script: Script, *arguments: str | int) -> object:
        now = str(clock.now)
        return valkey.command("EVAL", script.text, 1, key, now, TODAY.end, *arguments)

    assert send(scripts.SETTLE, "7.1", 0, "final") == 1
    assert send(scripts.RESERVE, "7.1", "7:", 600, 1000) == [0, 0]
    assert send(scripts.ADOPT, "7.1", "7:", 600) == 0
    assert send(scripts.SETTLE, "7.1", 500, "final") == 0
    assert send(scripts.RELEASE, 9, 8) == [0, 0, 0]
    # Nobody needs to know that for longer than a month.
    clock.now += 32 * DAY
    assert send(scripts.RELEASE, 9, 8) == [0, 0, 0]
    assert valkey.command("EXISTS", key) == 0


FORMER_RELEASE = """
local key, now = KEYS[1], tonumber(ARGV[1])
local function hold(amount)
  if amount ~= 0 and redis.call('HINCRBY', key, 'h', string.format('%.0f', amount)) == 0 then
    redis.call('HDEL', key, 'h')
  end
end
local newest, living = tonumber(ARGV[3]), {}
for i = 4, #ARGV do
  living[ARGV[i]] = true
end
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 2) == 'r:' then
    local amount, owner, since = string.match(all[i + 1], '^(%d+):(%d+):?(%d*)$')
    if since ~= '' then
      if now - tonumber(since) > 2678400 then
        redis.call('HDEL', key, all[i])
      end
    elseif owner ~= '0' and not living[owner] and tonumber(owner) <= newest then
      hold(-tonumber(amount))
      redis.call('HSET', key, all[i], string.format('0:%s:%.0f', owner, now))
    end
  end
end
local found = redis.call('HMGET', key, 'u', 'h')
return {tonumber(found[1] or 0), tonumber(found[2] or 0)}
"""
"""As it was before anything was due."""


async def test_nobody_waits_for_what_is_stored_as_it_was_due(clock: Clock, tmp_path: Path) -> None:
    """The file counts it already, whether its process goes on or dies."""
    path = tmp_path / "ledger.db"
    async with opener(sqlite_maker(path, clock)) as new_ledger:
        wants = [claim(600), claim(1, unit="files")]
        ledger, other = await new_ledger(), await new_ledger()
        reservation = await ledger.reserve(wants, due=True)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as busy:
            busy.execute("BEGIN IMMEDIATE")
            await asyncio.wait_for(ledger.settle(reservation, 600), 1)
            await ledger.settle(reservation, 600)  # once is enough
            busy.execute("ROLLBACK")
        assert sum(await other.usage(wants[0].key, TODAY)) == 600

        async def is_told() -> bool:
            usages = [await other.usage(want.key, want.window) for want in wants]
            return usages == [Usage(600, 0), Usage(1, 0)]

        await eventually(is_told)


@pytest.mark.parametrize(
    ("due", "stored"), [(True, 599), (True, 0), (False, 600)], ids=["less", "nothing", "not_due"]
)
async def test_what_counts_otherwise_than_before_is_written_first(
    due: bool,
    stored: int,
    clock: Clock,
    tmp_path: Path,
) -> None:
    async with opener(sqlite_maker(tmp_path / "ledger.db", clock)) as new_ledger:
        ledger, other = await new_ledger(), await new_ledger()
        reservation = await ledger.reserve([claim(600)], due=due)
        await ledger.settle(reservation, stored)
        assert await other.usage(claim(600).key, TODAY) == Usage(stored, 0)


async def test_that_it_was_stored_is_booked_once_though_its_process_dies_at_once(
    clock: Clock, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    async with opener(sqlite_maker(path, clock)) as new_ledger:
        dead = await new_ledger()
        await dead.settle(await dead.reserve([claim(600)], due=True), 600)
        dead._shut()
        clock.now += LEASE
        assert await (await new_ledger()).usage(claim(600).key, TODAY) == Usage(600, 0)
