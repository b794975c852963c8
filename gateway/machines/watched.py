"""Files of an administrator's that are read again when they change, without a restart."""

import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")
_Stamp = tuple[int, int, int]

LONGEST = 4 * 2**20
"""Bytes of such a file."""


class FileProblem(Exception):
    """A file cannot be used; ``problems`` holds one sentence for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Watched(Generic[T]):
    """What a file says. A new version that cannot be used leaves the one before in force."""

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], T],
        *,
        taken: Callable[[], None] = lambda: None,
        rejected: Callable[[FileProblem], None] = lambda problem: None,
        interval: float = 1.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """The file is looked at when its value is asked for, every ``interval`` seconds at most.

        ``taken`` and ``rejected`` hear of each new version. Raises FileProblem for the first.
        """
        self._path = path
        self._parse = parse
        self._taken = taken
        self._rejected = rejected
        self._interval = interval
        self._clock = clock
        self._looked = clock()
        self._stamp = stamp(path)
        self._value = self._read()

    @property
    def value(self) -> T:
        now = self._clock()
        if now - self._looked >= self._interval:
            self._looked = now
            self._look()
        return self._value

    def _look(self) -> None:
        present = stamp(self._path)
        if present == self._stamp:
            return
        self._stamp = present
        try:
            self._value = self._read()
        except FileProblem as problem:
            self._rejected(problem)
        else:
            self._taken()

    def _read(self) -> T:
        return self._parse(read_file(self._path))


def stamp(path: Path) -> _Stamp | None:
    """Another one whenever the file is another one; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_file(path: Path) -> bytes:
    """Raises FileProblem."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > LONGEST:
                raise FileProblem([f"{path} is longer than {LONGEST} bytes"])
            return file.read(LONGEST)
    except OSError as error:
        raise FileProblem([f"{path} cannot be read ({error.strerror})"]) from error
