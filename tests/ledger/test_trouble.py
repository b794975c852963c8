"""Whatever is wrong with the file, callers see LedgerUnavailable, until it is right again."""

# ruff: noqa: ASYNC240 - the tests have the loop for themselves

import asyncio
import fcntl
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.ledger.quotas import (
    LedgerUnavailable,
    QuotaExceeded,
    Reservation,
    Usage,
)
from gateway.ledger.sqlite import SQLiteLedger
from gateway.ledger.windows import window

from .support import (
    DAY,
    LEASE,
    NOON,
    TODAY,
    VERSION_1,
    Clock,
    NewSQLite,
    claim,
    eventually,
    opener,
    sqlite_maker,
    stranger,
)

NOBODY = 65534


async def assert_unavailable(ledger: SQLiteLedger) -> None:
    """Each method says so; none of them ends with another exception."""
    with pytest.raises(LedgerUnavailable):
        await ledger.check()
    with pytest.raises(LedgerUnavailable):
        await ledger.reserve([claim(1)])
    with pytest.raises(LedgerUnavailable):
        await ledger.usage("user:ada", TODAY)


async def assert_sessions_unavailable(ledger: SQLiteLedger) -> None:
    """Likewise."""
    with pytest.raises(LedgerUnavailable):
        await ledger.session("s")
    with pytest.raises(LedgerUnavailable):
        await ledger.keep_session("s", "note", was="note")
    with pytest.raises(LedgerUnavailable):
        await ledger.open_session("s", Reservation(()), note="note", ttl=DAY)
    with pytest.raises(LedgerUnavailable):
        await ledger.end_session("s", 1)


async def assert_works(ledger: SQLiteLedger) -> None:
    await ledger.check()
    await ledger.settle(await ledger.reserve([claim(1)]), 0)


# The file and its folder.


async def test_folder_and_file_are_for_the_gateway_only(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger()
    await assert_works(ledger)
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = SQLiteLedger(Path("ledger.db"))
    monkeypatch.chdir("/")
    await ledger.open()
    await ledger.close()
    assert (tmp_path / "ledger.db").exists()


async def test_names_that_urls_treat_specially(tmp_path: Path) -> None:
    path = tmp_path / "100% new?" / "a#b.db"
    ledger = SQLiteLedger(path)
    await ledger.open()
    await ledger.close()
    assert path.stat().st_size > 0


async def test_a_link_to_the_file(new_ledger: NewSQLite, path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere.db")
    await assert_works(await new_ledger())
    assert (tmp_path / "elsewhere.db").stat().st_size > 0
    assert path.is_symlink()


async def test_a_folder_that_cannot_be_made(new_ledger: NewSQLite, path: Path) -> None:
    path.parent.write_text("in the way")
    with pytest.raises(LedgerUnavailable, match=str(path)):
        await new_ledger()
    path.parent.unlink()
    await assert_works(await new_ledger())


async def test_a_path_that_is_a_folder(new_ledger: NewSQLite, path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(LedgerUnavailable):
        await new_ledger()


async def test_opening_can_be_tried_again(path: Path) -> None:
    path.mkdir(parents=True)
    ledger = SQLiteLedger(path)
    with pytest.raises(LedgerUnavailable):
        await ledger.open()
    with pytest.raises(LedgerUnavailable, match="closed"):
        await ledger.check()
    path.rmdir()
    await ledger.open()
    await assert_works(ledger)
    await ledger.close()


async def test_a_deleted_file_is_made_anew(new_ledger: NewSQLite, path: Path) -> None:
    one, other = await new_ledger(), await new_ledger()
    await one.settle(await one.reserve([claim(300)]), 300)
    running = await one.reserve([claim(200)])
    path.unlink()
    await other.settle(await other.reserve([claim(500)]), 500)
    # What was stored is forgotten with the file; what runs is not, and both share the new file.
    assert await one.usage("user:ada", TODAY) == Usage(500, 200)
    assert await other.usage("user:ada", TODAY) == Usage(500, 200)
    await one.settle(running, 100)
    assert await other.usage("user:ada", TODAY) == Usage(600, 0)


async def test_a_file_deleted_under_others_is_made_anew(new_ledger: NewSQLite, path: Path) -> None:
    """Another process that has the deleted file open keeps its log and index alive."""
    ledger = await new_ledger()
    await ledger.settle(await ledger.reserve([claim(300)]), 300)
    with held_open(path):
        path.unlink()
        await ledger.settle(await ledger.reserve([claim(500)]), 500)
        assert await ledger.usage("user:ada", TODAY) == Usage(500, 0)
    assert await (await new_ledger()).usage("user:ada", TODAY) == Usage(500, 0)


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """By a process that reads it."""
    reader = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "print(c.execute('SELECT * FROM used').fetchall(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", reader, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert b"user:ada" in process.stdout.readline()
        yield
        process.communicate()


async def test_a_deleted_folder_is_made_anew(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger()
    running = await ledger.reserve([claim(200)])
    shutil.rmtree(path.parent)
    assert await ledger.usage("user:ada", TODAY) == Usage(0, 200)
    await ledger.settle(running, 200)
    assert await ledger.usage("user:ada", TODAY) == Usage(200, 0)
    assert path.exists()


# Locks.


async def test_a_locked_file_is_waited_for_while_the_loop_runs(
    new_ledger: NewSQLite, path: Path
) -> None:
    ledger = await new_ledger()
    running = await ledger.reserve([claim(200)])
    with stranger(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        waiting = [
            asyncio.create_task(ledger.reserve([claim(300)])),
            asyncio.create_task(ledger.settle(running, 100)),
        ]
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert not any(task.done() for task in waiting)
        connection.execute("COMMIT")
    await asyncio.gather(*waiting)
    assert await ledger.usage("user:ada", TODAY) == Usage(100, 300)


async def test_a_file_that_stays_locked(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger(busy_timeout=0.05)
    running = await ledger.reserve([claim(200)])
    with stranger(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        await assert_unavailable(ledger)
        await assert_sessions_unavailable(ledger)
        with pytest.raises(LedgerUnavailable, match="locked"):
            await ledger.settle(running, 150)
        connection.execute("COMMIT")
    assert await ledger.usage("user:ada", TODAY) == Usage(150, 0)


async def test_one_process_at_a_time_opens(new_ledger: NewSQLite, path: Path) -> None:
    path.parent.mkdir()
    folder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    opening = asyncio.create_task(new_ledger())
    await asyncio.sleep(0.02)
    assert not opening.done()
    assert not path.exists()
    os.close(folder)
    await assert_works(await opening)


async def test_a_cancelled_wait_for_a_lock_holds_nothing(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger()
    with stranger(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ledger.reserve([claim(300)]), 0.02)
        connection.execute("COMMIT")
    assert await ledger.usage("user:ada", TODAY) == Usage(0, 0)


async def test_a_settlement_cancelled_at_a_lock_is_booked(
    new_ledger: NewSQLite, path: Path
) -> None:
    ledger = await new_ledger()
    running = await ledger.reserve([claim(200)])
    with stranger(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ledger.settle(running, 200), 0.02)
        connection.execute("COMMIT")
    assert await ledger.usage("user:ada", TODAY) == Usage(200, 0)


async def test_a_locked_file_can_be_closed(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger(busy_timeout=0.05)
    await ledger.reserve([claim(200)])
    with stranger(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        await ledger.close()
        connection.execute("COMMIT")


async def test_closing_tells_what_could_not_be_booked(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger(busy_timeout=0.05)
    running = await ledger.reserve([claim(200)])
    with stranger(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable):
            await ledger.settle(running, 150)
        with pytest.raises(LedgerUnavailable):
            await ledger.close()
        connection.execute("COMMIT")


# What cannot be written.


@contextmanager
def as_nobody_in(folder: str) -> Iterator[None]:
    """Without root's right to write what is read-only."""
    user = os.geteuid()
    if user == 0:
        os.chown(folder, NOBODY, -1)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


async def test_a_read_only_file(clock: Clock) -> None:
    # pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory() as folder, as_nobody_in(folder):
        path = Path(folder) / "ledger.db"
        async with opener(sqlite_maker(path, clock)) as new_ledger:
            await assert_works(await new_ledger())
        path.chmod(0o400)
        async with opener(sqlite_maker(path, clock)) as new_ledger:
            with pytest.raises(LedgerUnavailable, match="it is read-only"):
                await new_ledger()
            path.chmod(0o600)
            await assert_works(await new_ledger())


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Files cannot grow beyond what the log has now."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.with_name(path.name + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


async def test_a_full_disk(new_ledger: NewSQLite, clock: Clock, path: Path) -> None:
    ledger, other = await new_ledger(), await new_ledger()
    running = await ledger.reserve([claim(600)])
    clock.now += 1
    with full_disk(path):
        with pytest.raises(LedgerUnavailable):
            await ledger.check()
        with pytest.raises(LedgerUnavailable):
            await ledger.reserve([claim(1)])
        with pytest.raises(LedgerUnavailable):
            await ledger.settle(running, 500)
    assert await other.usage("user:ada", TODAY) == Usage(0, 600)
    with pytest.raises(QuotaExceeded) as caught:
        await ledger.reserve([claim(600)])
    assert caught.value.used == 500
    assert await other.usage("user:ada", TODAY) == Usage(500, 0)


async def test_what_is_owed_is_written_without_being_asked(
    new_ledger: NewSQLite, path: Path
) -> None:
    ledger, other = await new_ledger(lease=0.06), await new_ledger()
    running = await ledger.reserve([claim(600)])
    with full_disk(path), pytest.raises(LedgerUnavailable):
        await ledger.settle(running, 500)

    async def written() -> bool:
        return await other.usage("user:ada", TODAY) == Usage(500, 0)

    await eventually(written)


async def test_a_session_on_a_full_disk(new_ledger: NewSQLite, clock: Clock, path: Path) -> None:
    """Nothing of it happens, but for its end, which is owed."""
    ledger, other = await new_ledger(), await new_ledger()
    running = await ledger.reserve([claim(600)])
    with full_disk(path), pytest.raises(LedgerUnavailable):
        await ledger.open_session("s", running, note="0", ttl=DAY)
    assert await other.session("s") is None
    assert await other.usage("user:ada", TODAY) == Usage(0, 600)
    await ledger.open_session("s", running, note="0", ttl=DAY)
    clock.now += 1
    with full_disk(path):
        with pytest.raises(LedgerUnavailable):
            await ledger.keep_session("s", "1", was="0")
        with pytest.raises(LedgerUnavailable):
            await ledger.end_session("s", 500)
    assert await other.session("s") == "0"
    assert await ledger.session("s") is None
    assert await other.usage("user:ada", TODAY) == Usage(500, 0)


async def test_a_failed_opening_leaves_the_reservation_to_be_settled(
    new_ledger: NewSQLite, path: Path
) -> None:
    ledger, other = await new_ledger(), await new_ledger()
    running = await ledger.reserve([claim(600)])
    with full_disk(path):
        # Together with something that fails after it in the same transaction, and before.
        outcomes = await asyncio.gather(
            ledger.check(),
            ledger.open_session("s", running, note="0", ttl=DAY),
            ledger.reserve([claim(100)]),
            return_exceptions=True,
        )
    assert {type(outcome) for outcome in outcomes} == {LedgerUnavailable}
    assert await ledger.usage("user:ada", TODAY) == Usage(0, 600)
    await ledger.settle(running, 300)
    assert await other.usage("user:ada", TODAY) == Usage(300, 0)


async def test_closing_tells_of_a_session_that_could_not_be_booked(
    new_ledger: NewSQLite, path: Path
) -> None:
    ledger = await new_ledger(busy_timeout=0.05)
    await ledger.open_session("s", await ledger.reserve([claim(200)]), note="", ttl=DAY)
    with stranger(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable):
            await ledger.end_session("s", 150)
        with pytest.raises(LedgerUnavailable):
            await ledger.close()
        connection.execute("COMMIT")


# What cannot be read.


async def test_a_file_that_is_something_else(new_ledger: NewSQLite, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"This is a letter to my mother. " * 100)
    with pytest.raises(LedgerUnavailable, match="not a database"):
        await new_ledger()
    path.unlink()
    await assert_works(await new_ledger())


async def test_a_file_that_breaks(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger()
    running = await ledger.reserve([claim(200)])
    for file in path.parent.iterdir():
        with file.open("r+b") as opened:
            opened.write(os.urandom(file.stat().st_size))
    await assert_unavailable(ledger)
    await assert_sessions_unavailable(ledger)
    path.unlink()
    await assert_works(ledger)
    assert await ledger.usage("user:ada", TODAY) == Usage(0, 200)
    await ledger.settle(running, 200)


async def test_a_file_of_another_version(new_ledger: NewSQLite, path: Path) -> None:
    await (await new_ledger()).close()
    with stranger(path) as connection:
        connection.execute("PRAGMA user_version = 77")
    with pytest.raises(LedgerUnavailable, match="it has version 77, and 4 is understood"):
        await new_ledger()


@pytest.fixture
def version_1(path: Path) -> Path:
    """A file in which 500 bytes are used, and 200 held by a process that lives."""
    path.parent.mkdir(mode=0o700)
    with stranger(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_1)
        connection.execute("INSERT INTO owners VALUES (1, ?, ?)", (NOON, LEASE))
        row = (TODAY.end, TODAY.start, "user:ada")
        connection.execute("INSERT INTO used VALUES (?, ?, ?, 500)", row)
        connection.execute("INSERT INTO held VALUES (?, ?, ?, 1, 200)", row)
    path.chmod(0o600)
    return path


async def test_a_file_of_version_1_learns_of_sessions(
    new_ledger: NewSQLite, version_1: Path, clock: Clock
) -> None:
    for ledger in (await new_ledger(), await new_ledger()):
        assert await ledger.usage("user:ada", TODAY) == Usage(500, 200)
    await ledger.open_session("s", await ledger.reserve([claim(300)]), note="n", ttl=DAY)
    with pytest.raises(QuotaExceeded):
        await ledger.reserve([claim(1)])
    clock.now += LEASE
    await ledger.end_session("s", 300)
    assert await ledger.usage("user:ada", TODAY) == Usage(800, 0)
    with stranger(version_1) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (4,)


async def test_a_locked_file_of_version_1_is_waited_for(
    new_ledger: NewSQLite, version_1: Path
) -> None:
    with stranger(version_1) as connection:
        connection.execute("BEGIN IMMEDIATE")
        opening = asyncio.create_task(new_ledger())
        await asyncio.sleep(0.02)
        assert not opening.done()
        connection.execute("COMMIT")
    assert await (await opening).usage("user:ada", TODAY) == Usage(500, 200)


async def test_a_file_that_lost_a_table(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger()
    with stranger(path) as connection:
        connection.execute("DROP TABLE held")
        await assert_unavailable(ledger)
        connection.execute("BEGIN IMMEDIATE")  # no lock is left behind


async def test_a_file_that_lost_its_sessions(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger()
    with stranger(path) as connection:
        connection.execute("DROP TABLE sessions")
        await assert_sessions_unavailable(ledger)
        connection.execute("BEGIN IMMEDIATE")  # no lock is left behind


async def test_several_who_wait_get_an_exception_each(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger()
    with stranger(path) as connection:
        connection.execute("DROP TABLE held")
    outcomes = await asyncio.gather(
        *(ledger.reserve([claim(1)]) for _ in range(3)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {LedgerUnavailable}
    assert len({id(outcome) for outcome in outcomes}) == 3


# Housekeeping.


async def test_old_windows_are_forgotten(new_ledger: NewSQLite, clock: Clock, path: Path) -> None:
    ledger = await new_ledger(lease=0.06)
    await ledger.settle(await ledger.reserve([claim(600)]), 600)
    clock.now += 2 * DAY
    await ledger.settle(await ledger.reserve([claim(10, now=clock.now)]), 10)
    clock.now += DAY / 2
    with stranger(path) as connection:

        async def one_left() -> bool:
            (rows,) = connection.execute("SELECT count(*) FROM used").fetchone()
            return bool(rows == 1)

        await eventually(one_left)
    # A clock that is put right finds what is recent.
    recent = window("day", NOON + 2 * DAY)
    assert await ledger.usage("user:ada", recent) == Usage(10, 0)


async def test_old_sessions_are_forgotten(new_ledger: NewSQLite, clock: Clock, path: Path) -> None:
    ledger = await new_ledger(lease=0.06)
    await ledger.open_session("s", await ledger.reserve([claim(600)]), note="", ttl=LEASE)
    await ledger.open_session("kept", await ledger.reserve([]), note="", ttl=10 * DAY)
    await ledger.open_session("free", await ledger.reserve([]), note="", ttl=LEASE)
    with stranger(path) as connection:

        async def left() -> list[str]:
            rows = connection.execute("SELECT id FROM sessions ORDER BY id").fetchall()
            return [name for (name,) in rows]

        clock.now += LEASE
        await eventually(lambda: _is(left, ["kept", "s"]))
        assert connection.execute("SELECT count(*) FROM held").fetchone() == (0,)
        # What it stored could still be booked.
        clock.now = TODAY.end + 2 * DAY - 1
        await ledger.check()
        assert await left() == ["kept", "s"]
        clock.now += 1
        await eventually(lambda: _is(left, ["kept"]))


async def _is(found: Callable[[], Awaitable[list[str]]], wanted: list[str]) -> bool:
    return await found() == wanted


async def test_a_session_that_ended_leaves_no_row(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger()
    for number in range(2):
        await ledger.open_session(
            f"s{number}", await ledger.reserve([claim(300)]), note="", ttl=DAY
        )
    with stranger(path) as connection:
        assert connection.execute("SELECT count(*), sum(bytes) FROM held").fetchone() == (1, 600)
        for number in range(2):
            await ledger.end_session(f"s{number}", 0)
        for table in ("sessions", "held", "used"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608


async def test_a_released_reservation_leaves_no_row(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger()
    await ledger.settle(await ledger.reserve([claim(600)]), 0)
    with stranger(path) as connection:
        assert connection.execute("SELECT count(*) FROM held").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM used").fetchone() == (0,)


async def test_a_closed_ledger_leaves_no_lease(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger()
    await ledger.reserve([claim(600)])
    await ledger.close()
    with stranger(path) as connection:
        assert connection.execute("SELECT count(*) FROM owners").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM held").fetchone() == (0,)


async def test_dead_processes_are_forgotten(
    new_ledger: NewSQLite, clock: Clock, path: Path
) -> None:
    for _ in range(5):
        await (await new_ledger()).reserve([claim(1)])
        clock.now += LEASE
    await new_ledger()
    with stranger(path) as connection:
        assert connection.execute("SELECT count(*) FROM owners WHERE owner > 0").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM held").fetchone() == (0,)


async def test_the_log_is_kept_short(new_ledger: NewSQLite, path: Path) -> None:
    ledger = await new_ledger()
    log = path.with_name(path.name + "-wal")
    longest = 0
    while (size := log.stat().st_size) >= longest:
        longest = size
        for _ in range(100):
            await ledger.settle(await ledger.reserve([claim(1)]), 0)
    assert longest > 8 * 2**20
    await assert_works(ledger)
