"""Framing of forms: what passes, what is refused, how little is held back."""

import httpx
import pytest

from gateway.body.content_type import form_boundary
from gateway.body.multipart import (
    Event,
    Fault,
    FormEnd,
    MultipartParser,
    PartBegin,
    PartData,
    PartEnd,
)
from gateway.body.part_headers import PartHeaders
from gateway.refusals import unreadable_form_value, unreadable_request

CHANNEL = b'--XX\r\nContent-Disposition: form-data; name="channel_id"\r\n\r\nabc\r\n'
FILE = (
    b'--XX\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\naaa\r\n"
)
END = b"--XX--\r\n"
CONTENT_OPENED = b'--XX\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
FAULTS_BEHIND_A_PART = {
    "junk behind the delimiter": b"--XXq\r\n",
    "a space behind the delimiter": b"--XX \r\n",
    "a bare line feed behind the delimiter": b"--XX\nX: x",
    "half an end": b"--XX-\r\n",
    "something behind the end": b"--XX--more",
    "a line behind the end": b"--XX--\r\n\r\n",
    "a second form": END + FILE + END,
    "a header without a name": b"--XX\r\n: x\r\n\r\n" + END,
    "a header without its carriage return": b"--XX\r\nX: x\n",
    "a part without headers": b"--XX\r\n\r\n",
    "too long a header": b"--XX\r\nX: " + b"x" * 10_000,
    "a boundary where content begins": CONTENT_OPENED + END,
}


def read(body: bytes, chunk_size: int | None = None, boundary: bytes = b"XX") -> list[Event]:
    parser = MultipartParser(boundary)
    events = []
    step = chunk_size or len(body) or 1
    for position in range(0, len(body), step):
        events += parser.feed(body[position : position + step])
    return events + parser.finish()


def content(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, PartData))


def fault(events: list[Event]) -> Fault:
    """The fault that is the last of ``events``, and the only one."""
    *before, last = events
    assert isinstance(last, Fault)
    assert not any(isinstance(event, Fault | FormEnd) for event in before)
    return last


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
def test_what_readers_disagree_about_is_a_fault(body: bytes, chunk_size: int | None) -> None:
    assert fault(read(body, chunk_size)).refusal.id == "gateway.ambiguous_request"


@pytest.mark.parametrize("chunk_size", [None, 1])
@pytest.mark.parametrize(
    "body", [b"garbage", b"", b"--X", b"--YY\r\n", b"x" * 5000, b"x" * 5000 + b"\r\n" + FILE + END]
)
def test_a_body_without_its_boundary_gets_mattermosts_answer(
    body: bytes, chunk_size: int | None
) -> None:
    assert fault(read(body, chunk_size)).refusal == unreadable_request()


def test_a_body_without_its_boundary_is_not_read_to_its_end() -> None:
    assert fault(MultipartParser(b"XX").feed(b"x" * 5000)).refusal == unreadable_request()


# What stands before a fault was read well.


@pytest.mark.parametrize("chunk_size", [None, 1, 2, 3])
@pytest.mark.parametrize("behind", FAULTS_BEHIND_A_PART)
def test_a_part_before_a_fault_is_complete(behind: str, chunk_size: int | None) -> None:
    events = read(CHANNEL + FILE + FAULTS_BEHIND_A_PART[behind], chunk_size)
    assert content(events) == b"abcaaa"
    assert events.count(PartEnd()) == 2
    assert fault(events).refusal.id == "gateway.ambiguous_request"
    assert not fault(events).truncated


def test_nothing_comes_after_a_fault() -> None:
    parser = MultipartParser(b"XX")
    (*_, end, found) = parser.feed(FILE + b"--XX--x" + CHANNEL)
    assert (end, found) == (PartEnd(), parser.fault)
    assert parser.feed(FILE + END) == []
    assert parser.finish() == []


BARE = b"aaa\n--XX--\nbbb\n--XX\nccc"
"""Content in which readers that take bare line feeds for line breaks see two delimiters."""


@pytest.mark.parametrize("chunk_size", [None, 1, 2, 3, 7])
@pytest.mark.parametrize("next_part", [b"", CHANNEL])
def test_a_bare_delimiter_is_content_and_a_fault_behind_it(
    next_part: bytes, chunk_size: int | None
) -> None:
    """As Mattermost reads it: of what is being forwarded nothing may be missing."""
    events = read(CONTENT_OPENED + BARE + b"\r\n" + next_part + END, chunk_size)
    assert content(events) == BARE
    assert events[-2] == PartEnd()
    assert "line feed" in fault(events).refusal.message


@pytest.mark.parametrize("chunk_size", [None, 1])
def test_a_bare_delimiter_is_the_fault_of_a_form_that_ends_with_it(chunk_size: int | None) -> None:
    events = read(CONTENT_OPENED + b"aaa\n--XX--\n", chunk_size)
    assert PartEnd() not in events
    assert "line feed" in fault(events).refusal.message


@pytest.mark.parametrize("cut", range(7))
def test_the_fault_of_a_bare_delimiter_is_known_at_once(cut: int) -> None:
    """Whoever has forwarded nothing yet need not go on."""
    parser = MultipartParser(b"XX")
    parser.feed(CONTENT_OPENED + b"aaa" + b"\n--XX"[:cut])
    parser.feed(b"\n--XX"[cut:])
    noted = parser.fault
    assert noted is not None
    assert fault(parser.feed(b"bbb\r\n" + END)) == noted


def test_a_chunk_that_begins_with_a_bare_line_feed_and_the_boundary() -> None:
    parser = MultipartParser(b"XX")
    parser.feed(CONTENT_OPENED + b"aaa")
    assert content(parser.feed(b"\n--XX--\r\n")) == b"\n--XX--"
    assert parser.fault is not None


def test_many_bare_delimiters_do_not_cut_content_into_pieces() -> None:
    parser = MultipartParser(b"XX")
    parser.feed(CONTENT_OPENED + b"aaa")
    chunk = b"\n--XX" * 1000
    assert parser.feed(chunk) == [PartData(chunk)]


def test_a_fault_where_content_begins_lets_nothing_of_it_through() -> None:
    events = read(CONTENT_OPENED + END, 1)
    assert content(events) == b""
    assert PartEnd() not in events
    assert not fault(events).truncated


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
    refusal = unreadable_request() if form_value is None else unreadable_form_value(form_value)
    assert fault(read(body)) == Fault(refusal, truncated=True)


def test_a_part_is_complete_with_its_delimiter() -> None:
    """Not before it, whatever was sent; and whatever follows it, or does not."""
    body = FILE + END
    complete = len(FILE + b"--XX")
    for length in range(len(body) + 1):
        parser = MultipartParser(b"XX")
        events = parser.feed(body[:length])
        assert (PartEnd() in events) == (length >= complete)
        whole = length in (len(body), len(body) - len(b"\r\n"))
        assert parser.finish() == ([FormEnd()] if whole else [parser.fault])
        assert (parser.fault is None) == whole


def test_a_fault_is_known_with_the_event() -> None:
    parser = MultipartParser(b"XX")
    assert fault(parser.feed(b"preamble\r\n" + FILE)) == parser.fault


def test_limit_of_parts() -> None:
    parser = MultipartParser(b"XX", max_parts=2)
    parser.feed(CHANNEL + CHANNEL)
    assert parser.fault is None
    assert "more than 2 parts" in fault(parser.feed(CHANNEL)).refusal.message


@pytest.mark.parametrize("chunk_size", [1, 1000])
def test_limit_of_header_bytes(chunk_size: int) -> None:
    lines = b'Content-Disposition: form-data; name="a"\r\n'
    lines += b"X: " + b"x" * (200 - len(lines) - 7) + b"\r\n\r\n"
    assert len(lines) == 200
    for limit in (200, 199):
        parser = MultipartParser(b"XX", max_header_bytes=limit)
        parser.feed(b"--XX\r\n")
        events: list[Event] = []
        for position in range(0, 200, chunk_size):
            events += parser.feed(lines[position : position + chunk_size])
        (event,) = events
        assert isinstance(event, PartBegin if limit == 200 else Fault)


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
    assert parser.feed(b"\r\n--" + boundary + b"--")[-1] == PartEnd()
    assert parser.finish() == [FormEnd()]
