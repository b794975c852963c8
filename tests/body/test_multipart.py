"""Framing of forms: what passes, what is refused, how little is held back."""

import httpx
import pytest

from gateway.body.content_type import form_boundary
from gateway.body.multipart import (
    Event,
    FormEnd,
    MultipartParser,
    PartBegin,
    PartData,
    PartEnd,
    Truncated,
)
from gateway.body.part_headers import PartHeaders
from gateway.refusals import Refused

CHANNEL = b'--XX\r\nContent-Disposition: form-data; name="channel_id"\r\n\r\nabc\r\n'
FILE = (
    b'--XX\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\naaa\r\n"
)
END = b"--XX--\r\n"
CONTENT_OPENED = b'--XX\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'


def read(body: bytes, chunk_size: int | None = None, boundary: bytes = b"XX") -> list[Event]:
    parser = MultipartParser(boundary)
    events = []
    step = chunk_size or len(body) or 1
    for position in range(0, len(body), step):
        events += parser.feed(body[position : position + step])
    return events + parser.finish()


def content(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, PartData))


def test_a_form_becomes_events() -> None:
    assert read(CHANNEL + FILE + END) == [
        PartBegin(PartHeaders("channel_id", None, None)),
        PartData(b"abc"),
        PartEnd(),
        PartBegin(PartHeaders("files", "a.txt", "text/plain")),
        PartData(b"aaa"),
        PartEnd(),
        FormEnd(),
    ]


def test_a_form_that_httpx_wrote() -> None:
    data = bytes(range(256)) * 100
    request = httpx.Request(
        "POST",
        "http://mattermost.example/api/v4/files",
        data={"channel_id": "abc"},
        files={"files": ('名\\"前.txt', data, "text/plain")},
    )
    boundary = form_boundary([request.headers["content-type"].encode()])
    assert boundary is not None
    events = read(request.read(), chunk_size=1000, boundary=boundary)
    assert PartBegin(PartHeaders("channel_id", None, None)) in events
    assert PartBegin(PartHeaders("files", "名\\%22前.txt", "text/plain")) in events
    assert content(events) == b"abc" + data


def test_a_form_byte_by_byte() -> None:
    events = read(CHANNEL + FILE + END, chunk_size=1)
    assert content(events) == b"abcaaa"
    assert [type(event) for event in events if not isinstance(event, PartData)] == [
        PartBegin,
        PartEnd,
        PartBegin,
        PartEnd,
        FormEnd,
    ]


@pytest.mark.parametrize("chunk_size", [None, 1])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(FILE + b"--XX--", id="no line break at the end"),
        pytest.param(b"\r\n" + FILE + END, id="line break before the first boundary"),
        pytest.param(b"--XX--\r\n", id="no parts"),
        pytest.param(CONTENT_OPENED + b"\r\n" + END, id="empty part"),
    ],
)
def test_accepted_framing(body: bytes, chunk_size: int | None) -> None:
    assert read(body, chunk_size)[-1] == FormEnd()


@pytest.mark.parametrize("chunk_size", [None, 1, 2, 3, 7])
@pytest.mark.parametrize(
    "data",
    [
        b"--XX",
        b"-",
        b"--",
        b"--X",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\r\n",
        b"\r\n-",
        b"\r\n--X",
        b"\r\n--X\r\n--X",
        b"\n--X",
        b"\r\n -XX",
        b"\r\n-- XX",
        b"\r\r\n\n--X",
        b" --XX--\r\n",
        b"x--XX--\r\n",
        b"\r--XX\r\n",
        b"\r\n--xx\r\n",
        b"\r\n--YY\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--YY--\r\n",
        bytes(range(256)) * 3,
    ],
)
def test_content_like_a_boundary_passes(data: bytes, chunk_size: int | None) -> None:
    if data.startswith(b"--XX"):
        data = b"." + data
    assert content(read(CONTENT_OPENED + data + b"\r\n" + END, chunk_size)) == data


@pytest.mark.parametrize("chunk_size", [None, 1])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"preamble\r\n" + FILE + END, id="preamble"),
        pytest.param(b"\r\n\r\n" + FILE + END, id="empty lines first"),
        pytest.param(FILE.replace(b"XX\r\n", b"XX\n") + END, id="bare line feed after boundary"),
        pytest.param(FILE.replace(b"plain\r\n", b"plain\n") + END, id="bare line feed in headers"),
        pytest.param(FILE.replace(b"\r\n\r\n", b"\n\n") + END, id="bare empty line"),
        pytest.param(FILE.replace(b"aaa\r\n", b"aaa\n") + END, id="bare line feed before boundary"),
        pytest.param(FILE.replace(b"aaa\r\n", b"\n") + END, id="bare line feed and no content"),
        pytest.param(FILE.replace(b"aaa", b"a\n--XX--") + END, id="bare boundary in content"),
        pytest.param(FILE.replace(b"aaa", b"a\r\n\n--XX") + END, id="bare boundary after a line"),
        pytest.param(FILE.replace(b"aaa\r\n", b"") + END, id="boundary where content begins"),
        pytest.param(FILE.replace(b"XX\r\n", b"XX \r\n") + END, id="space after boundary"),
        pytest.param(FILE.replace(b"XX\r\n", b"XX\t\r\n") + END, id="tab after boundary"),
        pytest.param(FILE.replace(b"aaa", b"a\r\n--XXa") + END, id="boundary as a prefix"),
        pytest.param(FILE + b"--XX-\r\n", id="half an end"),
        pytest.param(FILE + b"--XX--\r\nepilogue", id="epilogue"),
        pytest.param(FILE + b"--XX--\r\n\r\n", id="empty line at the end"),
        pytest.param(FILE + b"--XX-- \r\n", id="space after the end"),
        pytest.param(FILE + b"--XX--\n", id="bare line feed after the end"),
        pytest.param(FILE + END + FILE + END, id="a second form"),
        pytest.param(b"--XX\r\n\r\naaa\r\n" + END, id="no headers"),
        pytest.param(FILE.replace(b"Content-Type:", b" x") + END, id="folded header"),
    ],
)
def test_what_readers_disagree_about_is_refused(body: bytes, chunk_size: int | None) -> None:
    with pytest.raises(Refused) as refused:
        read(body, chunk_size)
    assert refused.value.refusal.id == "gateway.ambiguous_request"


@pytest.mark.parametrize("chunk_size", [None, 1])
@pytest.mark.parametrize(
    "body", [b"garbage", b"", b"--X", b"--YY\r\n", b"x" * 5000, b"x" * 5000 + b"\r\n" + FILE + END]
)
def test_a_body_without_its_boundary_gets_mattermosts_answer(
    body: bytes, chunk_size: int | None
) -> None:
    with pytest.raises(Refused) as refused:
        read(body, chunk_size)
    assert refused.value.refusal.id == "api.file.upload_file.read_request.app_error"


def test_a_body_without_its_boundary_is_not_read_to_its_end() -> None:
    with pytest.raises(Refused):
        MultipartParser(b"XX").feed(b"x" * 5000)


def test_a_chunk_that_begins_with_a_bare_line_feed_and_the_boundary() -> None:
    parser = MultipartParser(b"XX")
    parser.feed(CONTENT_OPENED + b"aaa")
    with pytest.raises(Refused, match="ambiguous"):
        parser.feed(b"\n--XX--\r\n")


@pytest.mark.parametrize(
    ("body", "form_value"),
    [
        # As recorded with Mattermost 5.37.
        (b'--XX\r\nContent-Disposition: form-data; name="channel_id"\r\n\r\n', "channel_id"),
        (CHANNEL[:-2], "channel_id"),
        (CHANNEL + b"--X", "channel_id"),
        (CHANNEL + b"--XX", None),
        (CHANNEL + b"--XX-", None),
        (CHANNEL + b"--XX--\r", None),
        (CHANNEL + b"--XX\r\nContent-Disp", None),
        (CHANNEL + FILE, None),
        (CHANNEL + FILE[:-4], None),
    ],
)
def test_where_a_form_was_cut(body: bytes, form_value: str | None) -> None:
    with pytest.raises(Truncated) as truncated:
        read(body)
    assert truncated.value.form_value == form_value
    error = "read_request" if form_value is None else "read_form_value"
    assert truncated.value.refusal.id == f"api.file.upload_file.{error}.app_error"


def test_no_file_of_a_cut_form_is_complete() -> None:
    """The last file ends only with the body: what follows it can still be refused."""
    body = FILE + END
    for length in range(len(body) - 1):
        parser = MultipartParser(b"XX")
        assert PartEnd() not in parser.feed(body[:length])
        if length != len(body) - len(b"\r\n"):
            with pytest.raises(Truncated):
                parser.finish()


def test_a_file_is_complete_once_the_next_part_begins() -> None:
    parser = MultipartParser(b"XX")
    assert PartEnd() not in parser.feed(FILE + b"--XX\r")
    assert parser.feed(b"\n") == [PartEnd()]


def test_limit_of_parts() -> None:
    parser = MultipartParser(b"XX", max_parts=2)
    parser.feed(CHANNEL + CHANNEL)
    with pytest.raises(Refused, match="ambiguous"):
        parser.feed(CHANNEL)


@pytest.mark.parametrize("chunk_size", [1, 1000])
def test_limit_of_header_bytes(chunk_size: int) -> None:
    lines = b'Content-Disposition: form-data; name="a"\r\n'
    lines += b"X: " + b"x" * (200 - len(lines) - 7) + b"\r\n\r\n"
    assert len(lines) == 200
    for limit in (200, 199):
        parser = MultipartParser(b"XX", max_header_bytes=limit)
        parser.feed(b"--XX\r\n")
        events: list[Event] = []
        try:
            for position in range(0, 200, chunk_size):
                events += parser.feed(lines[position : position + chunk_size])
        except Refused:
            assert limit == 199
        assert bool(events) == (limit == 200)


def test_limits_are_per_part() -> None:
    body = (CHANNEL * 50) + END
    parser = MultipartParser(b"XX", max_header_bytes=100)
    parser.feed(body)
    assert parser.finish()[-1] == FormEnd()


def test_chunks_of_content_pass_without_being_copied() -> None:
    parser = MultipartParser(b"XX")
    first = CONTENT_OPENED + b"a" * 1000
    begin, data = parser.feed(first)
    assert isinstance(begin, PartBegin)
    assert isinstance(data, PartData)
    assert isinstance(data.data, memoryview)
    assert data.data.obj is first
    chunk = b"b" * 1000
    (event,) = parser.feed(chunk)
    assert isinstance(event, PartData)
    assert event.data is chunk


class CountedBytes(bytes):
    """Counts searches."""

    searches = 0

    def find(self, *args: object) -> int:
        self.searches += 1
        return super().find(*args)  # type: ignore[arg-type]

    def rfind(self, *args: object) -> int:
        self.searches += 1
        return super().rfind(*args)  # type: ignore[arg-type]


def test_near_misses_cost_no_more_than_other_content() -> None:
    boundary = b"x" * 70
    parser = MultipartParser(boundary)
    parser.feed(CONTENT_OPENED.replace(b"XX", boundary))
    chunk = CountedBytes(b"\r\n--" + boundary[:-1] + b"\r\n--x\r" * 10_000)
    parser.feed(chunk)
    events = parser.feed(chunk)
    assert chunk.searches == 4
    assert len(events) == 2


def test_what_is_held_back_never_exceeds_the_delimiter() -> None:
    boundary = b"x" * 70
    delimiter = b"\r\n--" + boundary
    parser = MultipartParser(boundary)
    parser.feed(CONTENT_OPENED.replace(b"XX", boundary))
    sent = b"".join(delimiter[:length] for length in range(len(delimiter))) * 2
    passed = b""
    for position in range(len(sent)):
        passed += content(parser.feed(sent[position : position + 1]))
        assert position + 1 - len(passed) == parser.held < len(delimiter)
        assert sent.startswith(passed)
    parser.feed(b"\r\n--" + boundary + b"--")
    assert parser.finish() == [PartEnd(), FormEnd()]
