"""The file of an audit log, to which all processes of a gateway append one chain.

Beside it lies a small file with the ending ``.head``: who appends locks it, and notes there
which line was the last one, so that the next to append, after a rotation or in another process,
goes on from there, and lines that are missing at the end show. Everything here blocks.
"""

import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.audit.chain import Link, NotInChain, follow, forge, read_link

_MODE = 0o640
_HEAD_BYTES = 256
"""Of the head file: written in one piece, so that nobody finds half of it."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """What the head file says."""

    link: Link
    device: int
    inode: int
    size: int
    """Bytes that the file had with its last line."""


def head_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.head")


def read_head(path: Path) -> Head:
    """The head of the log at ``path``. Raises OSError, and ValueError if it is none."""
    return _parsed(head_path(path).read_bytes())


def _parsed(text: bytes) -> Head:
    try:
        found = orjson.loads(text)
        link = Link(int(found["seq"]), str(found["hash"]))
        return Head(link, int(found["device"]), int(found["inode"]), int(found["size"]))
    except (KeyError, TypeError, orjson.JSONDecodeError):
        raise ValueError("this is not the head of an audit log") from None


class AuditFile:
    """The log at ``path``, as one process appends to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = -1
        self._head = -1

    def append(self, documents: Sequence[Document]) -> None:
        """All of them, or none. Raises OSError."""
        with self._locked():
            self._log = _opened(self._path, self._log, os.O_APPEND)
            link, notes = self._catch_up()
            self._write(*forge(link, [*notes, *documents]))

    def sync(self) -> None:
        """What was appended survives a power cut. Raises OSError."""
        for descriptor in (self._log, self._head):
            if descriptor >= 0:
                os.fdatasync(descriptor)

    def close(self) -> None:
        for descriptor in (self._log, self._head):
            if descriptor >= 0:
                os.close(descriptor)
        self._log = self._head = -1

    @contextmanager
    def _locked(self) -> Iterator[None]:
        while True:
            self._head = _opened(head_path(self._path), self._head)
            fcntl.flock(self._head, fcntl.LOCK_EX)
            if _is_at(head_path(self._path), self._head):
                break
        try:
            yield
        finally:
            fcntl.flock(self._head, fcntl.LOCK_UN)

    def _catch_up(self) -> tuple[Link, list[Document]]:
        """The last line, and what has to be said before the next one."""
        now = os.fstat(self._log)
        text = os.pread(self._head, _HEAD_BYTES, 0)
        if not text:
            return self._without_head(now.st_size)
        try:
            head = _parsed(text)
        except ValueError:
            return self._without_head(now.st_size)
        if (head.device, head.inode) != (now.st_dev, now.st_ino):
            return self._rotated(head), []
        if now.st_size < head.size:
            self._end_line()
            return head.link, [{"event": "cut", "bytes": head.size - now.st_size}]
        return self._adopt(head.link, head.size), []

    def _without_head(self, size: int) -> tuple[Link, list[Document]]:
        """Go on behind the last line, if there is one."""
        if not size:
            return Link(), []
        self._end_line()
        link, start = Link(), max(0, size - 2**20)
        for line in os.pread(self._log, 2**20, start).splitlines():
            with suppress(NotInChain):
                _, link = read_link(line)
        return link, [{"event": "head_missing"}]

    def _rotated(self, head: Head) -> Link:
        """The last line, which is in a file that has another name by now, if it is there."""
        with os.scandir(self._path.parent) as entries:
            paths = [Path(entry.path) for entry in entries if entry.inode() == head.inode]
        for path in paths:
            with suppress(FileNotFoundError), path.open("rb") as old:
                old.seek(head.size)
                return _followed(head.link, old.read())[0]
        return head.link

    def _adopt(self, link: Link, size: int) -> Link:
        """The last line, where one who was killed has noted only an earlier one; what he began
        and did not end is removed."""
        found = os.fstat(self._log).st_size
        if found == size:
            return link
        tail = os.pread(self._log, found - size, size)
        link, length = _followed(link, tail)
        if b"\n" not in tail[length:]:
            os.ftruncate(self._log, size + length)
        else:
            self._end_line()
        return link

    def _end_line(self) -> None:
        """Begin a line of its own behind what somebody else has left."""
        size = os.fstat(self._log).st_size
        if size and os.pread(self._log, 1, size - 1) != b"\n":
            os.write(self._log, b"\n")

    def _write(self, data: bytes, link: Link) -> None:
        before = os.fstat(self._log)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._log, view) :]
            size = before.st_size + len(data)
            note = {
                "seq": link.number,
                "hash": link.hash,
                "device": before.st_dev,
                "inode": before.st_ino,
                "size": size,
            }
            os.pwrite(self._head, orjson.dumps(note).ljust(_HEAD_BYTES - 1) + b"\n", 0)
        except OSError:
            os.ftruncate(self._log, before.st_size)
            raise


def _followed(link: Link, tail: bytes) -> tuple[Link, int]:
    """The last line of ``tail`` that follows ``link``, and how many bytes there are up to it."""
    length = 0
    for line in tail.split(b"\n")[:-1]:
        try:
            link = follow(link, line)
        except NotInChain:
            break
        length += len(line) + 1
    return link, length


def _opened(path: Path, descriptor: int, flags: int = 0) -> int:
    """The file at ``path``, which is another one than it was if somebody has renamed that."""
    if descriptor >= 0 and _is_at(path, descriptor):
        return descriptor
    flags |= os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    opened = os.open(path, flags, _MODE)
    if descriptor >= 0:
        os.close(descriptor)
    return opened


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    have = os.fstat(descriptor)
    return stat.S_ISREG(have.st_mode) and os.path.samestat(there, have)
