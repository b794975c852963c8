"""What files cost that are made to cost much: ``./scripts/bombs`` writes it into docs/policy.md.

Each is judged as an upload is, under deploy/policy.example.toml but for the scan, by another
process. Memory is the most that this process needs, less what it had before.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.disguises.bombs import BOMBS, Bomb
from tests.support.example import hardened
from tests.support.judged import judged, judged_files

PAGE = Path(__file__).parents[1] / "docs" / "policy.md"
_PLACE = re.compile(r"(<!-- bombs -->\n).*?(<!-- end -->)", re.DOTALL)
_MIB = 2**20
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"
"""To proc(5): the peak is what there is now."""


class Cost(NamedTuple):
    seconds: float
    memory: int
    """Bytes."""
    answer: str
    """The refusal's id; empty if there is none."""


class Judge:
    """A process that judges files, one after the other; ``with Judge() as judge: …``."""

    def __enter__(self) -> Self:
        command = (sys.executable, "-m", "bench.bombs", "--judge")
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self._folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()
        self._folder.cleanup()

    def cost(self, bomb: Bomb) -> Cost:
        """Raises ValueError if the process dies of it."""
        path = Path(self._folder.name, bomb.name)
        path.write_bytes(bomb.make())
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - they are pipes
        assert stdout is not None  # noqa: S101
        stdin.write(f"{path}\n")
        stdin.flush()
        return Cost(*json.loads(stdout.readline()))


def _bytes_of(field: str) -> int:
    """Of this process only, unlike getrusage's, which begin with its parent's."""
    return int(_STATUS.read_text().partition(f"{field}:")[2].split()[0]) * 1024


def _judge() -> None:
    judged(hardened(), "a.txt", b"a")  # what is loaded once is no cost of a file
    had = _bytes_of("VmRSS")
    for line in sys.stdin:
        _CLEAR.write_text(_FORGET_PEAK)
        begun = time.perf_counter()
        (checked,) = judged_files(hardened(), [Path(line.rstrip("\n"))])
        seconds = time.perf_counter() - begun
        answer = checked.refusal.id if checked.refusal else ""
        print(json.dumps([seconds, _bytes_of("VmHWM") - had, answer]), flush=True)


def table(bombs: Mapping[str, Bomb]) -> Iterator[str]:
    """Each judged by a process of its own."""
    yield "| file | bytes | seconds | MiB | answer |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for name, bomb in bombs.items():
        with Judge() as judge:
            cost = judge.cost(bomb)
        memory, answer = cost.memory / _MIB, f"`{cost.answer}`" if cost.answer else "passes"
        size = len(bomb.make())
        yield f"| {name} | {size:,} | {cost.seconds:.2f} | {memory:.0f} | {answer} |"


def main() -> None:
    if sys.argv[1:] == ["--judge"]:
        _judge()
        return
    rows = "\n".join(table(BOMBS))
    print(rows)
    PAGE.write_text(_PLACE.sub(lambda match: f"{match[1]}\n{rows}\n\n{match[2]}", PAGE.read_text()))


if __name__ == "__main__":
    main()
