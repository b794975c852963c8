"""What the ledger's tests share."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from gateway.ledger.engine import Lapsed, Ledger
from gateway.ledger.quotas import Claim, LedgerUnavailable, Quota, Unit, key_of
from gateway.ledger.redis_ledger import RedisLedger
from gateway.ledger.sqlite import SQLiteLedger
from gateway.ledger.windows import window

NOON = 1_760_011_200.0
DAY = 86_400.0
TODAY = window("day", NOON)
LEASE = 60.0

ENGINES = ["sqlite", "redis", "cluster"]

L_co = TypeVar("L_co", bound=Ledger, covariant=True)


VERSION_1 = """
CREATE TABLE owners (
    owner INTEGER PRIMARY KEY,
    renewed REAL NOT NULL,
    lease REAL NOT NULL
);
CREATE TABLE used (
    ends INTEGER NOT NULL,
    starts INTEGER NOT NULL,
    key TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (ends, starts, key)
) WITHOUT ROWID;
CREATE TABLE held (
    ends INTEGER NOT NULL,
    starts INTEGER NOT NULL,
    key TEXT NOT NULL,
    owner INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (ends, starts, key, owner)
) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
"""How the first version of SQLite's file was made."""


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def nobody_hears(key: str, amount: int) -> None:
    """Of what was due."""


class Make(Protocol[L_co]):
    """Makes a ledger on some data, not open yet."""

    def __call__(
        self, *, lease: float, busy_timeout: float, on_lapse: Lapsed = nobody_hears
    ) -> L_co:
        raise NotImplementedError


class NewLedger(Protocol[L_co]):
    """Opens one more ledger on the same data, as another process would.

    To leave one alone is to kill its process: on its own it does nothing for 20 seconds.
    """

    async def __call__(
        self, *, lease: float = LEASE, busy_timeout: float = 5.0, on_lapse: Lapsed = nobody_hears
    ) -> L_co:
        raise NotImplementedError


AnyLedger = NewLedger[Ledger]
NewSQLite = NewLedger[SQLiteLedger]


class Opener(Generic[L_co]):
    """Opens ledgers that ``make`` makes."""

    def __init__(self, make: Make[L_co]) -> None:
        self._make = make
        self.opened: list[L_co] = []

    async def __call__(
        self, *, lease: float = LEASE, busy_timeout: float = 5.0, on_lapse: Lapsed = nobody_hears
    ) -> L_co:
        ledger = self._make(lease=lease, busy_timeout=busy_timeout, on_lapse=on_lapse)
        self.opened.append(ledger)
        await ledger.open()
        return ledger


@asynccontextmanager
async def opener(make: Make[L_co]) -> AsyncIterator[NewLedger[L_co]]:
    """Closes at the end what was opened."""
    new_ledger = Opener(make)
    try:
        yield new_ledger
    finally:
        for ledger in new_ledger.opened:
            with contextlib.suppress(LedgerUnavailable):
                await ledger.close()


def sqlite_maker(path: Path, clock: Clock) -> Make[SQLiteLedger]:
    def make(*, lease: float, busy_timeout: float, on_lapse: Lapsed = nobody_hears) -> SQLiteLedger:
        return SQLiteLedger(
            path, lease=lease, clock=clock, busy_timeout=busy_timeout, on_lapse=on_lapse
        )

    return make


def redis_maker(url: str, clock: Clock | None = None) -> Make[RedisLedger]:
    def make(*, lease: float, busy_timeout: float, on_lapse: Lapsed = nobody_hears) -> RedisLedger:
        return RedisLedger(url, lease=lease, clock=clock, timeout=busy_timeout, on_lapse=on_lapse)

    return make


def claim(
    amount: int,
    *,
    user: str = "ada",
    limit: int = 1000,
    now: float = NOON,
    unit: Unit = "bytes",
) -> Claim:
    quota = Quota("user", limit, "total" if unit == "uploads" else "day", unit)
    return Claim(key_of(f"user:{user}", unit), window(quota.period, now), amount, quota)


@contextmanager
def stranger(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that has the ledger's file open."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what a background task does; pytest's timeout is the bound."""
    while not await condition():  # noqa: ASYNC110 - it is seen in the file only
        await asyncio.sleep(0.005)
