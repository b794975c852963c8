"""``POST /uploads/{id}``: chunks in every form become exactly the file."""

import json
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.books import Books
from tests.promises.support import cut, reset
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, field, file_part

from .support import (
    ASKED,
    DATA,
    LEAST,
    MIB,
    TOO_LONG,
    TOO_SMALL,
    Uploader,
    assert_stored,
    chunks_received,
    error,
    novel,
)

SIZE = 8 * MIB
CONTENT = novel(SIZE)
FIRST, REST = CONTENT[:LEAST], CONTENT[LEAST:]


def test_a_file_in_many_chunks(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    assert uploader.send(session, FIRST).status == 204
    assert books.reserved() == SIZE
    for start in (LEAST, LEAST + 1, LEAST + 2 * MIB):
        assert uploader.offset(session) == start
        following = {LEAST: LEAST + 1, LEAST + 1: LEAST + 2 * MIB}.get(start, SIZE)
        answer = uploader.send(session, CONTENT[start:following])
    assert_stored(mattermost, answer, CONTENT)
    assert chunks_received(mattermost) == [LEAST, 1, 2 * MIB - 1, MIB]
    books.assert_exact(SIZE)


@pytest.mark.parametrize("size", [1, 20, 40_960, 40_961, 100_000, MIB + 1])
def test_a_small_file_in_one_chunk(
    size: int, uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    content = novel(size)
    assert_stored(mattermost, uploader.send(uploader.begin("a.txt", size), content), content)
    books.assert_exact(size)


def test_chunks_of_unknown_length(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    """They are received whole, and sent on with their length."""
    session = uploader.begin("novel.txt", SIZE)
    assert uploader.send_chunked(session, cut(FIRST)).status == 204
    assert_stored(mattermost, uploader.send_chunked(session, cut(REST)), CONTENT)
    for upload in mattermost.state()["uploads"]:
        assert "content-length" in dict(upload["headers"])
    books.assert_exact(SIZE)


def test_the_first_part_of_a_form_whatever_it_is_called(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    """Its bytes go on raw, and nothing of the form around them."""
    session = uploader.begin("novel.txt", SIZE)
    parts = field("thing", FIRST.decode()), file_part("other.exe", b"MZ" + bytes(100))
    assert uploader.send_form(session, *parts).status == 204
    assert uploader.offset(session) == LEAST
    assert_stored(mattermost, uploader.send_form(session, file_part("b.bin", REST)), CONTENT)
    assert chunks_received(mattermost) == [LEAST, len(REST)]
    for upload in mattermost.state()["uploads"]:
        assert dict(upload["headers"])["content-type"] == "application/octet-stream"
    books.assert_exact(SIZE)


def test_a_chunk_declared_as_something_else(uploader: Uploader, mattermost: StandInProcess) -> None:
    """Mattermost itself would read this one as a form, and store nothing."""
    content = b"a=b&c=%41"
    session = uploader.begin("a.txt", len(content))
    declared = ("Content-Type", "application/x-www-form-urlencoded")
    assert_stored(mattermost, uploader.send(session, content, declared), content)


BAD_TYPES = {
    "no boundary": ("multipart/form-data", (400, "api.upload.upload_data.invalid_content_type")),
    "unreadable": ("multi part", (400, "api.upload.upload_data.invalid_content_type")),
    "mixed": ("multipart/mixed; boundary=x", (400, "gateway.ambiguous_request")),
}


@pytest.mark.parametrize("kind", BAD_TYPES)
def test_a_bad_content_type(kind: str, uploader: Uploader, mattermost: StandInProcess) -> None:
    content_type, expected = BAD_TYPES[kind]
    session = uploader.begin("a.txt", 5)
    answer = uploader.send(session, b"hello", ("Content-Type", content_type))
    assert error(answer) == expected
    assert chunks_received(mattermost) == []


BAD_FORMS = {
    "empty": b"--XboundaryX--\r\n",
    "cut within its headers": b"--XboundaryX\r\nContent-Disp",
    "cut within its part": b'--XboundaryX\r\nContent-Disposition: form-data; name="a"\r\n\r\nhel',
    "cut behind its part": (
        b'--XboundaryX\r\nContent-Disposition: form-data; name="a"\r\n\r\nhello\r\n--XboundaryX'
    ),
}


@pytest.mark.parametrize("kind", BAD_FORMS)
def test_a_bad_form(kind: str, uploader: Uploader, mattermost: StandInProcess) -> None:
    session = uploader.begin("a.txt", 5)
    form = ("Content-Type", "multipart/form-data; boundary=XboundaryX")
    answer = uploader.send(session, BAD_FORMS[kind], form)
    assert error(answer) == (400, "api.upload.upload_data.multipart_error")
    assert chunks_received(mattermost) == []
    assert uploader.send(session, b"hello").status == 200


# Lengths.


def test_more_than_is_left_is_refused_unread(uploader: Uploader) -> None:
    session = uploader.begin("novel.txt", SIZE)
    expect = ("Expect", "100-continue")
    with uploader.sending(session, SIZE + 1, expect) as wire:
        assert error(wire.response()) == TOO_LONG
    assert uploader.send(session, FIRST).status == 204
    with uploader.sending(session, len(REST) + 1, expect) as wire:
        assert error(wire.response()) == TOO_LONG
    with uploader.sending(session, len(REST), expect) as wire:
        assert wire.interim() == 100
        wire.send(REST)
        assert wire.response().status == 200


def test_more_than_is_left_of_unknown_length(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    """Counted, and refused before anything of it has gone on."""
    session = uploader.begin("novel.txt", SIZE)
    assert error(uploader.send_chunked(session, cut(CONTENT + b"!"))) == TOO_LONG
    assert error(uploader.send_form(session, file_part("a", CONTENT + b"!"))) == TOO_LONG
    assert uploader.send(session, FIRST).status == 204
    assert error(uploader.send_chunked(session, cut(REST + b"!"))) == TOO_LONG
    assert error(uploader.send_form(session, file_part("a", REST + b"!"))) == TOO_LONG
    assert chunks_received(mattermost) == [LEAST]
    assert uploader.send_chunked(session, cut(REST)).status == 200
    books.assert_exact(SIZE)


def test_a_body_without_an_end(uploader: Uploader, mattermost: StandInProcess) -> None:
    """It is refused with the first byte too many, not when a disk is full."""
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, None) as wire:
        for piece in cut(CONTENT + b"!"):
            wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        assert error(wire.response()) == TOO_LONG
    assert chunks_received(mattermost) == []


@pytest.mark.parametrize("size", [0, 1, 1000, 40_960, LEAST - 1])
def test_a_first_chunk_that_is_too_small(
    size: int, uploader: Uploader, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, size, ("Expect", "100-continue")) as wire:
        assert error(wire.response()) == TOO_SMALL
    assert error(uploader.send_chunked(session, cut(CONTENT[:size]))) == TOO_SMALL
    assert error(uploader.send_form(session, file_part("a", CONTENT[:size]))) == TOO_SMALL
    assert chunks_received(mattermost) == []
    assert uploader.send(session, CONTENT).status == 200


def test_empty_chunks_in_between(uploader: Uploader, mattermost: StandInProcess) -> None:
    session = uploader.begin("novel.txt", SIZE)
    assert uploader.send(session, FIRST).status == 204
    assert uploader.send(session, b"").status == 204
    assert uploader.send_chunked(session, []).status == 204
    assert uploader.send_form(session, file_part("a", b"")).status == 204
    assert uploader.offset(session) == LEAST
    assert_stored(mattermost, uploader.send(session, REST), CONTENT)


def test_an_empty_chunk_completes_what_is_all_there(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    """As Mattermost does it after its own trouble with a file of which it has every byte."""
    session = uploader.begin("novel.txt", SIZE)
    assert uploader.send(session, FIRST).status == 204
    everything = uploader.ask(session).json() | {"file_offset": SIZE}
    mattermost.control(endpoint=ASKED, times=1, status=200, body=json.dumps(everything))
    mattermost.control(endpoint=DATA, times=1, status=200, body='{"id": "x"}')
    assert uploader.send(session, b"").status == 200
    assert books.reserved() == 0
    assert books.charged() - books.start[0] == SIZE


# Interrupted, and resumed.


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_client_that_goes_away_and_resumes(
    how: str, uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, SIZE) as wire:
        wire.send(CONTENT[: 6 * MIB])
        mattermost.wait_for(lambda s: [u["body_bytes"] for u in s["uploads"]] == [6 * MIB])
        if how == "reset":
            reset(wire)
    mattermost.wait_for(lambda s: all(u["status"] for u in s["uploads"]))
    assert books.reserved() == SIZE
    offset = uploader.offset(session)
    assert LEAST <= offset <= 6 * MIB
    assert_stored(mattermost, uploader.send(session, CONTENT[offset:]), CONTENT)
    books.assert_exact(SIZE)


def test_a_client_that_goes_away_within_the_head(
    uploader: Uploader, books: Books, mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, SIZE) as wire:
        wire.send(CONTENT[:10_000])
    gateway.wait_for_log("request", outcome="aborted", path=f"/api/v4/uploads/{session}")
    assert chunks_received(mattermost) == []
    assert_stored(mattermost, uploader.send(session, CONTENT), CONTENT)
    books.assert_exact(SIZE)


def test_a_mattermost_that_breaks_off(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    mattermost.control(endpoint=DATA, times=1, close_after=6 * MIB)
    assert error(uploader.send(session, CONTENT)) == (502, "gateway.upstream_failed")
    assert books.reserved() == SIZE
    offset = uploader.offset(session)
    assert_stored(mattermost, uploader.send(session, CONTENT[offset:]), CONTENT)
    books.assert_exact(SIZE)


def test_an_early_answer_reaches_the_client(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    mattermost.control(
        endpoint=DATA,
        times=1,
        status=500,
        body='{"id": "a.b", "message": "No."}',
        stop_reading=True,
    )
    with uploader.sending(session, SIZE) as wire:
        wire.send(FIRST)
        assert error(wire.response()) == (500, "a.b")
    assert uploader.send(session, CONTENT).status == 200
    books.assert_exact(SIZE)


def test_what_was_sent_whole_and_never_answered_can_be_sent_again(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    session = uploader.begin("novel.txt", SIZE)
    mattermost.control(endpoint=DATA, times=1, close_after=SIZE)
    assert uploader.send(session, CONTENT).status == 502
    assert books.reserved() == SIZE
    assert_stored(mattermost, uploader.send(session, CONTENT[uploader.offset(session) :]), CONTENT)
    books.assert_exact(SIZE)


# Mattermost has the last word on who may ask.


def test_a_session_that_is_unknown_or_somebody_elses(
    uploader: Uploader, admin: Uploader, mattermost: StandInProcess
) -> None:
    session = uploader.begin("a.txt", 5)
    other = Client(uploader.client.address, mattermost.user_token, mattermost.channel_id)
    for target, who, expected in (
        (session, Uploader(other), (403, "api.upload.get_upload.forbidden.app_error")),
        (session, admin, (403, "api.context.permissions.app_error")),
        ("z" * 26, uploader, (404, "app.upload.get.app_error")),
        ("abc", uploader, (400, "api.context.invalid_url_param.app_error")),
    ):
        with who.sending(target, 5, ("Expect", "100-continue")) as wire:
            assert error(wire.response()) == expected
    assert chunks_received(mattermost) == []
    assert uploader.send(session, b"hello").status == 200


def test_a_credential_in_the_query_goes_along(
    uploader: Uploader, mattermost: StandInProcess
) -> None:
    """As with other uploads; Mattermost lets no session's token pass there."""
    client = uploader.client
    session = uploader.begin("a.txt", 5)
    query = f"?access_token={client.token}"
    for target in ("/api/v4/uploads", f"/api/v4/uploads/{session}"):
        stranger = Client(client.address, "", client.channel_id)
        answer = stranger.request("POST", target + query, ("Cookie", "a=b"), body=b"hello")
        assert answer.status == 401
    assert chunks_received(mattermost) == []


def test_mattermost_in_a_subpath(tmp_path: Path) -> None:
    with (
        StandInProcess(tmp_path / "data", subpath="/chat") as mattermost,
        GatewayProcess(mattermost.url, tmp_path / "gateway") as gateway,
    ):
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        body = b'{"channel_id":"%s","filename":"a.txt","file_size":5}' % client.channel_id.encode()
        session = client.request("POST", "/chat/api/v4/uploads", body=body).json()["id"]
        answer = client.request("POST", f"/chat/api/v4/uploads/{session}", body=b"hello")
        assert_stored(mattermost, answer, b"hello")
