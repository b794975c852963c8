"""A process that reserves and settles as fast as it can: ``hammer.py PATH LEASE LIMIT``.

Before and after each settlement it writes one line with what it stores, so that whoever killed it
knows. It ends when its input does.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

import uvloop

from gateway.ledger.quotas import Claim, Quota, QuotaExceeded, Window
from gateway.ledger.sqlite import SQLiteLedger

FOREVER = Window(0, 2**40)
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
    tell("settling", stored)
    await ledger.settle(reservation, stored)
    tell("settled", stored)


async def hammer(path: Path, lease: float, limit: int) -> None:
    ledger = SQLiteLedger(path, lease=lease)
    await ledger.open()
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    async def uploads() -> None:
        while not ended.done():
            await upload(ledger, Quota("user", limit, "day"))

    await asyncio.gather(*(uploads() for _ in range(TASKS)))
    await ledger.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(hammer(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
