"""Spools hold a file until its verdict, and leave nothing behind, however they end."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.body.spool import BLOCK_BYTES, NamelessFile, Spool, SpoolArea, chunks
from gateway.refusals import Refused

MIB = 2**20


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def open_files_in(directory: Path) -> int:
    links = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(str(link).startswith(str(directory)) for link in links)


async def read(spool: Spool) -> bytes:
    return b"".join([chunk async for chunk in chunks(spool)])


@pytest.fixture
def area(tmp_path: Path) -> Iterator[SpoolArea]:
    area = SpoolArea(tmp_path, 100 * MIB)
    yield area
    area.close()


@pytest.mark.parametrize("size", [0, 1, MIB])
async def test_a_small_file_stays_in_memory(area: SpoolArea, size: int) -> None:
    data = os.urandom(size)
    with Spool(area) as spool:
        await spool.write(data)
        assert spool.size == size
        assert area.used_bytes == 0
        assert open_files_in(area.directory) == 0
        assert await read(spool) == data


@pytest.mark.parametrize("size", [MIB + 1, 2 * MIB, 5 * MIB + 7])
async def test_a_large_file_waits_on_disk_without_a_name(area: SpoolArea, size: int) -> None:
    data = os.urandom(size)
    with Spool(area) as spool:
        for position in range(0, size, 100_000):
            await spool.write(memoryview(data)[position : position + 100_000])
        assert spool.size == size
        assert MIB < area.used_bytes <= size
        assert open_files_in(area.directory) == 1
        assert list(area.directory.iterdir()) == []
        assert await read(spool) == data
        assert await read(spool) == data
    assert area.used_bytes == 0
    assert open_files_in(area.directory) == 0


async def test_chunks_are_bounded(area: SpoolArea) -> None:
    with Spool(area) as spool:
        for _ in range(10):
            await spool.write(bytes(300_000))
        sizes = [len(chunk) async for chunk in chunks(spool)]
    assert sum(sizes) == 3_000_000
    assert max(sizes) <= BLOCK_BYTES


async def test_memory_threshold(area: SpoolArea) -> None:
    with Spool(area, memory_bytes=10) as spool:
        await spool.write(b"0123456789")
        assert area.used_bytes == 0
        await spool.write(b"x")
        assert area.used_bytes == 11
        await spool.write(b"y")
        assert area.used_bytes == 11
        assert await read(spool) == b"0123456789xy"


async def test_a_sealed_spool_is_in_one_place(area: SpoolArea) -> None:
    with Spool(area) as small, Spool(area) as large:
        await small.write(b"abc")
        await large.write(bytes(2 * MIB))
        await large.write(b"abc")
        assert (small.in_memory, large.in_memory) == (3, 3)
        await small.seal()
        await large.seal()
        await large.seal()
        assert (small.in_memory, large.in_memory) == (3, 0)
        assert area.used_bytes == large.size == 2 * MIB + 3
        assert await read(small) == b"abc"
        assert await read(large) == bytes(2 * MIB) + b"abc"


async def test_sealing_needs_room_too(tmp_path: Path) -> None:
    area = SpoolArea(tmp_path, 2 * MIB)
    spool = Spool(area)
    await spool.write(bytes(2 * MIB))
    await spool.write(b"abc")
    with pytest.raises(Refused):
        await spool.seal()
    assert area.used_bytes == 0
    with pytest.raises(ValueError, match="closed"):
        await spool.seal()
    area.close()


async def test_the_disk_room_is_shared(tmp_path: Path) -> None:
    area = SpoolArea(tmp_path, 3 * MIB)
    first, second = Spool(area, memory_bytes=0), Spool(area, memory_bytes=0)
    await first.write(bytes(2 * MIB))
    with pytest.raises(Refused) as refused:
        await second.write(bytes(2 * MIB))
    assert refused.value.refusal.id == "gateway.spool_full"
    assert area.used_bytes == 2 * MIB
    assert await read(first) == bytes(2 * MIB)
    first.close()
    with Spool(area, memory_bytes=0) as third:
        await third.write(bytes(3 * MIB))
        assert area.used_bytes == 3 * MIB
    second.close()
    assert area.used_bytes == 0
    area.close()


async def test_a_part_of_the_room_has_a_limit_of_its_own(tmp_path: Path) -> None:
    area = SpoolArea(tmp_path, 5 * MIB)
    part = area.share(2 * MIB)
    with Spool(part) as first, Spool(part) as second:
        await first.write(bytes(2 * MIB))
        assert (part.used_bytes, area.used_bytes) == (2 * MIB, 2 * MIB)
        with pytest.raises(Refused) as caught:
            await second.write(bytes(2 * MIB))
        assert caught.value.refusal.reason == "spool_full"
        with Spool(area) as others:
            await others.write(bytes(3 * MIB))
    with Spool(area) as others, Spool(part) as first:
        await others.write(bytes(4 * MIB))
        with pytest.raises(Refused):
            await first.write(bytes(2 * MIB))
        assert (part.used_bytes, area.used_bytes) == (0, 4 * MIB)
    assert (part.used_bytes, area.used_bytes) == (0, 0)
    area.close()


async def test_a_refused_spool_gives_everything_back(tmp_path: Path) -> None:
    area = SpoolArea(tmp_path, 3 * MIB)
    spool = Spool(area)
    await spool.write(bytes(2 * MIB))
    await spool.write(bytes(MIB))
    assert area.used_bytes == 2 * MIB
    with pytest.raises(Refused):
        await spool.write(b"x")
    assert area.used_bytes == 0
    assert open_files_in(tmp_path) == 0
    with pytest.raises(ValueError, match="closed"):
        await spool.write(b"x")
    area.close()


async def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    area = SpoolArea(tmp_path / "gone", 3 * MIB)
    with Spool(area) as spool, pytest.raises(Refused) as refused:
        await spool.write(bytes(2 * MIB))
    assert refused.value.refusal.id == "gateway.spool_full"
    assert isinstance(refused.value.__cause__, FileNotFoundError)
    assert area.used_bytes == 0
    area.close()


FULL_DISK = """
import asyncio, os, resource, sys
from collections.abc import Iterator
from pathlib import Path
from gateway.body.spool import Spool, SpoolArea, chunks
from gateway.refusals import Refused

async def main():
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_500_000, 3_500_000))
    directory = Path(sys.argv[1])
    area = SpoolArea(directory, 2**30)
    before = len(os.listdir("/proc/self/fd"))
    spool, small = Spool(area), Spool(area)
    try:
        while True:
            await spool.write(bytes(2**18))
    except Refused as refused:
        print(refused.refusal.id, type(refused.__cause__).__name__, refused.__cause__.errno)
    await small.write(bytes(2**20 + 1))
    print(area.used_bytes, sum([len(chunk) async for chunk in chunks(small)]))
    small.close()
    area.close()
    fds = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
           if os.path.islink(f"/proc/self/fd/{fd}")]
    print(area.used_bytes, os.listdir(directory), [fd for fd in fds if fd.startswith(sys.argv[1])])

asyncio.run(main())
"""


def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on the size of files stands in for it: writes fail half-way, as on a full disk."""
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "gateway.spool_full OSError 27",
        "1048577 1048577",
        "0 [] []",
    ]


async def test_the_event_loop_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    area = SpoolArea(tmp_path, 100 * MIB, threads=1)
    disk_answers = threading.Event()
    stuck = asyncio.create_task(area.run(disk_answers.wait))
    spool = Spool(area)
    writing = asyncio.create_task(spool.write(bytes(2 * MIB)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not writing.done()
    disk_answers.set()
    await asyncio.gather(stuck, writing)
    assert await read(spool) == bytes(2 * MIB)
    spool.close()
    area.close()


async def test_a_cancelled_write_gives_everything_back(tmp_path: Path) -> None:
    area = SpoolArea(tmp_path, 100 * MIB, threads=1)
    disk_answers = threading.Event()
    stuck = asyncio.create_task(area.run(disk_answers.wait))
    spool = Spool(area)
    writing = asyncio.create_task(spool.write(bytes(2 * MIB)))
    await asyncio.sleep(0)
    assert area.used_bytes == 2 * MIB
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert area.used_bytes == 0
    disk_answers.set()
    await stuck
    area.close()
    assert open_files_in(tmp_path) == 0
    with pytest.raises(ValueError, match="closed"):
        await spool.write(b"x")


@pytest.mark.parametrize("moment", range(40))
async def test_cancelled_at_any_moment(tmp_path: Path, moment: int) -> None:
    area = SpoolArea(tmp_path, 100 * MIB, threads=1)

    async def fill() -> None:
        with Spool(area) as spool:
            while True:
                await spool.write(bytes(MIB + 1))
                await read(spool)

    filling = asyncio.create_task(fill())
    for _ in range(moment):
        await asyncio.sleep(0.0002 * (moment % 3))
    filling.cancel()
    with pytest.raises((asyncio.CancelledError, Refused)):
        await filling
    area.close()
    assert area.used_bytes == 0
    assert open_files_in(tmp_path) == 0


async def test_a_cancelled_reader_leaves_the_file_to_the_next(tmp_path: Path) -> None:
    area = SpoolArea(tmp_path, 100 * MIB, threads=1)
    data = os.urandom(3 * MIB)
    with Spool(area) as spool:
        await spool.write(data)
        disk_answers = threading.Event()
        stuck = asyncio.create_task(area.run(disk_answers.wait))
        reading = asyncio.create_task(read(spool))
        for _ in range(10):
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        disk_answers.set()
        await stuck
        assert await read(spool) == data
    area.close()


async def test_two_readers_at_a_time(area: SpoolArea) -> None:
    data = os.urandom(5 * MIB + 1)
    with Spool(area) as spool:
        await spool.write(data)
        assert list(await asyncio.gather(read(spool), read(spool))) == [data, data]


async def test_closed_while_being_read(area: SpoolArea) -> None:
    spool = Spool(area)
    await spool.write(bytes(3 * MIB))
    coming = chunks(spool)
    await anext(coming)
    spool.close()
    spool.close()
    with pytest.raises(ValueError, match="closed"):
        await anext(coming)
    with pytest.raises(ValueError, match="closed"):
        await anext(chunks(spool))


def test_a_file_closed_while_in_use_is_closed_by_its_user(tmp_path: Path) -> None:
    file = NamelessFile(tmp_path)
    block = bytearray(64 * MIB)
    writing = threading.Thread(target=file.append, args=(block,))
    writing.start()
    while open_files_in(tmp_path) == 0:
        time.sleep(0)
    file.close()
    writing.join()
    assert open_files_in(tmp_path) == 0
    with pytest.raises(OSError, match="closed"):
        file.read(0, 1)


def test_a_file_that_lost_its_end(tmp_path: Path) -> None:
    file = NamelessFile(tmp_path)
    file.append(bytearray(b"abc"))
    assert file.read(1, 2) == b"bc"
    with pytest.raises(OSError, match="shorter"):
        file.read(1, 3)
    file.close()


async def test_many_spools_leave_no_file_open(area: SpoolArea) -> None:
    before = open_files()
    spools = [Spool(area, memory_bytes=0) for _ in range(50)]
    await asyncio.gather(*(spool.write(b"x" * 1000) for spool in spools))
    assert open_files_in(area.directory) == 50
    for spool in spools:
        spool.close()
    assert open_files() <= before


@pytest.mark.parametrize("memory", [0, MIB, 10 * MIB])
@pytest.mark.parametrize("sealed", [True, False])
async def test_a_spool_as_a_file(area: SpoolArea, memory: int, *, sealed: bool) -> None:
    """On disk, in memory, and partly there and partly here."""
    data = os.urandom(3 * MIB + 5)
    with Spool(area, memory_bytes=memory) as spool:
        for start in range(0, len(data), 700_000):
            await spool.write(data[start : start + 700_000])
        if sealed:
            await spool.seal()
        file = spool.open()
        assert file.read() == data
        assert file.read(1) == b""
        assert file.seek(-7, os.SEEK_END) == len(data) - 7
        assert file.read() == data[-7:]
        assert file.seek(2 * MIB - 3) == 2 * MIB - 3
        assert file.read(6) == data[2 * MIB - 3 :][:6]
        assert (file.seek(5, os.SEEK_CUR), file.read(1)) == (2 * MIB + 8, data[2 * MIB + 8 :][:1])
        file.seek(len(data) + 5)
        assert file.read() == b""
        with pytest.raises(OSError, match="position"):
            file.seek(-1)
        file.seek(0)
    with pytest.raises(OSError, match="closed"):
        file.read()
