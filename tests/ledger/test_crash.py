"""Real processes on one ledger, one of which is killed."""

import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from os import SEEK_END
from pathlib import Path
from typing import IO

from .support import stranger

LIMIT = 1_000_000
LEASE = 1.0
HAMMER = Path(__file__).with_name("hammer.py")


class Hammer:
    """A running ``hammer.py``, and what it told."""

    def __init__(self, path: Path, told: IO[str]) -> None:
        self._told = told
        command = [sys.executable, str(HAMMER), str(path), str(LEASE), str(LIMIT)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=told)

    def has_begun(self) -> bool:
        return self._told.seek(0, SEEK_END) > 0

    def settlements(self) -> tuple[int, list[int]]:
        """What was certainly settled, and settlements whose end was not told."""
        self._told.seek(0)
        settled, open_ones = 0, []
        for line in self._told:
            event, stored = line.split()
            if event == "settling":
                open_ones.append(int(stored))
            else:
                open_ones.remove(int(stored))
                settled += int(stored)
        return settled, open_ones

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(30)


@contextmanager
def hammers(path: Path, count: int) -> Iterator[list[Hammer]]:
    with ExitStack() as stack:
        started = []
        for _ in range(count):
            told = stack.enter_context(tempfile.TemporaryFile("w+"))
            hammer = Hammer(path, told)
            started.append(hammer)
            stack.enter_context(hammer.process)
            stack.callback(hammer.process.kill)
        yield started


class Watch:
    """Looks at the ledger from outside, and never sees more than the limit charged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.most = 0

    def look(self) -> tuple[int, int, int]:
        """Bytes used, bytes reserved, and processes with a lease."""
        with stranger(self._path) as connection:
            used, reserved, owners = connection.execute(
                "SELECT (SELECT total(bytes) FROM used), (SELECT total(bytes) FROM held),"
                " (SELECT count(*) FROM owners WHERE owner > 0)"
            ).fetchone()
        assert used + reserved <= LIMIT
        self.most = max(self.most, used + reserved)
        return int(used), int(reserved), owners

    def until_used(self, used: int) -> None:
        while self.look()[0] < used:
            time.sleep(0.002)

    def until_left(self, owners: int) -> None:
        while self.look()[2] > owners:
            time.sleep(0.002)


def sums(numbers: list[int]) -> set[int]:
    counts = range(len(numbers) + 1)
    return {sum(some) for count in counts for some in itertools.combinations(numbers, count)}


def test_a_process_killed_among_others_leaves_nothing_charged(path: Path) -> None:
    with hammers(path, 2) as (killed, survivor):
        while not (killed.has_begun() and survivor.has_begun()):
            time.sleep(0.01)
        watch = Watch(path)
        watch.until_used(20_000)
        killed.process.kill()
        killed.process.wait(30)
        watch.until_left(1)
        used, _, _ = watch.look()
        watch.until_used(used + 10_000)
        assert survivor.end() == 0
        certain, open_ones = killed.settlements()
        survived, none = survivor.settlements()
        used, reserved, _ = watch.look()
        assert reserved == 0  # the survivor ended the sessions of the other, too
        assert none == []
        assert used - certain - survived in sums(open_ones)
    assert certain > 0
    assert watch.most > LIMIT * 0.9
