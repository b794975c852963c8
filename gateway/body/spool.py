"""Where a file waits for its verdict: in memory while it is small, then on disk, without a name."""

import asyncio
import errno
import io
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, ParamSpec, Protocol, Self, TypeVar

from gateway.refusals import Refused, spool_full

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

P = ParamSpec("P")
T = TypeVar("T")

BLOCK_BYTES = 2**20
"""What one trip to a thread writes or reads: large enough that the trip costs next to nothing."""
_READ_AHEAD = 64 * 1024


class SpoolArea:
    """The disk room for all spools of this process: a directory, a limit, and threads of its own.

    Threads, because a slow disk would stop the event loop; its own, so that it stops nobody else's.
    """

    def __init__(self, directory: Path, limit_bytes: int, *, threads: int = 4) -> None:
        self.directory = directory
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self.kept_bytes = 0
        """Bytes in the directory that are not its spools', as far as is known."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="spool")
        self._whole: SpoolArea | None = None

    def share(self, limit_bytes: int) -> "SpoolArea":
        """A part of this area with a limit of its own, which goes by the limit of all as well."""
        part = copy(self)
        part._limit_bytes = limit_bytes
        part._used_bytes = 0
        part.kept_bytes = 0
        part._whole = self
        return part

    @property
    def used_bytes(self) -> int:
        """Bytes on disk, of all open spools together."""
        return self._used_bytes

    def reserve(self, size: int) -> None:
        """Raises Refused when the area is full."""
        if not self.has_room(size):
            raise Refused(spool_full())
        if self._whole is not None:
            self._whole.reserve(size)
        self._used_bytes += size

    def has_room(self, size: int = 0) -> bool:
        """Whether there is room for all that there is, and ``size`` bytes more."""
        return self._used_bytes + self.kept_bytes + size <= self._limit_bytes

    def release(self, size: int) -> None:
        if self._whole is not None:
            self._whole.release(size)
        self._used_bytes -= size

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``call`` in a thread, where it goes on to its end even when the caller is cancelled.

        Raises Refused when the disk fails.
        """
        try:
            return await asyncio.wrap_future(self._threads.submit(call, *args, **kwargs))
        except OSError as error:
            raise Refused(spool_full()) from error

    def close(self) -> None:
        """Waits for what is being written or read."""
        self._threads.shutdown()


class NamelessFile:
    """A temporary file without a name, made at the first write; its methods block.

    ``close`` never waits: while another thread writes or reads, that thread closes the file when
    it is done. Closed under its feet, the descriptor could by then belong to somebody else's file.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: io.FileIO | None = None
        self._in_use = threading.Lock()
        self._closed = False

    def append(self, block: bytearray) -> None:
        """Raises OSError."""
        self._use(lambda file: _write_all(file, block))

    def read(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes. Raises OSError."""
        data = self._use(lambda file: os.pread(file.fileno(), size, offset))
        if len(data) != size:
            raise OSError(errno.EIO, "the spool file is shorter than what was written to it")
        return data

    def close(self) -> None:
        self._closed = True
        if self._in_use.acquire(blocking=False):
            try:
                if self._file is not None:
                    # What is not yet on the disk need not get there: a failure loses nothing.
                    with suppress(OSError):
                        self._file.close()
            finally:
                self._in_use.release()

    def _use(self, action: Callable[[io.FileIO], T]) -> T:
        try:
            with self._in_use:
                if self._closed:
                    raise OSError(errno.EBADF, "the spool was closed")
                if self._file is None:
                    self._file = tempfile.TemporaryFile(  # noqa: SIM115 - closed by close()
                        buffering=0, dir=self._directory
                    )
                return action(self._file)
        finally:
            if self._closed:
                self.close()


class Whole(Protocol):
    """A file's content that is complete, to be read as often as needed."""

    @property
    def size(self) -> int:
        """Bytes."""

    async def read_at(self, offset: int) -> bytes:
        """A mebibyte or less from ``offset`` on; empty at the end. Raises Refused."""

    def open(self) -> BinaryIO:
        """It as a file for what blocks, in a thread of its own; its methods raise OSError."""


async def chunks(whole: Whole) -> AsyncIterator[bytes]:
    """The content from its beginning, in chunks of a mebibyte or less. Raises Refused."""
    offset = 0
    while chunk := await whole.read_at(offset):
        yield chunk
        offset += len(chunk)


class Spool:
    """One file's content: written once from start to end, then read as often as needed.

    Memory: up to ``memory_bytes``, or BLOCK_BYTES once on disk, and as much again while reading.
    """

    def __init__(self, area: SpoolArea, *, memory_bytes: int = BLOCK_BYTES) -> None:
        self._area = area
        self._file = NamelessFile(area.directory)
        self._memory_bytes = memory_bytes
        self._buffer = bytearray()
        self._on_disk = 0
        self._closed = False

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._on_disk + len(self._buffer)

    @property
    def in_memory(self) -> int:
        """Bytes of the content that are not on disk."""
        return len(self._buffer)

    async def seal(self) -> None:
        """All is written: what is partly on disk goes there as a whole. Raises Refused."""
        self._check_open()
        if self._on_disk and self._buffer:
            await self._flush()

    async def write(self, data: bytes | memoryview) -> None:
        """Raises Refused when there is no room. Failed or cancelled, it closes the spool."""
        self._check_open()
        self._buffer += data
        if len(self._buffer) > (BLOCK_BYTES if self._on_disk else self._memory_bytes):
            await self._flush()

    async def read_at(self, offset: int) -> bytes:
        """A mebibyte or less from ``offset`` on; empty at the end. Raises Refused."""
        self._check_open()
        if offset >= self._on_disk:
            return bytes(self._buffer[offset - self._on_disk :])
        size = min(BLOCK_BYTES, self._on_disk - offset)
        chunk = await self._area.run(self._file.read, offset, size)
        self._check_open()
        return chunk

    def open(self) -> BinaryIO:
        """It as a file for what blocks, in a thread of its own; its methods raise OSError."""
        return io.BufferedReader(_Reader(self.size, self._read_now), _READ_AHEAD)

    def _read_now(self, offset: int, size: int) -> bytes:
        """``size`` bytes or less, in this thread. Raises OSError."""
        if self._closed:
            raise OSError(errno.EBADF, "the spool was closed")
        if offset < self._on_disk:
            return self._file.read(offset, min(size, self._on_disk - offset))
        start = offset - self._on_disk
        return bytes(self._buffer[start : start + size])

    def close(self) -> None:
        """Gives memory and disk back. Can be called at any time, and again."""
        if not self._closed:
            self._closed = True
            self._area.release(self._on_disk)
            self._file.close()
            self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def _flush(self) -> None:
        try:
            await self._move_to_disk()
        except BaseException:
            self.close()
            raise

    async def _move_to_disk(self) -> None:
        block = self._buffer
        self._area.reserve(len(block))
        self._on_disk += len(block)
        self._buffer = bytearray()
        await self._area.run(self._file.append, block)

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the spool is closed")


class _Reader(io.RawIOBase):
    """``size`` bytes that ``read`` gives from an offset on."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self._size = size
        self._read = read
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "a position before the beginning")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._size - self._position)
        if wanted <= 0:
            return 0
        data = self._read(self._position, wanted)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def _write_all(file: io.FileIO, block: bytearray) -> None:
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]
