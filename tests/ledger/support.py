"""What the ledger's tests share."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

from gateway.ledger.quotas import Claim, LedgerUnavailable, Quota
from gateway.ledger.sqlite import SQLiteLedger
from gateway.ledger.windows import window

NOON = 1_760_011_200.0
DAY = 86_400.0
TODAY = window("day", NOON)
LEASE = 60.0


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class NewLedger(Protocol):
    """Opens one more ledger on the same data, as another process would.

    To leave one alone is to kill its process: on its own it does nothing for 20 seconds.
    """

    async def __call__(self, *, lease: float = LEASE, busy_timeout: float = 5.0) -> SQLiteLedger:
        raise NotImplementedError


@asynccontextmanager
async def opener(path: Path, clock: Clock) -> AsyncIterator[NewLedger]:
    """Closes at the end what was opened."""
    ledgers: list[SQLiteLedger] = []

    async def new_ledger(*, lease: float = LEASE, busy_timeout: float = 5.0) -> SQLiteLedger:
        ledger = SQLiteLedger(path, lease=lease, clock=clock, busy_timeout=busy_timeout)
        ledgers.append(ledger)
        await ledger.open()
        return ledger

    try:
        yield new_ledger
    finally:
        for ledger in ledgers:
            with contextlib.suppress(LedgerUnavailable):
                await ledger.close()


def claim(amount: int, *, user: str = "ada", limit: int = 1000, now: float = NOON) -> Claim:
    quota = Quota("user", limit, "day")
    return Claim(f"user:{user}", window(quota.period, now), amount, quota)


@contextmanager
def stranger(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that has the ledger's file open."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what a background task does; pytest's timeout is the bound."""
    while not await condition():  # noqa: ASYNC110 - it is seen in the file only
        await asyncio.sleep(0.005)
