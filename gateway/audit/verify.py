"""Whether an audit log is as it was written."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from gateway.audit.chain import Link, NotInChain, follow, read_link

_START = Link()


@dataclass(frozen=True, slots=True)
class Bad:
    """Where a log is not as it was written."""

    path: Path
    line: int
    """Of the file, from 1; 0 is what is missing behind its last one."""
    problem: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else f"{self.path}"
        return f"{where}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Verified:
    """A log that is as it was written."""

    first: int
    """Number of its first line."""
    last: Link


def verify(
    paths: Sequence[Path], head: Link | None = None, after: Link | None = _START
) -> Verified | Bad:
    """Whether the files, oldest first, are one chain, which has ``head`` in it if that is known.

    ``after`` is the line before their first one; None if nobody knows.
    Raises OSError and EOFError.
    """
    link, first = after, None if after is None else after.number + 1
    reached = head is None
    for path in paths:
        with _opened(path) as file:
            for number, text in enumerate(file, 1):
                try:
                    if link is None:
                        link, _ = read_link(text.rstrip(b"\n"))
                        first = link.number + 1
                    if not text.endswith(b"\n"):
                        raise NotInChain("it is cut off")
                    link = follow(link, text.removesuffix(b"\n"))
                    reached = reached or link == head
                except NotInChain as error:
                    return Bad(path, number, str(error))
    link = link or Link()
    if head is not None and not reached and link != head:
        missing = max(0, head.number - link.number)
        problem = f"{missing} lines are missing at its end" if missing else f"it has no {head}"
        return Bad(paths[-1], 0, problem)
    return Verified(first or 0, link)


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path))
    return path.open("rb")
