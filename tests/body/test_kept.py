"""Kept files survive requests and processes, one of which has a file at a time."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.body.kept import InUse, KeptFile, KeptFiles, Missing
from gateway.body.spool import BLOCK_BYTES, Spool, SpoolArea, chunks
from gateway.refusals import Refused

MIB = 2**20
NAME = "k7oyq4mtcpb1xxb4gyx7n7od1c"
OTHER = "toctqi47z7nyjksmd6ianjeheh"


@pytest.fixture
def area(tmp_path: Path) -> Iterator[SpoolArea]:
    area = SpoolArea(tmp_path, 10 * MIB)
    yield area
    area.close()


@pytest.fixture
def files(area: SpoolArea) -> KeptFiles:
    return KeptFiles(area)


def there(files: KeptFiles) -> dict[str, int]:
    """Names and lengths."""
    return {file.name: file.stat().st_size for file in files.folder.iterdir()}


async def keep(files: KeptFiles, content: bytes, size: int, *, name: str = NAME) -> None:
    async with await files.take(name, new=True) as file:
        await file.begin(size, 0)
        await file.write(content)
        await file.seal()


def on_disk(files: KeptFiles) -> bytes:
    return (files.folder / NAME).read_bytes()


async def test_a_file_over_several_requests(files: KeptFiles) -> None:
    data = os.urandom(5 * MIB + 3)
    await keep(files, data[: 2 * MIB], len(data))
    assert there(files) == {NAME: len(data)}
    async with await files.take(NAME, new=False) as file:
        await file.begin(len(data), 2 * MIB)
        assert file.written == 2 * MIB
        for start in range(2 * MIB, len(data), 700_000):
            await file.write(memoryview(data)[start : start + 700_000])
        assert file.written == file.size == len(data)
        await file.seal()
        pieces = [chunk async for chunk in chunks(file)]
        assert b"".join(pieces) == data
        assert max(map(len, pieces)) <= BLOCK_BYTES
        with file.open() as opened:
            assert opened.read() == data
        assert on_disk(files) == data
        file.discard()
    assert there(files) == {}
    with pytest.raises(Missing):
        await files.take(NAME, new=False)


async def test_what_was_not_sealed_is_undone(files: KeptFiles) -> None:
    data = os.urandom(4 * MIB)
    await keep(files, data[:MIB], len(data))
    blocks = (files.folder / NAME).stat().st_blocks
    async with await files.take(NAME, new=False) as file:
        await file.begin(len(data), MIB)
        await file.write(data[MIB:])
    assert there(files) == {NAME: len(data)}
    assert (files.folder / NAME).stat().st_blocks == blocks
    assert on_disk(files) == data[:MIB].ljust(len(data), b"\0")
    async with await files.take(OTHER, new=True) as file:
        await file.begin(len(data), 0)
        await file.write(data)
    assert there(files) == {NAME: len(data)}


async def test_what_counts_is_said_elsewhere(files: KeptFiles) -> None:
    """Bytes behind it, of a process that died, are written over."""
    await keep(files, b"abcdef", 8)
    async with await files.take(NAME, new=False) as file:
        await file.begin(8, 2)
        await file.write(b"CDEFGH")
        await file.seal()
    assert on_disk(files) == b"abCDEFGH"
    async with await files.take(NAME, new=False) as file:
        with pytest.raises(Missing):
            await file.begin(20, 9)
    assert there(files) == {}


async def test_one_has_it_at_a_time(files: KeptFiles, tmp_path: Path) -> None:
    await keep(files, b"abc", 5)
    others = SpoolArea(tmp_path, MIB)
    async with await files.take(NAME, new=False):
        for other in (files, KeptFiles(others)):
            for new in (True, False):
                with pytest.raises(InUse):
                    await other.take(NAME, new=new)
            await other.remove(NAME)
    assert there(files) == {NAME: 5}
    async with await files.take(OTHER, new=True):
        pass
    assert there(files) == {NAME: 5}  # one that was never begun is not kept
    others.close()


async def test_files_that_are_removed_while_others_take_them(files: KeptFiles) -> None:
    """Nobody is left with a file that has no name any more."""
    taken = 0

    async def take_and_discard() -> None:
        nonlocal taken
        for _ in range(400):
            try:
                file = await files.take(NAME, new=True)
            except InUse:
                continue
            async with file:
                assert (files.folder / NAME).exists()
                taken += 1
                file.discard()

    await asyncio.gather(*(take_and_discard() for _ in range(4)))
    assert taken
    assert there(files) == {}


async def test_names(files: KeptFiles) -> None:
    assert await files.names() == []
    await keep(files, b"abc", 5)
    await keep(files, b"abc", 5, name=OTHER)
    (files.folder / "something else").touch()
    os.utime(files.folder / OTHER, (1000, 1000))
    assert sorted(await files.names()) == [NAME, OTHER]
    assert await files.names(idle_since=1001) == [OTHER]
    assert await files.holds(NAME)
    await files.remove(OTHER)
    await files.remove(OTHER)
    assert not await files.holds(OTHER)
    for wrong in ("", "../" + NAME, "a" * 25, "a" * 27, "A-" * 13, NAME + "\n", "."):
        assert not await files.holds(wrong)
        with pytest.raises(ValueError, match="cannot be called"):
            await files.take(wrong, new=True)


# Room.


async def test_room_is_taken_for_the_whole_file_by_all(files: KeptFiles, tmp_path: Path) -> None:
    """Of all processes together, beside the spools of this one."""
    await keep(files, b"abc", 6 * MIB)
    for limit, spooled, fits in ((11, 0, True), (11, 1, False), (9, 0, False)):
        area = SpoolArea(tmp_path, limit * MIB)
        area.reserve(spooled * MIB)
        others = KeptFiles(area)
        if fits:
            await keep(others, b"abc", 5 * MIB, name=OTHER)
            await others.remove(OTHER)
        else:
            with pytest.raises(Refused) as refused:
                await keep(others, b"abc", 5 * MIB, name=OTHER)
            assert refused.value.refusal.id == "gateway.spool_full"
        assert there(files) == {NAME: 6 * MIB}
        area.close()


async def test_spools_know_of_kept_files(area: SpoolArea, files: KeptFiles) -> None:
    await keep(files, b"abc", 6 * MIB)
    with Spool(area, memory_bytes=0) as spool, pytest.raises(Refused):
        await spool.write(bytes(5 * MIB))
    await files.remove(NAME)
    with Spool(area, memory_bytes=0) as spool:
        await spool.write(bytes(5 * MIB))


@pytest.mark.parametrize("mode", [0o755, 0o770, None])
async def test_a_folder_that_is_not_private(files: KeptFiles, mode: int | None) -> None:
    if mode is None:
        files.folder.symlink_to(files.folder.parent)
    else:
        files.folder.mkdir()
        files.folder.chmod(mode)
    with pytest.raises(Refused) as refused:
        await files.take(NAME, new=True)
    assert isinstance(refused.value.__cause__, PermissionError)
    assert not (files.folder / NAME).exists()


async def test_a_link_in_place_of_a_file(files: KeptFiles) -> None:
    await keep(files, b"abc", 5, name=OTHER)
    (files.folder / NAME).symlink_to(files.folder / OTHER)
    for new in (True, False):
        with pytest.raises(Refused):
            await files.take(NAME, new=new)


# Cancelled.


async def test_a_request_that_is_cancelled_while_it_takes_a_file(tmp_path: Path) -> None:
    area = SpoolArea(tmp_path, MIB, threads=1)
    files = KeptFiles(area)
    disk_answers = threading.Event()
    stuck = asyncio.create_task(area.run(disk_answers.wait, 10))
    taking = asyncio.create_task(files.take(NAME, new=True))
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.sleep(0)
    disk_answers.set()
    await stuck
    with pytest.raises(asyncio.CancelledError):
        await taking
    async with await files.take(NAME, new=True):
        pass
    assert there(files) == {}
    area.close()


async def test_a_request_that_is_cancelled_while_it_writes(tmp_path: Path) -> None:
    """What the disk still does ends before others get the file."""
    area = SpoolArea(tmp_path, 10 * MIB, threads=1)
    files = KeptFiles(area)
    await keep(files, b"abc", 3 * MIB)
    file: KeptFile = await files.take(NAME, new=False)
    await file.begin(3 * MIB, 3)
    disk_answers = threading.Event()
    stuck = asyncio.create_task(area.run(disk_answers.wait, 10))

    async def write() -> None:
        async with file:
            await file.write(b"x" * (2 * MIB))

    writing = asyncio.create_task(write())
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.sleep(0)
    disk_answers.set()
    await stuck
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert on_disk(files) == b"abc".ljust(3 * MIB, b"\0")
    with pytest.raises(Refused):
        await file.read_at(0)
    await file.close()
    area.close()
