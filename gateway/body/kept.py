"""Files that are kept over several requests, until all of them has come.

They have names and lie in one folder, so that any process that shares it can go on with them.
Only one request at a time has a file: its lock ends with whoever holds it, even if killed. How
much of a file counts is not said here, but kept elsewhere: what came of a request that died
is written over. From the beginning each is as long as it is going to be, so that the room that it
takes is known to everybody who looks.
"""

import errno
import fcntl
import io
import os
import re
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

from gateway.body.spool import BLOCK_BYTES, SpoolArea
from gateway.refusals import Refused, spool_full

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9]{26}")


class InUse(Exception):
    """Another request has the file."""


class Missing(Exception):
    """The file is not there, or not all of it that should be."""


class KeptFiles:
    """The kept files of all processes that share a spool area's folder."""

    def __init__(self, area: SpoolArea) -> None:
        self._area = area
        # Each system user has a folder: in one that belongs to another nothing could be written.
        self.folder = area.directory / f"upload-sessions-{os.geteuid()}"

    async def take(self, name: str, *, new: bool) -> "KeptFile":
        """The file ``name``, until it is closed. Raises InUse, Missing unless it may be ``new``,
        and Refused."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"a kept file cannot be called {name!r}")
        file = KeptFile(self, self._area, self.folder / name)
        try:
            await self._area.run(file.lock, new=new)
        except BaseException:
            await file.close()
            raise
        return file

    async def holds(self, name: str) -> bool:
        """Whether there is a file ``name``. Raises Refused."""
        there = _NAME.fullmatch(name) is not None
        return there and await self._area.run((self.folder / name).exists)

    async def names(self, *, idle_since: float | None = None) -> list[str]:
        """Of all files, or of those that nobody wrote to since then (seconds since the epoch).

        Raises Refused.
        """
        files = await self._area.run(self.look)
        return [name for name, found in files if idle_since is None or found.st_mtime < idle_since]

    async def remove(self, name: str) -> None:
        """Remove a file that nobody has. Raises Refused."""
        with suppress(InUse, Missing):
            async with await self.take(name, new=False) as file:
                file.discard()

    def make_folder(self) -> None:
        """Raises OSError where there is one that somebody else could write to."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        found = self.folder.lstat()
        private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
        if not private or found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it is not for its owner only", str(self.folder))

    def look(self) -> list[tuple[str, os.stat_result]]:
        """All files, which the area counts. Raises OSError."""
        found = []
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if _NAME.fullmatch(entry.name):
                        found.append((entry.name, entry.stat(follow_symlinks=False)))
        self._area.kept_bytes = sum(file.st_size for _, file in found)
        return found


class KeptFile:
    """A file that this request has: written on at its end, and read once it is complete.

    Memory: up to BLOCK_BYTES, and as much again while reading.
    """

    def __init__(self, files: KeptFiles, area: SpoolArea, path: Path) -> None:
        self._files = files
        self._area = area
        self._path = path
        self._file: io.FileIO | None = None
        self._in_use = threading.Lock()
        self._closed = False
        self._buffer = bytearray()
        self._on_disk = 0
        self._counting: int | None = None
        self._dirty = False
        self.size = 0
        """Bytes that it is going to have."""

    @property
    def written(self) -> int:
        """Bytes from its beginning on."""
        return self._on_disk + len(self._buffer)

    async def begin(self, size: int, counting: int) -> None:
        """``counting`` of its ``size`` bytes are there; what is behind them counts no more.

        Raises Missing, and Refused if there is no room.
        """
        self.size, self._on_disk = size, counting
        await self._area.run(self._use, self._begin)

    async def write(self, data: bytes | memoryview) -> None:
        """Raises Refused when there is no room."""
        self._buffer += data
        if len(self._buffer) > BLOCK_BYTES:
            await self._flush()

    async def seal(self) -> None:
        """All that was written is on the disk, and stays when this is closed. Raises Refused."""
        if self._buffer:
            await self._flush()
        await self._area.run(self._use, lambda file: os.fdatasync(file.fileno()))
        self._counting = self._on_disk
        self._dirty = False

    async def read_at(self, offset: int) -> bytes:
        """A mebibyte or less from ``offset`` on; empty at the end. Raises Refused."""
        size = min(BLOCK_BYTES, self._on_disk - offset)
        return await self._area.run(self._use, lambda file: _read(file, offset, max(size, 0)))

    def open(self) -> BinaryIO:
        """It as a file for what blocks, in a thread of its own; its methods raise OSError."""
        return self._path.open("rb")

    def discard(self) -> None:
        """Nothing of it counts any more: it is removed when this is closed."""
        self._counting = 0

    async def close(self) -> None:
        """Let others have it. What was written and not sealed is undone; can be called again."""
        await self._area.run(self._close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _flush(self) -> None:
        block, offset = self._buffer, self._on_disk
        self._buffer = bytearray()
        self._on_disk += len(block)
        self._dirty = True
        await self._area.run(self._use, lambda file: _write(file, block, offset))

    # In a thread.

    def lock(self, *, new: bool) -> None:
        """Raises InUse, Missing and OSError."""
        with self._in_use:
            self._files.make_folder()
            while self._file is None and not self._closed:
                file = _open(self._path, new=new)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if os.fstat(file.fileno()).st_nlink:  # else it was removed meanwhile
                        self._file = file
                except BlockingIOError:
                    raise InUse from None
                finally:
                    if self._file is None:
                        file.close()

    def _begin(self, file: io.FileIO) -> None:
        self._counting = self._on_disk
        if os.fstat(file.fileno()).st_size < self._on_disk:
            self._counting = 0
            raise Missing
        file.truncate(self.size)
        if not self._on_disk:
            self._files.look()
            if not self._area.has_room():
                raise Refused(spool_full())

    def _close(self) -> None:
        with self._in_use:
            self._closed = True
            file, self._file = self._file, None
            if file is not None:
                # What is left behind for want of a working disk does not count, and is swept.
                with file, suppress(OSError):
                    self._undo(file)

    def _undo(self, file: io.FileIO) -> None:
        counting = self._counting
        if counting is None:  # it was not begun, and may have been made for nothing
            counting = os.fstat(file.fileno()).st_size
        if not counting:
            self._path.unlink()
            self._files.look()
        elif self._dirty:
            file.truncate(counting)
            file.truncate(self.size)

    def _use(self, action: Callable[[io.FileIO], T]) -> T:
        with self._in_use:
            if self._file is None:
                raise OSError(errno.EBADF, "the file was closed")
            return action(self._file)


def _open(path: Path, *, new: bool) -> io.FileIO:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if new else 0)
    try:
        return io.FileIO(os.open(path, flags, 0o600), "r+")
    except FileNotFoundError:
        raise Missing from None


def _read(file: io.FileIO, offset: int, size: int) -> bytes:
    data = os.pread(file.fileno(), size, offset)
    if len(data) != size:
        raise OSError(errno.EIO, "the file is shorter than what was written to it")
    return data


def _write(file: io.FileIO, block: bytearray, offset: int) -> None:
    view = memoryview(block)
    while view:
        written = os.pwrite(file.fileno(), view, offset)
        view, offset = view[written:], offset + written
