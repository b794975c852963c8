"""The file of an audit log, to which all processes of a gateway append one chain.

Beside it lies a small file with the ending ``.head``: who appends locks it, and notes there
which line was the last one, so that the next to append, after a rotation or in another process,
goes on from there, and lines that are missing at the end show. Everything here blocks.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from gateway.audit.chain import Link, NotInChain, follow, forge, read_link
from gateway.log_formats import encoded

_MODE = 0o640
_HEAD_BYTES = 256
"""Of the head file: written in one piece, so that nobody finds half of it."""


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


class _HeldFile:
    """A file that stays open for as long as it is the one at its path."""

    def __init__(self, path: Path, flags: int = 0) -> None:
        self._path = path
        self._flags = flags | os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._identity = (0, 0)
        self.descriptor = -1
        """Negative while it is not open."""

    def found(self) -> os.stat_result | None:
        """What the file is like, if it is open and nobody has renamed or removed it."""
        if self.descriptor < 0:
            return None
        try:
            there = self._path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        return there if (there.st_dev, there.st_ino) == self._identity else None

    def open(self) -> os.stat_result:
        """Open the file that is at the path now, or make one. Raises OSError."""
        opened = os.open(self._path, self._flags, _MODE)
        self.close()
        found = os.fstat(opened)
        self.descriptor, self._identity = opened, (found.st_dev, found.st_ino)
        return found

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


class AuditFile:
    """The log at ``path``, as one process appends to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = _HeldFile(path, os.O_APPEND)
        self._head = _HeldFile(head_path(path))

    def append(self, documents: Sequence[bytes]) -> None:
        """All of them, JSON objects, or none. Raises OSError."""
        # Each call of the system may make whoever waits for this process's interpreter wait.
        with self._locked():
            now = self._log.found() or self._log.open()
            link, notes, size = self._catch_up(now)
            self._write(*forge(link, [*notes, *documents]), now, size)

    def sync(self) -> None:
        """What was appended survives a power cut. Raises OSError."""
        for file in (self._log, self._head):
            if file.descriptor >= 0:
                os.fdatasync(file.descriptor)

    def close(self) -> None:
        self._log.close()
        self._head.close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._head.descriptor < 0:
            self._head.open()
        fcntl.flock(self._head.descriptor, fcntl.LOCK_EX)
        while self._head.found() is None:  # somebody has renamed or removed it
            self._head.open()
            fcntl.flock(self._head.descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._head.descriptor, fcntl.LOCK_UN)

    def _catch_up(self, now: os.stat_result) -> tuple[Link, list[bytes], int]:
        """The last line, what has to be said before the next one, and where that begins (bytes);
        ``now`` is what the log is like."""
        size = now.st_size
        try:
            head = _parsed(os.pread(self._head.descriptor, _HEAD_BYTES, 0))
        except ValueError:
            return self._without_head(size)
        if (head.device, head.inode) != (now.st_dev, now.st_ino):
            return self._rotated(head), [], size
        if size < head.size:
            return (
                head.link,
                [encoded({"event": "cut", "bytes": head.size - size})],
                self._end_line(size),
            )
        if size > head.size:
            return self._adopt(head.link, head.size, size)
        return head.link, [], size

    def _without_head(self, size: int) -> tuple[Link, list[bytes], int]:
        """Go on behind the last line, if there is one."""
        if not size:
            return Link(), [], 0
        link, start = Link(), max(0, size - 2**20)
        for line in os.pread(self._log.descriptor, 2**20, start).splitlines():
            with suppress(NotInChain):
                _, link = read_link(line)
        return link, [encoded({"event": "head_missing"})], self._end_line(size)

    def _rotated(self, head: Head) -> Link:
        """The last line, which is in a file that has another name by now, if it is there."""
        with os.scandir(self._path.parent) as entries:
            paths = [Path(entry.path) for entry in entries if entry.inode() == head.inode]
        for path in paths:
            with suppress(FileNotFoundError), path.open("rb") as old:
                old.seek(head.size)
                return _followed(head.link, old.read())[0]
        return head.link

    def _adopt(self, link: Link, known: int, size: int) -> tuple[Link, list[bytes], int]:
        """The last line, where one who was killed has noted only an earlier one, up to ``known``;
        what he began and did not end is removed."""
        tail = os.pread(self._log.descriptor, size - known, known)
        link, length = _followed(link, tail)
        if b"\n" in tail[length:]:
            return link, [], self._end_line(size)
        os.ftruncate(self._log.descriptor, known + length)
        return link, [], known + length

    def _end_line(self, size: int) -> int:
        """Begin a line of its own behind what somebody else has left; returns where."""
        log = self._log.descriptor
        if not size or os.pread(log, 1, size - 1) == b"\n":
            return size
        return size + os.write(log, b"\n")

    def _write(self, data: bytes, link: Link, now: os.stat_result, size: int) -> None:
        """``size`` is that of the log before this."""
        log = self._log.descriptor
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(log, view) :]
            note = {
                "seq": link.number,
                "hash": link.hash,
                "device": now.st_dev,
                "inode": now.st_ino,
                "size": size + len(data),
            }
            text = orjson.dumps(note).ljust(_HEAD_BYTES - 1) + b"\n"
            os.pwrite(self._head.descriptor, text, 0)
        except OSError:
            os.ftruncate(log, size)
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
