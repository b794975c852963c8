"""Files judged by the same steps as uploads, without an upload."""

import errno
import io
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from gateway.accounting import Account
from gateway.body.filename import stored_name
from gateway.body.spool import BLOCK_BYTES
from gateway.policy.groups import group_of
from gateway.policy.ruleset import Decision
from gateway.refusals import Refusal, Refused
from gateway.upload.facts import Facts
from gateway.upload.incoming import IncomingFile
from gateway.upload.judging import Judge
from gateway.upload.receive import Held
from gateway.upload.reception import Reception
from gateway.upload.request import RowTarget
from gateway.upstream.sink import Sink

_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Checked:
    """A file, and what would become of it."""

    path: str
    facts: Facts
    size: int
    """Bytes."""
    refusal: Refusal | None

    @property
    def group(self) -> str:
        return group_of(self.facts.content_type)


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be read, and why."""

    path: str
    problem: str


class _FileSource:
    """A file on this machine, as a body that arrives."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.received = 0

    @property
    def ended(self) -> bool:
        return self.received >= self._size

    async def read(self) -> bytes:
        data = self._file.read(_PIECE)
        self.received = self.received + len(data) if data else self._size
        return data

    read_on = read

    def check(self) -> None:
        """Nobody leaves."""

    async def pour(self, sink: Sink) -> bool:
        return False


async def check(
    paths: Sequence[Path], decision: Decision, reception: Reception, declared: str | None = None
) -> tuple[list[Checked], list[Unread]]:
    """What ``decision`` says to each file, which is received as an upload is, and what there is to
    say of those that cannot be read."""
    found, unread = [], []
    for path in paths:
        try:
            with _opened(path) as file:
                size = file.seek(0, io.SEEK_END)
                file.seek(0)
                checked = await check_file(path.name, file, size, decision, reception, declared)
            found.append(replace(checked, path=str(path)))
        except OSError as error:
            unread.append(Unread(str(path), error.strerror or str(error)))
    return found, unread


def _opened(path: Path) -> BinaryIO:
    """Raises OSError, also for what has no length: a pipe would wait for its writer."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "Not an ordinary file")
    return path.open("rb")


async def check_file(
    name: str,
    file: BinaryIO,
    size: int,
    decision: Decision,
    reception: Reception,
    declared: str | None = None,
) -> Checked:
    """What ``decision`` says to ``size`` bytes called ``name`` and declared to be a type."""
    facts = Facts(name, size)
    try:
        facts.name = stored_name(name)
        target = RowTarget(facts.name, b"")
        incoming = IncomingFile(target, _FileSource(file, size), size, size, declared)
        with Held() as held:
            judge = Judge(decision, facts)
            await reception.receive_all(incoming, judge, held, BLOCK_BYTES, Account())
    except Refused as refused:
        return Checked(name, facts, size, refused.refusal)
    return Checked(name, facts, size, None)
