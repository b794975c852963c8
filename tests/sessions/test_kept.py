"""Files that have to be whole before their verdict: kept by the gateway until they are."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.books import Books
from tests.promises.support import cut, program
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, WireResponse, file_part

from .examining import INFECTED
from .support import (
    ASKED,
    CONCURRENT,
    DATA,
    LEAST,
    MIB,
    TOO_LONG,
    TOO_SMALL,
    UNVERIFIED,
    KeepingGateway,
    Uploader,
    assert_stored,
    chunks_received,
    error,
    novel,
    on_disk,
)
from .test_accounted import Watch, end
from .test_attacks import png, send_quietly

SIZE = 8 * MIB
CONTENT = novel(SIZE)
FIRST, REST = CONTENT[:LEAST], CONTENT[LEAST:]
ILL = CONTENT[: -len(INFECTED)] + INFECTED
DENIED = (415, "gateway.type_denied")
SPOOL_FULL = (507, "gateway.spool_full")
UNREACHABLE = (503, "gateway.upstream_unreachable")
SETTINGS = {"quotas": "user 40MiB/day", "ledger_lease": "1s"}


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KeepingGateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with KeepingGateway(stand_in.url, folder, folder / "spool", **SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def second(gateway: KeepingGateway, stand_in: StandInProcess) -> Iterator[KeepingGateway]:
    """Another gateway, with the same ledger and the same folder."""
    ledger = f"sqlite:///{gateway.folder / 'ledger.sqlite3'}"
    folder = gateway.folder / "second"
    with KeepingGateway(
        stand_in.url, folder, gateway.spool, ledger_url=ledger, **SETTINGS
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_left(gateway: KeepingGateway) -> Iterator[None]:
    """Each test ends its sessions, or removes what it leaves of them."""
    for file in gateway.kept.values():
        file.unlink()
    yield
    for order in (gateway.orders.wait, gateway.orders.fail, gateway.orders.watch):
        order.unlink(missing_ok=True)


def at(uploader: Uploader, gateway: GatewayProcess) -> Uploader:
    """The same user at another gateway."""
    return Uploader(replace(uploader.client, address=gateway.address))


@contextmanager
def ordered(order: Path) -> Iterator[None]:
    order.touch()
    try:
        yield
    finally:
        order.unlink(missing_ok=True)


# Complete.


def test_a_file_in_many_chunks_over_two_gateways(
    uploader: Uploader,
    gateway: KeepingGateway,
    second: KeepingGateway,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    """Mattermost gets it when it is whole, as one chunk."""
    session = uploader.begin("kept.txt", SIZE)
    senders = [uploader, at(uploader, second)]
    for start, following in pairwise([0, LEAST, LEAST + 1, 7 * MIB, 7 * MIB, SIZE]):
        senders.reverse()
        assert chunks_received(mattermost) == []
        assert [sender.offset(session) for sender in senders] == [start, start]
        assert gateway.kept.keys() == ({session} if start else set())
        assert books.reserved() == SIZE
        answer = senders[0].send(session, CONTENT[start:following])
        assert answer.status == (204 if following < SIZE else 200)
    assert_stored(mattermost, answer, CONTENT)
    assert chunks_received(mattermost) == [SIZE]
    assert gateway.kept == {}
    assert uploader.ask(session).status == 404
    assert uploader.send(session, b"").status == 404
    books.assert_exact(SIZE)


@pytest.mark.parametrize("size", [1, 20, 40_960, 40_961, 100_000, MIB + 1, SIZE])
def test_a_file_in_one_chunk(
    size: int,
    uploader: Uploader,
    gateway: KeepingGateway,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    answer = uploader.send(uploader.begin("kept.txt", size), CONTENT[:size])
    assert_stored(mattermost, answer, CONTENT[:size])
    assert gateway.kept == {}
    books.assert_exact(size)


def test_chunks_of_unknown_length_and_in_forms(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("kept.txt", SIZE)
    assert uploader.send_chunked(session, cut(FIRST)).status == 204
    assert uploader.send_form(session, file_part("a", REST[:MIB])).status == 204
    assert uploader.send_chunked(session, []).status == 204
    assert uploader.offset(session) == 6 * MIB
    assert_stored(mattermost, uploader.send_form(session, file_part("b", REST[MIB:])), CONTENT)
    (upload,) = mattermost.state()["uploads"]
    assert dict(upload["headers"])["content-length"] == str(SIZE)
    books.assert_exact(SIZE)


def test_an_import(admin: Uploader, gateway: KeepingGateway, mattermost: StandInProcess) -> None:
    """It has no channel, and counts against nobody's quota."""
    content = b"PK\x03\x04" + bytes(LEAST)
    session = admin.begin("kept.zip", len(content), type="import", channel_id="")
    assert admin.send(session, content[:LEAST]).status == 204
    assert admin.offset(session) == LEAST
    assert_stored(mattermost, admin.send(session, content[LEAST:]), content)
    assert gateway.kept == {}


# What the client sees is what Mattermost would answer.


def test_the_answer_to_a_chunk_is_mattermosts(uploader: Uploader) -> None:
    answers = [
        uploader.send(uploader.begin(name, SIZE), FIRST) for name in ("novel.txt", "kept.txt")
    ]
    theirs, ours = (
        sorted((k, v) for k, v in answer.headers if k not in ("x-request-id", "date"))
        for answer in answers
    )
    assert ours == theirs
    assert [answer.status for answer in answers] == [204, 204]


def test_the_answer_about_a_session_is_mattermosts_but_for_the_offset(
    uploader: Uploader, mattermost: StandInProcess
) -> None:
    direct = at_mattermost(uploader, mattermost)
    name = 'a <b> & "kept" – \u2028.txt'
    session = uploader.begin(name, SIZE)
    assert uploader.ask(session).body == direct.ask(session).body
    uploader.send(session, FIRST)
    gzip = ("Accept-Encoding", "gzip")
    ours = uploader.client.request("GET", f"/api/v4/uploads/{session}", gzip)
    assert "accept-encoding" not in last_asked(mattermost)
    theirs = direct.ask(session)
    assert theirs.json()["file_offset"] == 0
    assert ours.json() == theirs.json() | {"file_offset": LEAST}
    assert list(ours.json()) == list(theirs.json())
    assert about(ours) == about(theirs)
    assert ours.header("content-length") == str(len(ours.body))


def last_asked(mattermost: StandInProcess) -> dict[str, str]:
    """The headers with which Mattermost was asked about a session."""
    entries = mattermost.state()["recent"]
    return dict([entry["headers"] for entry in entries if entry["endpoint"] == ASKED][-1])


def at_mattermost(uploader: Uploader, mattermost: StandInProcess) -> Uploader:
    """The same user, who reaches Mattermost past the gateway."""
    return Uploader(replace(uploader.client, address=("127.0.0.1", mattermost.port)))


def about(answer: WireResponse) -> list[tuple[str, str]]:
    """Headers that do not depend on the moment or on the length."""
    ignored = ("x-request-id", "date", "content-length")
    return sorted((k.lower(), v) for k, v in answer.headers if k.lower() not in ignored)


def test_all_sessions_of_a_user(
    uploader: Uploader, user: dict[str, Any], mattermost: StandInProcess, gateway: KeepingGateway
) -> None:
    direct = at_mattermost(uploader, mattermost)
    path = f"/api/v4/users/{user['id']}/uploads"
    streamed, kept = uploader.begin("novel.txt", SIZE), uploader.begin("kept.txt", SIZE)
    uploader.send(streamed, CONTENT[: LEAST + 7])
    before = direct.client.request("GET", path)
    assert uploader.client.request("GET", path).body == before.body
    uploader.send(kept, FIRST)
    expected = [
        session | ({"file_offset": LEAST} if session["id"] == kept else {})
        for session in before.json()
    ]
    answer = uploader.client.request("GET", path)
    assert answer.json() == expected
    assert about(answer) == about(before)
    line = gateway.wait_for_log("request", request_id=answer.header("x-request-id"))
    assert end(line) == ("user_uploads", 200, "accepted", "none")


def test_who_may_not_ask_gets_mattermosts_refusal(
    uploader: Uploader, user: dict[str, Any], mattermost: StandInProcess
) -> None:
    session = uploader.begin("kept.txt", SIZE)
    uploader.send(session, FIRST)
    other = Client(uploader.client.address, mattermost.user_token, "")
    for path in (f"/api/v4/uploads/{session}", f"/api/v4/users/{user['id']}/uploads"):
        assert other.request("GET", path).status == 403
    stranger = Client(uploader.client.address, "x" * 26, "")
    assert stranger.request("GET", f"/api/v4/uploads/{session}").status == 401
    for sender, expected in (
        (Uploader(other), (403, "api.upload.get_upload.forbidden.app_error")),
        (Uploader(stranger), (401, "api.context.session_expired.app_error")),
    ):
        with sender.sending(session, len(REST), ("Expect", "100-continue")) as wire:
            assert error(wire.response()) == expected
    assert uploader.offset(session) == LEAST


def test_a_mattermost_that_does_not_describe_its_sessions(
    uploader: Uploader, mattermost: StandInProcess
) -> None:
    session = uploader.begin("kept.txt", SIZE)
    uploader.send(session, FIRST)
    for body in ("", "[1]", '{"id": 1}', "<html>"):
        mattermost.control(endpoint=ASKED, times=1, status=200, body=body)
        assert error(uploader.ask(session)) == (502, "gateway.upstream_failed")
    mattermost.control(endpoint=ASKED, times=2, close_after=0)  # asking once more does no harm
    assert error(uploader.ask(session)) == (502, "gateway.upstream_failed")
    assert uploader.offset(session) == LEAST


# Sizes, and chunks that break off.


def test_chunks_that_do_not_fit(
    uploader: Uploader, gateway: KeepingGateway, mattermost: StandInProcess
) -> None:
    """Each is undone, and the file goes on from where it was."""
    session = uploader.begin("kept.txt", SIZE)
    assert error(uploader.send(session, CONTENT[: LEAST - 1])) == TOO_SMALL
    assert error(uploader.send_chunked(session, cut(CONTENT[: LEAST - 1]))) == TOO_SMALL
    assert error(uploader.send_chunked(session, cut(CONTENT + b"!"))) == TOO_LONG
    assert (uploader.offset(session), gateway.kept) == (0, {})
    assert uploader.send(session, FIRST).status == 204
    room = on_disk(gateway.kept[session])
    with uploader.sending(session, len(REST) + 1, ("Expect", "100-continue")) as wire:
        assert error(wire.response()) == TOO_LONG
    assert error(uploader.send_chunked(session, cut(REST + b"!"))) == TOO_LONG
    cut_form = file_part("a", REST)[:-100]
    form = ("Content-Type", "multipart/form-data; boundary=XboundaryX")
    bad = uploader.send(session, b"--XboundaryX\r\n" + cut_form, form)
    assert error(bad) == (400, "api.upload.upload_data.multipart_error")
    assert uploader.offset(session) == LEAST
    assert on_disk(gateway.kept[session]) == room
    assert chunks_received(mattermost) == []
    assert_stored(mattermost, uploader.send(session, REST), CONTENT)


@pytest.mark.parametrize("framed", [True, False])
def test_a_chunk_that_breaks_off(
    framed: bool, uploader: Uploader, gateway: KeepingGateway, mattermost: StandInProcess
) -> None:
    """What came of it stays, as with Mattermost: of a first chunk only if it is enough."""
    session = uploader.begin("kept.txt", SIZE)

    def break_off(content: bytes, whole: int) -> None:
        aborted = [line["status"] for line in gateway.requests()].count(499)
        with uploader.sending(session, whole if framed else None) as wire:
            wire.send(b"" if framed else b"%x\r\n" % whole)
            wire.send(content)
        gateway.wait_for_abort(aborted + 1)

    break_off(CONTENT[: LEAST - 1], SIZE)
    assert (uploader.offset(session), gateway.kept) == (0, {})
    break_off(CONTENT[: LEAST + 7], SIZE)
    assert uploader.offset(session) == LEAST + 7
    break_off(CONTENT[LEAST + 7 : LEAST + 1007], SIZE - LEAST - 7)
    assert uploader.offset(session) == LEAST + 1007
    assert chunks_received(mattermost) == []
    assert_stored(mattermost, uploader.send(session, CONTENT[LEAST + 1007 :]), CONTENT)


def test_a_client_that_stalls(
    mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> None:
    with KeepingGateway(mattermost.url, folder, folder / "spool", client_timeout="1s") as gateway:
        uploader = Uploader(Client(gateway.address, user["token"], mattermost.channel_id))
        session = uploader.begin("kept.txt", SIZE)
        with uploader.sending(session, SIZE) as wire:
            wire.send(CONTENT[: LEAST + 7])
            assert error(wire.response()) == (408, "gateway.client_too_slow")
        assert uploader.offset(session) == LEAST + 7
        assert_stored(mattermost, uploader.send(session, CONTENT[LEAST + 7 :]), CONTENT)


# At the same time.


def test_only_one_chunk_at_a_time(
    uploader: Uploader,
    gateway: KeepingGateway,
    second: KeepingGateway,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    session = uploader.begin("kept.txt", SIZE)
    other = at(uploader, second)
    with uploader.sending(session, SIZE) as wire:
        wire.send(FIRST)
        gateway.wait_for(lambda: session in gateway.kept)
        for sender in (uploader, other):
            assert error(send_quietly(sender, session, CONTENT)) == CONCURRENT
            assert sender.offset(session) == 0
        wire.send(REST)
        assert_stored(mattermost, wire.response(), CONTENT)
    assert chunks_received(mattermost) == [SIZE]
    books.assert_exact(SIZE)


def test_a_first_chunk_that_was_begun_before_another_one_came(
    uploader: Uploader, gateway: KeepingGateway, second: KeepingGateway, mattermost: StandInProcess
) -> None:
    """The slower one does not touch what is there by then."""
    session = uploader.begin("kept.txt", SIZE)
    with at(uploader, second).sending(session, SIZE, ("Expect", "100-continue")) as wire:
        assert wire.interim() == 100
        assert uploader.send(session, FIRST).status == 204
        wire.send(png(SIZE))
        assert error(wire.response()) == CONCURRENT
    assert uploader.offset(session) == LEAST
    assert_stored(mattermost, uploader.send(session, REST), CONTENT)


def test_many_chunks_at_the_same_time(
    uploader: Uploader, second: KeepingGateway, books: Books, mattermost: StandInProcess
) -> None:
    """One each is taken; those that come too late fit no more, or find nothing."""
    session = uploader.begin("kept.txt", SIZE)
    senders = [uploader, at(uploader, second)] * 4
    for chunk, success in ((FIRST, 204), (REST, 200)):
        with ThreadPoolExecutor(len(senders)) as threads:
            answers = list(threads.map(send_quietly, senders, repeat(session), repeat(chunk)))
        (taken,) = [answer for answer in answers if answer.status == success]
        for answer in answers:
            assert answer is taken or error(answer) in (
                CONCURRENT,
                TOO_LONG,
                UNVERIFIED,
                (404, "app.upload.get.app_error"),
            )
    assert_stored(mattermost, taken, CONTENT)
    books.assert_exact(SIZE)


# Refused.


def test_what_the_head_tells_is_refused_at_once(
    uploader: Uploader, gateway: KeepingGateway, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("kept.txt", SIZE)
    assert error(uploader.send(session, program(SIZE))) == (415, "gateway.content_mismatch")
    assert error(uploader.send(session, CONTENT)) == UNVERIFIED
    assert (gateway.kept, chunks_received(mattermost)) == ({}, [])
    books.assert_exact(0)


def test_what_is_refused_when_it_is_whole_is_refused_for_good(
    uploader: Uploader,
    second: KeepingGateway,
    gateway: KeepingGateway,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    watch = Watch(gateway)
    session = uploader.begin("kept.txt", SIZE)
    assert uploader.send(session, ILL[:LEAST]).status == 204
    refused = uploader.send(session, ILL[LEAST:])
    assert error(refused) == DENIED
    assert books.reserved() == 0
    assert gateway.kept == {}
    for sender in (uploader, at(uploader, second)):
        for chunk in (b"", CONTENT, FIRST, REST):
            assert error(sender.send(session, chunk))[0] in (400, 409)
        assert sender.offset(session) == 0
    assert chunks_received(mattermost) == []
    books.assert_exact(0)
    lines = [line for line in gateway.requests() if line.get("files")]
    (file,) = lines[-1]["files"]
    assert (file["outcome"], file["reason"], file["size"]) == ("refused", "type_denied", SIZE)
    assert end(lines[-1]) == ("upload_data", 415, "refused", "type_denied")
    assert watch.files() == [("refused", "type_denied", "text")]


def test_a_verdict_that_nobody_can_give_may_come_later(
    uploader: Uploader, gateway: KeepingGateway, books: Books, mattermost: StandInProcess
) -> None:
    """All of the file is there: an empty chunk is enough to have it examined again."""
    for size in (20, SIZE):
        mattermost.reset()
        session = uploader.begin("kept.txt", size)
        with ordered(gateway.orders.fail):
            assert error(uploader.send(session, CONTENT[:size])) == UNREACHABLE
            assert error(uploader.send(session, b"")) == UNREACHABLE
        assert uploader.offset(session) == size
        assert books.reserved() == size
        assert error(uploader.send(session, b"!")) == TOO_LONG
        assert chunks_received(mattermost) == []
        assert_stored(mattermost, uploader.send(session, b""), CONTENT[:size])
        assert gateway.kept == {}
    books.assert_exact(20 + SIZE)


def test_what_was_examined_is_as_long_as_what_was_declared(
    uploader: Uploader, gateway: KeepingGateway, mattermost: StandInProcess
) -> None:
    session = uploader.begin("kept-short.txt", SIZE)
    answer = uploader.send(session, CONTENT)
    assert error(answer) == (500, "gateway.internal_error")
    line = gateway.wait_for_log("request", request_id=answer.header("x-request-id"))
    assert f"{SIZE - 1} bytes are to be sent of {SIZE} declared ones" in line["detail"]
    assert chunks_received(mattermost) == []


def test_a_kept_file_that_was_tampered_with(
    uploader: Uploader, gateway: KeepingGateway, books: Books, mattermost: StandInProcess
) -> None:
    """What was judged by its head has that head when it is sent."""
    session = uploader.begin("kept.txt", SIZE)
    assert uploader.send(session, FIRST).status == 204
    with gateway.kept[session].open("r+b") as opened:
        opened.write(program(1000))
    assert error(uploader.send(session, REST)) == UNVERIFIED
    assert (gateway.kept, chunks_received(mattermost)) == ({}, [])
    books.assert_exact(0)


def test_a_kept_file_that_is_gone(
    uploader: Uploader, gateway: KeepingGateway, mattermost: StandInProcess
) -> None:
    """As where a gateway does not share the folder, but should."""
    gone, cut_off = uploader.begin("kept.txt", SIZE), uploader.begin("kept.txt", SIZE)
    for session in (gone, cut_off):
        assert uploader.send(session, FIRST).status == 204
    gateway.kept[gone].unlink()
    with gateway.kept[cut_off].open("r+b") as opened:
        opened.truncate(LEAST - 1)
    for session in (gone, cut_off):
        assert error(uploader.send(session, REST)) == UNVERIFIED
    assert (gateway.kept, chunks_received(mattermost)) == ({}, [])


def test_files_are_for_their_owner_only(uploader: Uploader, gateway: KeepingGateway) -> None:
    session = uploader.begin("kept.txt", SIZE)
    uploader.send(session, FIRST)
    file = gateway.kept[session]
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


# Mattermost.


def test_a_mattermost_that_breaks_off(
    uploader: Uploader, gateway: KeepingGateway, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("kept.txt", SIZE)
    mattermost.control(endpoint=DATA, times=1, close_after=6 * MIB)
    assert error(uploader.send(session, CONTENT)) == (502, "gateway.upstream_failed")
    assert uploader.offset(session) == SIZE
    assert books.reserved() == SIZE
    assert_stored(mattermost, uploader.send(session, b""), CONTENT)
    assert gateway.kept == {}
    books.assert_exact(SIZE)


def test_a_mattermost_that_cannot_be_reached_or_never_answers(
    uploader: Uploader, gateway: KeepingGateway, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("kept.txt", SIZE)
    mattermost.control(endpoint=DATA, times=1, close_after=100_000)
    assert uploader.send(session, CONTENT).status == 502
    mattermost.control(endpoint=DATA, times=1, close_after=SIZE)
    assert uploader.send(session, b"").status == 502
    mattermost.control(endpoint=DATA, times=1, status=500, body='{"id": "a.b", "message": "No."}')
    assert error(uploader.send(session, b"")) == (500, "a.b")
    mattermost.control(endpoint=DATA, times=1, status=204)
    assert error(uploader.send(session, b"")) == (502, "gateway.upstream_failed")
    assert books.reserved() == SIZE
    assert_stored(mattermost, uploader.send(session, b""), CONTENT)
    assert gateway.kept == {}
    books.assert_exact(SIZE)


def test_a_refusal_of_mattermosts_ends_the_session(
    uploader: Uploader, gateway: KeepingGateway, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("kept.txt", SIZE)
    refusal = '{"id": "api.context.permissions.app_error", "message": "No."}'
    mattermost.control(endpoint=DATA, times=1, status=403, body=refusal)
    assert error(uploader.send(session, CONTENT)) == (403, "api.context.permissions.app_error")
    assert gateway.kept == {}
    assert error(uploader.send(session, CONTENT)) == UNVERIFIED
    books.assert_exact(0)


def test_a_beginning_that_was_sent_around_the_gateway(
    uploader: Uploader, gateway: KeepingGateway, mattermost: StandInProcess
) -> None:
    """Nobody has examined that; what is kept would be its continuation."""
    direct = at_mattermost(uploader, mattermost)
    session = uploader.begin("kept.txt", SIZE)
    assert uploader.send(session, FIRST).status == 204
    gateway.orders.examining.unlink(missing_ok=True)
    with ordered(gateway.orders.wait), uploader.sending(session, len(REST)) as wire:
        wire.send(REST)
        gateway.wait_for(gateway.orders.examining.exists)
        assert direct.send(session, ILL[:LEAST]).status == 204
        gateway.orders.wait.unlink()
        assert error(wire.response()) == UNVERIFIED
    assert gateway.kept == {}
    assert error(uploader.send(session, b"")) == UNVERIFIED
    assert chunks_received(mattermost) == [LEAST]


def test_who_is_logged_out_meanwhile(
    uploader: Uploader, gateway: KeepingGateway, mattermost: StandInProcess
) -> None:
    """The file waits for the next login."""
    session = uploader.begin("kept.txt", SIZE)
    mattermost.control(endpoint=DATA, times=1, status=401, body='{"id": "a.b", "message": "No."}')
    assert error(uploader.send(session, CONTENT)) == (401, "a.b")
    assert_stored(mattermost, uploader.send(session, b""), CONTENT)
