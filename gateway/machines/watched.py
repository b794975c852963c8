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
        kept: Path | None = None,
        interval: float = 1.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """The file is looked at by ``look``, and when its value is asked for, every ``interval``
        seconds at most. ``taken`` and ``rejected`` hear of each new version.

        ``kept`` is where the last good version is kept for processes that start later. Raises
        FileProblem if there is none, and the present one is bad.
        """
        self._path = path
        self._parse = parse
        self._taken = taken
        self._rejected = rejected
        self._interval = interval
        self._clock = clock
        self._looked = clock()
        self._stamp = stamp(path)
        self._kept = kept
        self._value = self._at_start()

    def _at_start(self) -> T:
        try:
            return self._read()
        except FileProblem as problem:
            if self._kept is None or not self._kept.exists():
                raise
            self._rejected(problem)
            return self._parse(read_file(self._kept))

    @property
    def value(self) -> T:
        self.look()
        return self._value

    def look(self) -> None:
        """Read the file again if it has changed, and it is time to look."""
        now = self._clock()
        if now - self._looked < self._interval:
            return
        self._looked = now
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
        document = read_file(self._path)
        value = self._parse(document)
        if self._kept is not None:
            keep(document, self._kept)
        return value


def keep(document: bytes, kept: Path) -> None:
    """Write ``kept``, all at once: several processes may do so at the same time."""
    new = kept.with_name(f"{kept.name}.{os.getpid()}")
    new.write_bytes(document)
    new.replace(kept)


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
