"""How many reservations the ledger makes and settles per second: ``python -m bench.ledger``."""

import argparse
import asyncio
import itertools
import tempfile
import time
from pathlib import Path

import uvloop

from gateway.ledger.quotas import Amount, Quota, Uploader, claims
from gateway.ledger.sqlite import SQLiteLedger

_QUOTAS = (Quota("user", 2**50, "day"),)


async def pairs_per_second(folder: Path, *, in_flight: int, users: int, seconds: float) -> float:
    """Reserve and settle from ``in_flight`` tasks, for ``users`` users in turn."""
    ledger = SQLiteLedger(folder / "ledger.db")
    await ledger.open()
    turns = itertools.cycle(range(users))
    ends = time.perf_counter() + seconds
    pairs = 0

    async def upload() -> None:
        nonlocal pairs
        while time.perf_counter() < ends:
            uploader = Uploader(f"{next(turns):026d}")
            wanted = claims(_QUOTAS, uploader, Amount(16_384), time.time())
            reservation = await ledger.reserve(wanted)
            await ledger.settle(reservation, 16_384)
            pairs += 1

    begun = time.perf_counter()
    await asyncio.gather(*(upload() for _ in range(in_flight)))
    rate = pairs / (time.perf_counter() - begun)
    await ledger.close()
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each line (default 3)")
    seconds = parser.parse_args().seconds
    print("| engine | in flight | users | reserve-and-settle pairs/s |\n| --- | --- | --- | --- |")
    for in_flight, users in ((1, 1), (16, 1), (16, 10_000)):
        with (
            tempfile.TemporaryDirectory() as folder,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            rate = runner.run(
                pairs_per_second(Path(folder), in_flight=in_flight, users=users, seconds=seconds)
            )
        print(f"| SQLite | {in_flight} | {users:,} | {rate:,.0f} |")


if __name__ == "__main__":
    main()
