"""What a gateway's ledger says, asked as another process would ask."""

import asyncio
import time
from pathlib import Path

from gateway.ledger.quotas import Usage
from gateway.ledger.sqlite import SQLiteLedger
from gateway.ledger.windows import window


def usage(folder: Path, user_id: str, patience: float = 0.0) -> Usage:
    """What is charged to a user today in the ledger of the gateway in ``folder``.

    What nobody waits for is written within moments after an answer: ``patience`` (seconds) lets
    what is still reserved be booked.
    """
    deadline = time.monotonic() + patience
    while True:
        found = asyncio.run(_usage(folder / "ledger.sqlite3", user_id))
        if not found.reserved or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


async def _usage(path: Path, user_id: str) -> Usage:
    ledger = SQLiteLedger(path)
    await ledger.open()
    try:
        return await ledger.usage(f"user:{user_id}", window("day", time.time()))
    finally:
        await ledger.close()
