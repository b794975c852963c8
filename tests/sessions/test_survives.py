"""Sessions outlive every process: the bytes at the end are exact, and so is the quota."""

import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.books import Books
from tests.promises.test_4_quota_survives import broken_ledger
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client

from .support import DATA, LEAST, MIB, UNVERIFIED, Uploader, assert_stored, error, novel

SIZE = 8 * MIB
CONTENT = novel(SIZE)
FIRST, REST = CONTENT[:LEAST], CONTENT[LEAST:]
BUFFERED = MIB
"""More than what is on its way to Mattermost within the gateway."""
SETTINGS = {"quotas": "user 40MiB/day", "ledger_lease": "1s"}
LEDGER_DOWN = (503, "gateway.ledger_unavailable")


@pytest.fixture
def first(mattermost: StandInProcess, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway that may be killed."""
    with GatewayProcess(mattermost.url, tmp_path / "first", **SETTINGS) as running:
        yield running


@pytest.fixture
def second(
    first: GatewayProcess, mattermost: StandInProcess, tmp_path: Path
) -> Iterator[GatewayProcess]:
    """Another one on the same ledger."""
    ledger = f"sqlite:///{first.folder / 'ledger.sqlite3'}"
    with GatewayProcess(
        mattermost.url, tmp_path / "second", ledger_url=ledger, **SETTINGS
    ) as running:
        yield running


@pytest.fixture
def uploader(first: GatewayProcess, mattermost: StandInProcess, user: dict[str, Any]) -> Uploader:
    return Uploader(Client(first.address, user["token"], mattermost.channel_id))


@pytest.fixture
def books(first: GatewayProcess, mattermost: StandInProcess, user: dict[str, Any]) -> Books:
    return Books(mattermost, first.folder, user)


def at(uploader: Uploader, gateway: GatewayProcess) -> Uploader:
    """The same user at another gateway."""
    return Uploader(replace(uploader.client, address=gateway.address))


def wait_until_arrived(mattermost: StandInProcess, size: int) -> None:
    """Bytes of the last chunk."""
    mattermost.wait_for(lambda s: bool(s["uploads"]) and s["uploads"][-1]["body_bytes"] >= size)


def wait_until_all_are_over(mattermost: StandInProcess) -> None:
    mattermost.wait_for(lambda s: all(upload["status"] for upload in s["uploads"]))


def test_chunks_in_turn_over_two_gateways(
    uploader: Uploader, second: GatewayProcess, books: Books, mattermost: StandInProcess
) -> None:
    gateways = [at(uploader, second), uploader]
    session = uploader.begin("novel.txt", SIZE)
    assert gateways[0].send(session, FIRST).status == 204
    for start in range(LEAST, SIZE, MIB // 2):
        gateways.reverse()
        answer = gateways[0].send(session, CONTENT[start : start + MIB // 2])
    assert_stored(mattermost, answer, CONTENT)
    books.assert_exact(SIZE)


def test_chunks_over_several_workers(
    mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> None:
    with GatewayProcess(mattermost.url, folder, workers="2", **SETTINGS) as gateway:
        books = Books(mattermost, folder, user)
        uploader = Uploader(Client(gateway.address, user["token"], mattermost.channel_id))
        session = uploader.begin("novel.txt", SIZE)
        assert uploader.send(session, FIRST).status == 204
        for start in range(LEAST, SIZE, MIB // 8):
            answer = uploader.send(session, CONTENT[start : start + MIB // 8])
        assert_stored(mattermost, answer, CONTENT)
        books.assert_exact(SIZE)


@pytest.mark.parametrize("sent", [0, LEAST])
def test_a_gateway_killed_between_chunks(
    sent: int,
    uploader: Uploader,
    first: GatewayProcess,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    if sent:
        assert uploader.send(session, CONTENT[:sent]).status == 204
    first.kill()
    assert books.reserved() == SIZE
    first.start()
    assert uploader.offset(session) == sent
    assert_stored(mattermost, uploader.send(session, CONTENT[sent:]), CONTENT)
    books.assert_exact(SIZE)


def test_a_gateway_killed_within_the_first_chunk_while_another_goes_on(
    uploader: Uploader,
    first: GatewayProcess,
    second: GatewayProcess,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, SIZE) as wire:
        wire.send(CONTENT[: 6 * MIB])
        wait_until_arrived(mattermost, 6 * MIB)
        first.kill()
        wait_until_all_are_over(mattermost)
    other = at(uploader, second)
    assert books.reserved() == SIZE
    offset = other.offset(session)
    assert LEAST <= offset <= 6 * MIB
    assert_stored(mattermost, other.send(session, CONTENT[offset:]), CONTENT)
    books.assert_exact(SIZE)


@pytest.mark.parametrize("arrived", [100_000, MIB])
def test_a_gateway_killed_within_a_later_chunk_and_started_again(
    arrived: int,
    uploader: Uploader,
    first: GatewayProcess,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    assert uploader.send(session, FIRST).status == 204
    with uploader.sending(session, len(REST)) as wire:
        wire.send(REST[:arrived])
        wait_until_arrived(mattermost, arrived)
        first.kill()
        wait_until_all_are_over(mattermost)
    first.start()
    offset = uploader.offset(session)
    assert LEAST <= offset <= LEAST + arrived
    assert_stored(mattermost, uploader.send(session, CONTENT[offset:]), CONTENT)
    books.assert_exact(SIZE)


def test_a_gateway_killed_within_the_head(
    uploader: Uploader, first: GatewayProcess, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, SIZE, ("Expect", "100-continue")) as wire:
        assert wire.interim() == 100
        wire.send(CONTENT[:1000])
        first.kill()
    first.start()
    assert uploader.offset(session) == 0
    assert_stored(mattermost, uploader.send(session, CONTENT), CONTENT)
    books.assert_exact(SIZE)


def test_a_mattermost_that_restarts_between_chunks(
    mattermost: StandInProcess, tmp_path: Path
) -> None:
    """A connection that died meanwhile fails no chunk."""
    with (
        StandInProcess(tmp_path / "data") as other,
        GatewayProcess(other.url, tmp_path / "gateway") as gateway,
    ):
        uploader = Uploader(Client(gateway.address, other.user_token, other.channel_id))
        session = uploader.begin("novel.txt", SIZE)
        assert uploader.send(session, FIRST).status == 204
        other.control(endpoint=DATA, times=1, close_quietly=True)
        assert uploader.send(session, REST[:MIB]).status == 204
        assert_stored(other, uploader.send(session, REST[MIB:]), CONTENT)


def test_a_stopped_gateway_lets_a_chunk_finish(
    uploader: Uploader, first: GatewayProcess, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, SIZE) as wire:
        wire.send(FIRST)
        wait_until_arrived(mattermost, LEAST)
        first.signal(signal.SIGTERM)
        first.wait_for_log("stopping")
        wire.send(REST)
        assert_stored(mattermost, wire.response(), CONTENT)
    assert first.wait() == 0
    books.assert_exact(SIZE)


# The ledger.


def test_a_ledger_that_breaks_during_the_last_chunk(
    uploader: Uploader, first: GatewayProcess, books: Books, mattermost: StandInProcess
) -> None:
    """The file is stored all the same, and booked when the ledger works again."""
    session, waiting = uploader.begin("novel.txt", SIZE), uploader.begin("novel.txt", MIB)
    with uploader.sending(session, SIZE) as wire:
        wire.send(FIRST)
        wait_until_arrived(mattermost, LEAST)
        with broken_ledger(first.folder):
            wire.send(REST)
            assert_stored(mattermost, wire.response(), CONTENT)
            assert error(uploader.declare("a.txt", 5)) == LEDGER_DOWN
            assert error(uploader.send(waiting, CONTENT[:MIB])) == LEDGER_DOWN
    assert uploader.send(waiting, CONTENT[:MIB]).status == 200
    books.assert_exact(SIZE + MIB)


def test_without_quotas_the_ledger_is_needed_all_the_same(
    mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> None:
    with GatewayProcess(mattermost.url, folder) as gateway:
        uploader = Uploader(Client(gateway.address, user["token"], mattermost.channel_id))
        session = uploader.begin("novel.txt", SIZE)
        with broken_ledger(folder):
            assert error(uploader.declare("a.txt", 5)) == LEDGER_DOWN
            assert error(uploader.send(session, CONTENT)) == LEDGER_DOWN
        assert_stored(mattermost, uploader.send(session, CONTENT), CONTENT)
        books = Books(mattermost, folder, user)
        assert (books.charged(), books.reserved()) == (0, 0)


def test_a_ledger_that_forgot_its_sessions(
    uploader: Uploader, first: GatewayProcess, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    assert uploader.send(session, FIRST).status == 204
    for file in first.folder.glob("ledger.sqlite3*"):
        file.unlink()
    assert error(uploader.send(session, REST)) == UNVERIFIED


# Time.


@pytest.fixture
def impatient(mattermost: StandInProcess, folder: Path) -> Iterator[GatewayProcess]:
    """A gateway whose sessions expire soon."""
    with GatewayProcess(
        mattermost.url, folder, upload_session_ttl="3s", upstream_timeout="2s", **SETTINGS
    ) as running:
        yield running


def renewals(folder: Path, session: str) -> float:
    """When a session was renewed."""
    with closing(connect(folder / "ledger.sqlite3")) as connection:
        (at,) = connection.execute(
            "SELECT renewed FROM sessions WHERE id = ?", (session,)
        ).fetchone()
        return float(at)


def test_a_chunk_keeps_its_session_however_slow_it_is(
    impatient: GatewayProcess, mattermost: StandInProcess, user: dict[str, Any]
) -> None:
    books = Books(mattermost, impatient.folder, user)
    uploader = Uploader(Client(impatient.address, user["token"], mattermost.channel_id))
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, SIZE) as wire:
        wire.send(FIRST)
        begun = renewals(impatient.folder, session)
        impatient.wait_for(lambda: renewals(impatient.folder, session) > begun + 4)
        assert books.reserved() == SIZE
        wire.send(REST)
        assert_stored(mattermost, wire.response(), CONTENT)
    books.assert_exact(SIZE)


def test_what_may_be_stored_is_charged_when_nobody_goes_on(
    impatient: GatewayProcess, mattermost: StandInProcess, user: dict[str, Any]
) -> None:
    books = Books(mattermost, impatient.folder, user)
    uploader = Uploader(Client(impatient.address, user["token"], mattermost.channel_id))
    session = uploader.begin("novel.txt", SIZE)
    mattermost.control(endpoint=DATA, times=1, stall=True)
    assert error(uploader.send(session, CONTENT)) == (504, "gateway.upstream_timeout")
    books.wait_until_nothing_is_reserved()
    assert books.charged() - books.start[0] == SIZE


@pytest.mark.parametrize("size", [SIZE, 20_000])
@pytest.mark.parametrize("missing", [0, 1])
def test_what_a_killed_gateway_may_have_completed_is_charged_when_nobody_goes_on(
    size: int,
    missing: int,
    impatient: GatewayProcess,
    mattermost: StandInProcess,
    user: dict[str, Any],
) -> None:
    books = Books(mattermost, impatient.folder, user)
    uploader = Uploader(Client(impatient.address, user["token"], mattermost.channel_id))
    session = uploader.begin("novel.txt", size)
    mattermost.control(endpoint=DATA, times=1, stall=True)
    with uploader.sending(session, size) as wire:
        wire.send(CONTENT[: size - missing])
        if size == SIZE or not missing:
            wait_until_arrived(mattermost, size - missing - BUFFERED * missing)
        impatient.kill()
    impatient.start()
    books.wait_until_nothing_is_reserved()
    assert books.charged() - books.start[0] == (0 if missing else size)


def test_a_last_chunk_that_mattermost_cannot_store_is_not_charged(
    impatient: GatewayProcess, mattermost: StandInProcess, user: dict[str, Any]
) -> None:
    books = Books(mattermost, impatient.folder, user)
    uploader = Uploader(Client(impatient.address, user["token"], mattermost.channel_id))
    session = uploader.begin("novel.txt", SIZE)
    assert uploader.send(session, FIRST).status == 204
    mattermost.control(endpoint=DATA, times=1, status=500)
    assert uploader.send(session, REST).status == 500
    books.assert_exact(0)
