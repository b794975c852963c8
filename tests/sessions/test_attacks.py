"""Whatever is tried: nothing that nobody inspected becomes the beginning of a file."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.books import Books
from tests.promises.support import cut, program, send_chunks
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, WireResponse, file_part

from .support import (
    ASKED,
    CONCURRENT,
    DATA,
    LEAST,
    MIB,
    TOO_LONG,
    UNVERIFIED,
    Uploader,
    assert_stored,
    chunks_received,
    error,
    novel,
)

SIZE = 8 * MIB
CONTENT = novel(SIZE)
FIRST, REST = CONTENT[:LEAST], CONTENT[LEAST:]
DENIED = (415, "gateway.type_denied")
DISGUISED = (415, "gateway.content_mismatch")


def png(size: int) -> bytes:
    """A picture, as far as its head tells."""
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89".ljust(
        size, b"\0"
    )


# The head decides.


@pytest.mark.parametrize("name", ["tool.bin", "tool.txt"])
@pytest.mark.parametrize("way", ["raw", "chunked", "form"])
@pytest.mark.parametrize("size", [1000, SIZE])
def test_a_program_is_refused_and_its_session_released(
    name: str,
    way: str,
    size: int,
    uploader: Uploader,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    session = uploader.begin(name, size)
    content = program(size)
    match way:
        case "raw":
            answer = uploader.send(session, content)
        case "chunked":
            answer = uploader.send_chunked(session, cut(content))
        case _:
            answer = uploader.send_form(session, file_part("novel.txt", content))
    assert error(answer) == (DENIED if name.endswith("bin") else DISGUISED)
    assert books.reserved() == 0
    assert error(uploader.send(session, novel(size))) == UNVERIFIED
    assert chunks_received(mattermost) == []
    books.assert_exact(0)


def test_a_program_after_a_good_head_that_mattermost_threw_away(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    """The chunk breaks off after a few bytes; what comes next is a beginning again."""
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, SIZE) as wire:
        wire.send(CONTENT[:100_000])
        mattermost.wait_for(lambda s: [u["body_bytes"] for u in s["uploads"]] == [100_000])
    mattermost.wait_for(lambda s: all(u["status"] for u in s["uploads"]))
    assert uploader.offset(session) == 0
    assert error(uploader.send(session, program(SIZE))) == DISGUISED
    assert len(chunks_received(mattermost)) == 1
    # What went by before was no program, so the session goes on, and holds what it held.
    assert books.reserved() == SIZE
    assert_stored(mattermost, uploader.send(session, CONTENT), CONTENT)
    books.assert_exact(SIZE)


def test_another_kind_of_file_after_a_head_that_passed(
    uploader: Uploader, mattermost: StandInProcess
) -> None:
    """The verdict on record stays that of whatever Mattermost may have kept."""
    session = uploader.begin("novel.txt", SIZE)
    mattermost.control(endpoint=DATA, times=1, close_after=100_000)
    assert uploader.send(session, CONTENT).status == 502
    assert error(uploader.send(session, png(SIZE))) == UNVERIFIED
    assert len(chunks_received(mattermost)) == 1
    assert_stored(mattermost, uploader.send(session, CONTENT), CONTENT)


@contextmanager
def described(
    mattermost: StandInProcess, uploader: Uploader, session: str, **other: object
) -> Iterator[None]:
    """Mattermost describes a session otherwise, once."""
    document = uploader.ask(session).json() | other
    mattermost.control(endpoint=ASKED, times=1, status=200, body=json.dumps(document))
    yield


@pytest.mark.parametrize("offset", [1, 100, 40_959])
def test_an_offset_within_the_head(
    offset: int, uploader: Uploader, mattermost: StandInProcess
) -> None:
    """The head that was inspected would be completed with other bytes."""
    session = uploader.begin("novel.txt", SIZE)
    mattermost.control(endpoint=DATA, times=1, close_after=100_000)
    assert uploader.send(session, CONTENT).status == 502
    with described(mattermost, uploader, session, file_offset=offset):
        assert error(uploader.send(session, CONTENT[offset:])) == UNVERIFIED
    assert len(chunks_received(mattermost)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"filename": "novel.exe"},
        {"file_size": SIZE + 1},
        {"type": "import"},
        {"user_id": "z" * 26},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_session_that_is_not_what_was_declared(
    other: dict[str, object], uploader: Uploader, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    with described(mattermost, uploader, session, **other):
        assert error(uploader.send(session, CONTENT)) == UNVERIFIED
    assert chunks_received(mattermost) == []


@pytest.mark.parametrize(
    "body",
    ["", "{}", "[]", '{"id": 1}', "<html>"],
)
def test_a_session_that_mattermost_does_not_describe(
    body: str, uploader: Uploader, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    mattermost.control(endpoint=ASKED, times=1, status=200, body=body)
    assert error(uploader.send(session, CONTENT)) == (502, "gateway.upstream_failed")
    mattermost.control(endpoint=ASKED, times=1, status=500, body=body)
    assert error(uploader.send(session, CONTENT)) == (502, "gateway.upstream_failed")
    assert chunks_received(mattermost) == []


# Around the gateway.


@pytest.fixture
def direct(uploader: Uploader, mattermost: StandInProcess) -> Uploader:
    """The same user, who reaches Mattermost past the gateway."""
    return Uploader(replace(uploader.client, address=("127.0.0.1", mattermost.port)))


def test_a_session_that_was_made_around_the_gateway(
    uploader: Uploader, direct: Uploader, mattermost: StandInProcess
) -> None:
    session = direct.begin("novel.txt", SIZE)
    with uploader.sending(session, SIZE, ("Expect", "100-continue")) as wire:
        assert error(wire.response()) == UNVERIFIED
    assert direct.send(session, FIRST).status == 204
    assert error(uploader.send(session, REST)) == UNVERIFIED
    assert chunks_received(mattermost) == [LEAST]


def test_a_beginning_that_was_sent_around_the_gateway(
    uploader: Uploader, direct: Uploader, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    assert direct.send(session, program(LEAST)).status == 204
    assert error(uploader.send(session, REST)) == UNVERIFIED
    assert chunks_received(mattermost) == [LEAST]


# At the same time.


def test_a_program_beside_a_chunk_on_its_way_does_not_release_its_quota(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, SIZE) as wire:
        wire.send(FIRST)
        mattermost.wait_for(lambda s: [u["body_bytes"] for u in s["uploads"]] == [LEAST])
        assert error(uploader.send(session, program(SIZE))) == DISGUISED
        assert books.reserved() == SIZE
        wire.send(REST)
        assert_stored(mattermost, wire.response(), CONTENT)
    assert chunks_received(mattermost) == [SIZE]
    books.assert_exact(SIZE)


def test_a_second_first_chunk_beside_the_first(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    """Mattermost takes one at a time; one of another verdict does not come that far."""
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, SIZE) as wire:
        wire.send(FIRST)
        mattermost.wait_for(lambda s: [u["body_bytes"] for u in s["uploads"]] == [LEAST])
        assert error(uploader.send(session, png(SIZE))) == UNVERIFIED
        assert len(chunks_received(mattermost)) == 1
        with uploader.sending(session, SIZE) as second:
            second.send(CONTENT[:100_000])
            assert error(second.response()) == CONCURRENT
        wire.send(REST)
        assert_stored(mattermost, wire.response(), CONTENT)
    books.assert_exact(SIZE)


def test_first_chunks_that_were_begun_at_the_same_time(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    """The slower one finds another verdict on record than when it came."""
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, None, ("Expect", "100-continue")) as wire:
        assert wire.interim() == 100
        mattermost.control(endpoint=DATA, times=1, close_after=100_000)
        assert uploader.send(session, png(SIZE)).status == 502
        send_chunks(wire, cut(CONTENT))
        assert error(wire.response()) == CONCURRENT
    assert len(chunks_received(mattermost)) == 1
    assert_stored(mattermost, uploader.send(session, png(SIZE)), png(SIZE))
    books.assert_exact(SIZE)


def test_many_first_chunks_at_the_same_time(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    contents = [CONTENT, png(SIZE)] * 4
    with ThreadPoolExecutor(len(contents)) as threads:
        answers = list(threads.map(lambda c: send_quietly(uploader, session, c), contents))
    (complete,) = [number for number, answer in enumerate(answers) if answer.status == 200]
    assert_stored(mattermost, answers[complete], contents[complete])
    for number, answer in enumerate(answers):
        assert number == complete or error(answer) in (
            CONCURRENT,
            UNVERIFIED,
            (404, "app.upload.get.app_error"),
        )
    books.assert_exact(SIZE)


def send_quietly(uploader: Uploader, session: str, content: bytes) -> WireResponse:
    """Send a chunk that is perhaps answered before it is all there."""
    with uploader.sending(session, len(content)) as wire:
        with suppress(OSError):
            wire.send(content)
        return wire.response()


def test_last_chunks_at_the_same_time_over_two_gateways(
    uploader: Uploader, second: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    assert second.send(session, FIRST).status == 204
    senders = [uploader, second] * 4
    with ThreadPoolExecutor(len(senders)) as threads:
        answers = list(threads.map(lambda sender: sender.send(session, REST), senders))
    (complete,) = [answer for answer in answers if answer.status == 200]
    assert_stored(mattermost, complete, CONTENT)
    for answer in answers:
        assert answer is complete or error(answer) in (
            CONCURRENT,
            UNVERIFIED,
            TOO_LONG,
            (404, "app.upload.get.app_error"),
        )
    books.assert_exact(SIZE)


# Other rules, and time.


def test_rules_that_changed_since_the_verdict(
    mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> None:
    gateway = GatewayProcess(mattermost.url, folder, denied_types="")
    with gateway:
        uploader = Uploader(Client(gateway.address, user["token"], mattermost.channel_id))
        begun = uploader.begin("tool.bin", SIZE)
        assert uploader.send(begun, program(LEAST)).status == 204
        broken = uploader.begin("tool.bin", SIZE)
        mattermost.control(endpoint=DATA, times=1, close_after=100_000)
        assert uploader.send(broken, program(SIZE)).status == 502
        fresh = uploader.begin("tool.bin", SIZE)
        declared = uploader.begin("novel.txt", SIZE)
        mattermost.reset()
        gateway.terminate()
        gateway.configure(denied_types="executables", denied_extensions="txt")
        gateway.start()
        assert error(uploader.send(begun, program(SIZE)[LEAST:])) == UNVERIFIED
        assert error(uploader.send(broken, CONTENT)) == UNVERIFIED
        assert error(uploader.send(fresh, program(SIZE))) == DENIED
        ending_denied = (403, "gateway.extension_denied")
        assert error(uploader.send(declared, CONTENT)) == ending_denied
        assert chunks_received(mattermost) == []


@pytest.fixture
def second(
    uploader: Uploader, gateway: GatewayProcess, mattermost: StandInProcess, folder: Path
) -> Iterator[Uploader]:
    """The same user at another gateway with the same ledger."""
    ledger = f"sqlite:///{gateway.folder / 'ledger.sqlite3'}"
    with GatewayProcess(
        mattermost.url, folder, quotas="user 40MiB/day", ledger_url=ledger, ledger_lease="1s"
    ) as other:
        yield Uploader(replace(uploader.client, address=other.address))


def test_a_session_that_expired(
    mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> None:
    with GatewayProcess(
        mattermost.url,
        folder,
        quotas="user 40MiB/day",
        ledger_lease="1s",
        upload_session_ttl="3s",
    ) as gateway:
        books = Books(mattermost, folder, user)
        uploader = Uploader(Client(gateway.address, user["token"], mattermost.channel_id))
        begun, fresh = uploader.begin("novel.txt", SIZE), uploader.begin("novel.txt", SIZE)
        assert uploader.send(begun, FIRST).status == 204
        assert books.reserved() > 0
        books.wait_until_nothing_is_reserved()
        assert error(uploader.send(begun, REST)) == UNVERIFIED
        assert error(uploader.send(fresh, CONTENT)) == UNVERIFIED
        assert chunks_received(mattermost) == [LEAST]
        assert uploader.offset(begun) == LEAST
        books.assert_exact(0)
