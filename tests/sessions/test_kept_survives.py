"""Kept files outlive every process, and nothing is left of those that nobody goes on with."""

import os
import resource
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.books import Books
from tests.promises.support import cut
from tests.promises.test_4_quota_survives import broken_ledger
from tests.support.wire import Client

from .support import (
    ASKED,
    DATA,
    LEAST,
    MIB,
    UNVERIFIED,
    KeepingGateway,
    Uploader,
    assert_stored,
    chunks_received,
    error,
    novel,
    on_disk,
)
from .test_accounted import end
from .test_survives import LEDGER_DOWN, SETTINGS, wait_until_all_are_over, wait_until_arrived

SIZE = 8 * MIB
CONTENT = novel(SIZE)
FIRST, REST = CONTENT[:LEAST], CONTENT[LEAST:]
SPOOL_FULL = (507, "gateway.spool_full")
UNAVAILABLE = (501, "gateway.resumable_upload_unavailable")


def keeping(mattermost: StandInProcess, folder: Path, name: str, **settings: str) -> KeepingGateway:
    """One of several gateways that share their ledger and their spool folder."""
    ledger = f"sqlite:///{folder / 'ledger.sqlite3'}"
    settings = SETTINGS | {"ledger_url": ledger} | settings
    return KeepingGateway(mattermost.url, folder / name, folder / "spool", **settings)


@pytest.fixture
def first(mattermost: StandInProcess, folder: Path) -> Iterator[KeepingGateway]:
    """A gateway that may be killed."""
    with keeping(mattermost, folder, "first") as running:
        yield running


@pytest.fixture
def second(
    mattermost: StandInProcess, folder: Path, first: KeepingGateway
) -> Iterator[KeepingGateway]:
    with keeping(mattermost, folder, "second") as running:
        yield running


@pytest.fixture
def uploader(first: KeepingGateway, mattermost: StandInProcess, user: dict[str, Any]) -> Uploader:
    return Uploader(Client(first.address, user["token"], mattermost.channel_id))


@pytest.fixture
def other(second: KeepingGateway, uploader: Uploader) -> Uploader:
    """The same user at the second gateway."""
    return Uploader(replace(uploader.client, address=second.address))


@pytest.fixture
def books(
    first: KeepingGateway, mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> Books:
    return Books(mattermost, folder, user)


def direct(uploader: Uploader, mattermost: StandInProcess) -> Uploader:
    """The same user, who reaches Mattermost past the gateway."""
    return Uploader(replace(uploader.client, address=("127.0.0.1", mattermost.port)))


# Killed.


def test_killed_between_chunks_and_within_them(
    uploader: Uploader,
    other: Uploader,
    first: KeepingGateway,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    """What was answered is there; a chunk that was not is sent again."""
    session = uploader.begin("kept.txt", SIZE)
    with uploader.sending(session, SIZE) as wire:
        wire.send(CONTENT[: 6 * MIB])
        first.wait_for(lambda: session in first.kept and on_disk(first.kept[session]) > LEAST)
        first.kill()
    assert other.offset(session) == 0
    first.start()
    assert uploader.send(session, FIRST).status == 204
    first.kill()
    assert other.offset(session) == LEAST
    first.start()
    with uploader.sending(session, len(REST)) as wire:
        wire.send(REST[: 2 * MIB])
        first.wait_for(lambda: on_disk(first.kept[session]) >= LEAST + MIB)
        first.kill()
    assert books.reserved() == SIZE
    assert other.offset(session) == LEAST
    assert chunks_received(mattermost) == []
    assert_stored(mattermost, other.send(session, REST), CONTENT)
    assert first.kept == {}
    books.assert_exact(SIZE)


def test_killed_while_it_examines_and_before_it_sends(
    uploader: Uploader,
    other: Uploader,
    first: KeepingGateway,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    """All of the file is there, and Mattermost has nothing of it."""
    session = uploader.begin("kept.txt", SIZE)
    first.orders.wait.touch()
    with uploader.sending(session, SIZE) as wire:
        wire.send(CONTENT)
        first.wait_for(first.orders.examining.exists)
        first.kill()
    first.orders.examining.unlink()
    first.start()
    assert uploader.offset(session) == SIZE
    with uploader.sending(session, 0) as wire:
        first.wait_for(first.orders.examining.exists)
        before = len(mattermost.state()["recent"])
        mattermost.control(endpoint=ASKED, times=1, stall=True)
        first.orders.wait.unlink()
        mattermost.wait_for(lambda s: len(s["recent"]) > before)
        first.kill()
    assert books.reserved() == SIZE
    assert chunks_received(mattermost) == []
    assert_stored(mattermost, other.send(session, b""), CONTENT)
    assert chunks_received(mattermost) == [SIZE]
    assert first.kept == {}
    books.assert_exact(SIZE)


def test_killed_while_it_sends(
    uploader: Uploader,
    other: Uploader,
    first: KeepingGateway,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    """Mattermost has a part, and gets the rest."""
    size = 30 * MIB  # more than sockets hold
    content = novel(size)
    session = uploader.begin("kept.txt", size)
    mattermost.control(endpoint=DATA, times=1, read_rate=16 * MIB)
    with uploader.sending(session, size) as wire:
        wire.send(content)
        wait_until_arrived(mattermost, 6 * MIB)
        first.kill()
        wait_until_all_are_over(mattermost)
    there = direct(other, mattermost).offset(session)
    assert LEAST <= there < size
    assert other.offset(session) == size
    assert books.reserved() == size
    assert_stored(mattermost, other.send(session, b""), content)
    assert chunks_received(mattermost)[1:] == [size - there]
    assert first.kept == {}
    books.assert_exact(size)


def test_a_stopped_gateway_lets_a_chunk_finish(
    uploader: Uploader, first: KeepingGateway, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("kept.txt", SIZE)
    with uploader.sending(session, SIZE) as wire:
        wire.send(FIRST)
        first.wait_for(lambda: session in first.kept)
        first.signal(signal.SIGTERM)
        first.wait_for_log("stopping")
        wire.send(REST)
        assert_stored(mattermost, wire.response(), CONTENT)
    assert first.wait() == 0
    assert first.kept == {}
    books.assert_exact(SIZE)


# The ledger, the disk, memory.


def test_a_ledger_that_breaks_during_a_chunk(
    uploader: Uploader,
    first: KeepingGateway,
    folder: Path,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    """What nobody could put on record does not count."""
    session = uploader.begin("kept.txt", SIZE)
    assert uploader.send(session, FIRST).status == 204
    with uploader.sending(session, MIB) as wire:
        wire.send(REST[:1000])
        wire.send(REST[1000 : MIB // 2])
        with broken_ledger(folder):
            wire.send(REST[MIB // 2 : MIB])
            assert error(wire.response()) == LEDGER_DOWN
            assert error(uploader.ask(session)) == LEDGER_DOWN
    assert uploader.offset(session) == LEAST
    assert_stored(mattermost, uploader.send(session, REST), CONTENT)
    assert first.kept == {}
    books.assert_exact(SIZE)


def test_a_ledger_that_breaks_while_it_is_sent(
    uploader: Uploader,
    first: KeepingGateway,
    folder: Path,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    """The file is stored all the same, and booked when the ledger works again."""
    session = uploader.begin("kept.txt", SIZE)
    mattermost.control(endpoint=DATA, times=1, read_rate=16 * MIB)
    with uploader.sending(session, SIZE) as wire:
        wire.send(CONTENT)
        wait_until_arrived(mattermost, MIB)
        with broken_ledger(folder):
            assert_stored(mattermost, wire.response(), CONTENT)
    assert first.kept == {}
    books.assert_exact(SIZE)


def test_a_full_disk(
    uploader: Uploader, first: KeepingGateway, books: Books, mattermost: StandInProcess
) -> None:
    """A limit on the size of files stands in for it: writes fail half-way, as on a full disk."""
    session = uploader.begin("kept.txt", SIZE)
    assert uploader.send(session, FIRST).status == 204
    taken = on_disk(first.kept[session])
    unlimited = resource.prlimit(first.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(first.pid, resource.RLIMIT_FSIZE, (7 * MIB, unlimited[1]))
    full = uploader.begin("kept.txt", SIZE)
    assert error(uploader.send(full, FIRST)) == SPOOL_FULL
    for answer in (uploader.send(session, REST), uploader.send_chunked(session, cut(REST))):
        assert error(answer) == SPOOL_FULL
        assert uploader.offset(session) == LEAST
        assert first.kept.keys() == {session}
        assert on_disk(first.kept[session]) == taken
    resource.prlimit(first.pid, resource.RLIMIT_FSIZE, unlimited)
    assert uploader.offset(full) == 0
    assert_stored(mattermost, uploader.send(session, REST), CONTENT)
    assert_stored(mattermost, uploader.send(full, CONTENT), CONTENT)
    books.assert_exact(2 * SIZE)


def test_room_is_taken_by_whole_files_of_all_gateways(
    mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> None:
    with (
        keeping(mattermost, folder, "first", spool_limit="15MiB") as first,
        keeping(mattermost, folder, "second", spool_limit="15MiB") as second,
    ):
        uploaders = [
            Uploader(Client(gateway.address, user["token"], mattermost.channel_id))
            for gateway in (first, second)
        ]
        begun = uploaders[0].begin("kept.txt", SIZE)
        assert uploaders[0].send(begun, FIRST).status == 204
        for uploader in uploaders:
            session = uploader.begin("kept.txt", SIZE)
            answer = uploader.send(session, FIRST)
            assert error(answer) == SPOOL_FULL
            assert first.kept.keys() == {begun}
        assert_stored(mattermost, uploaders[1].send(begun, REST), CONTENT)
        assert_stored(mattermost, uploaders[0].send(session, CONTENT), CONTENT)


def test_memory_stays_bounded(
    uploader: Uploader, first: KeepingGateway, mattermost: StandInProcess
) -> None:
    size = 38 * MIB
    content = novel(size)
    assert uploader.send(uploader.begin("kept-unread.txt", MIB), content[:MIB]).status == 200
    session = uploader.begin("kept-unread.txt", size)
    before = first.resident_bytes()
    assert uploader.send(session, content[:-1]).status == 204
    answer = uploader.send(session, content[-1:])
    assert first.resident_bytes() - before < 16 * MIB
    assert_stored(mattermost, answer, content)


# Time.


def test_what_nobody_goes_on_with_is_swept(
    mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> None:
    """At start, and from time to time; unless somebody may go on with it."""
    gateway = keeping(mattermost, folder, "first", upload_session_ttl="3s")
    kept = gateway.spool / f"upload-sessions-{os.geteuid()}"
    kept.mkdir(mode=0o700)
    for name, written in (("a" * 26, 1000), ("b" * 26, time.time() + 1000), ("c" * 25, 1000)):
        (kept / name).touch()
        os.utime(kept / name, (written, written))
    with gateway:
        books = Books(mattermost, folder, user)
        uploader = Uploader(Client(gateway.address, user["token"], mattermost.channel_id))
        gateway.wait_for(lambda: "a" * 26 not in gateway.kept)
        assert gateway.kept.keys() == {"b" * 26, "c" * 25}
        gone, alive = uploader.begin("kept.txt", SIZE), uploader.begin("kept.txt", SIZE)
        assert uploader.send(gone, FIRST).status == 204
        with uploader.sending(alive, SIZE) as wire:
            wire.send(FIRST)
            gateway.wait_for(lambda: alive in gateway.kept)
            os.utime(gateway.kept[alive], (1000, 1000))
            gateway.wait_for(lambda: gone not in gateway.kept)
            assert gateway.kept.keys() == {alive, "b" * 26, "c" * 25}
            wire.send(REST)
            assert_stored(mattermost, wire.response(), CONTENT)
        assert error(uploader.send(gone, REST)) == UNVERIFIED
        books.assert_exact(SIZE)


def test_what_may_be_stored_is_charged_when_nobody_goes_on(
    mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> None:
    settings = {"upload_session_ttl": "3s", "upstream_timeout": "2s"}
    with keeping(mattermost, folder, "first", **settings) as gateway:
        books = Books(mattermost, folder, user)
        uploader = Uploader(Client(gateway.address, user["token"], mattermost.channel_id))
        session = uploader.begin("kept.txt", SIZE)
        mattermost.control(endpoint=DATA, times=1, stall=True)
        assert error(uploader.send(session, CONTENT)) == (504, "gateway.upstream_timeout")
        assert books.reserved() == SIZE
        refused = uploader.begin("kept.txt", SIZE)
        mattermost.control(endpoint=DATA, times=1, stall=True)
        assert uploader.send(refused, CONTENT).status == 504
        gateway.orders.refuse.touch()
        assert error(uploader.send(refused, b"")) == (415, "gateway.type_denied")
        assert refused not in gateway.kept
        assert error(uploader.send(refused, b"")) == UNVERIFIED
        assert books.reserved() >= SIZE
        books.wait_until_nothing_is_reserved()
        assert books.charged() - books.start[0] == 2 * SIZE
        gateway.wait_for(lambda: gateway.kept == {})


# Where the folder is not shared.


def test_a_gateway_that_does_not_share_its_folder(
    uploader: Uploader,
    first: KeepingGateway,
    folder: Path,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    with keeping(mattermost, folder, "alone", spool_shared="off") as alone:
        there = Uploader(replace(uploader.client, address=alone.address))
        answer = there.declare("kept.txt", SIZE)
        assert error(answer) == UNAVAILABLE
        line = alone.wait_for_log("request", request_id=answer.header("x-request-id"))
        reason = "resumable_upload_unavailable"
        assert end(line) == ("uploads", 501, "refused", reason)
        (file,) = line["files"]
        assert (file["outcome"], file["reason"]) == ("refused", reason)
        session = uploader.begin("kept.txt", SIZE)
        assert error(there.send(session, FIRST)) == UNAVAILABLE
        assert error(uploader.send(session, FIRST)) == UNVERIFIED
        assert books.reserved() == 0
        assert chunks_received(mattermost) == []
        assert_watched(there, alone, mattermost)
        books.assert_exact(SIZE)


def assert_watched(there: Uploader, alone: KeepingGateway, mattermost: StandInProcess) -> None:
    """What only a watched rule wants streams on, unexamined."""
    alone.orders.watch.touch()
    session = there.begin("kept.txt", SIZE)
    assert there.send(session, FIRST).status == 204
    assert chunks_received(mattermost) == [LEAST]
    assert_stored(mattermost, there.send(session, REST), CONTENT)
    assert not alone.orders.examining.exists()


def test_a_gateway_of_the_table_only_tells_how_far_sessions_are(
    mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> None:
    with keeping(mattermost, folder, "first", mode="uploads") as gateway:
        uploader = Uploader(Client(gateway.address, user["token"], mattermost.channel_id))
        session = uploader.begin("kept.txt", SIZE)
        assert uploader.send(session, FIRST).status == 204
        answers = uploader.client.request("GET", f"/api/v4/users/{user['id']}/uploads").json()
        assert [answer["file_offset"] for answer in answers] == [LEAST]
