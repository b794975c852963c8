"""A process that reserves and settles as fast as it can: ``hammer.py PATH LEASE LIMIT``.

Some of what it reserves it makes a session of, and it ends sessions, whoever opened them. Before
and after each settlement it writes one line with what it stores, so that whoever killed it knows.
It ends when its input does.
"""

import asyncio
import os
import random
import secrets
import sqlite3
import sys
from pathlib import Path

import uvloop

from gateway.ledger.quotas import Claim, Quota, QuotaExceeded
from gateway.ledger.sqlite import SQLiteLedger
from gateway.ledger.windows import FOREVER

KEY = "user:ada"
TASKS = 8


def tell(event: str, stored: int) -> None:
    # Unbuffered: what was told before a SIGKILL stays told.
    os.write(1, f"{event} {stored}\n".encode())


async def upload(ledger: SQLiteLedger, quota: Quota) -> None:
    claim = Claim(KEY, FOREVER, random.randrange(1, quota.limit // 10), quota)
    try:
        reservation = await ledger.reserve([claim])
    except QuotaExceeded:
        await asyncio.sleep(0.001)
        return
    await asyncio.sleep(random.choice([0, 0.001, 0.005]))
    # Most is not stored in the end, so that the limit is met again and again.
    stored = random.randrange(claim.amount) // 500 if random.random() < 0.2 else 0
    if random.random() < 0.3:
        await ledger.open_session(secrets.token_hex(8), reservation, note=str(stored), ttl=600)
        return
    tell("settling", stored)
    await ledger.settle(reservation, stored)
    tell("settled", stored)


async def end_some_session(ledger: SQLiteLedger, connection: sqlite3.Connection) -> bool:
    """One that any process opened, or began to end and was killed; False if there is none."""
    row = connection.execute("SELECT id, note FROM sessions ORDER BY random() LIMIT 1").fetchone()
    if row is None:
        return False
    name, note = row
    stored, _, ender = note.partition(" ")
    # Of those who found it like this one goes on.
    if (not ender or is_dead(int(ender))) and await ledger.keep_session(
        name, f"{stored} {os.getpid()}", was=note
    ):
        tell("settling", int(stored))
        await ledger.end_session(name, int(stored))
        tell("settled", int(stored))
    return True


def is_dead(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


async def hammer(path: Path, lease: float, limit: int) -> None:
    ledger = SQLiteLedger(path, lease=lease)
    await ledger.open()
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    connection = sqlite3.connect(path)

    async def uploads() -> None:
        while not ended.done():
            await upload(ledger, Quota("user", limit, "day"))
            await end_some_session(ledger, connection)

    await asyncio.gather(*(uploads() for _ in range(TASKS)))
    while await end_some_session(ledger, connection):
        pass
    await ledger.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(hammer(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
