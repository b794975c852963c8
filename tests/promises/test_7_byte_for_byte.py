"""Promise 7: whatever is asked and answered, both sides see what they would see without us."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.gateway import GatewayProcess
from tests.support.origin import Origin, Received, Visit
from tests.support.wire import Wire, WireResponse

Headers = list[tuple[str, str]]

# RFC 9110, 7.6.1.
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
    "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
FRAMING = {"content-length", "transfer-encoding"}
SAID_BY_THE_GATEWAY = {
    "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
    "x-request-id", "traceparent", "tracestate",
}  # fmt: skip
NOT_RANDOM = HOP_BY_HOP | FRAMING | SAID_BY_THE_GATEWAY | {
    "host", "expect", "content-type", "authorization", "date",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    target: str
    headers: Headers
    body: list[bytes]
    framing: str
    """``none``, ``length`` or ``chunked``."""

    def on_the_wire(self) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: chat.example:8065"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n"
        return head + framed(self.body, self.framing)


@dataclass(frozen=True)
class Answered:
    """What it is answered."""

    interims: list[tuple[int, Headers]]
    status: int
    reason: str
    headers: Headers
    body: list[bytes]
    framing: str
    """``close``, ``length`` or ``chunked``."""

    def on_the_wire(self, *, bodiless: bool) -> bytes:
        head = ""
        for status, headers in self.interims:
            head += f"HTTP/1.1 {status} Wait\r\n{lines_of(headers)}\r\n"
        head += f"HTTP/1.1 {self.status} {self.reason}\r\n{lines_of(self.headers)}"
        rest = framed(self.body, self.framing)
        if bodiless:
            rest = rest.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if self.framing != "close" else b""
        return head.encode("latin-1") + (rest or b"\r\n")


def lines_of(headers: Headers) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers)


def framed(body: list[bytes], framing: str) -> bytes:
    """The framing's header, an empty line, and the body."""
    whole = b"".join(body)
    if framing == "length":
        return b"Content-Length: %d\r\n\r\n%s" % (len(whole), whole)
    if framing == "chunked":
        chunks = [b"%x;of=us\r\n%s\r\n" % (len(piece), piece) for piece in body if piece]
        end = b"0\r\nX-Trailer: 1\r\n\r\n"
        return b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + end
    return b"\r\n" + whole


TOKENS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
VALUES = st.text([chr(c) for c in [9, *range(32, 127), *range(128, 256)]], max_size=20).map(
    lambda value: value.strip(" \t")
)
NAMES = st.text(TOKENS, min_size=1, max_size=10).filter(lambda n: n.lower() not in NOT_RANDOM)


def headers_of(*names: str) -> st.SearchStrategy[Headers]:
    """Random headers, some of them with ``names``, and one that Connection names."""
    some = st.lists(st.tuples(st.one_of(st.sampled_from(names), NAMES), VALUES), max_size=8)
    private = [("connection", "keep-alive"), ("X-Private", "1"), ("Connection", "X-Private")]
    return st.one_of(some, some.map(lambda headers: [*headers, *private]))


PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([70_000, 600_000]).map(lambda size: bytes(range(250)) * (size // 250)),
)
BODIES = st.lists(PIECES, max_size=3)
SEGMENTS = st.text("abc019-_.~!$&'()*+,;=:@", min_size=1, max_size=6).filter(
    lambda segment: segment not in (".", "..")
)
PATHS = st.lists(st.one_of(SEGMENTS, st.sampled_from(["%20", "%C3%A9", "%25", "%3F"])), max_size=4)
QUERIES = st.text([chr(c) for c in range(0x21, 0x7F) if chr(c) != "#"], min_size=1, max_size=20)
TARGETS = st.tuples(PATHS, st.one_of(st.just(""), QUERIES.map("?{}".format))).map(
    lambda parts: "/" + "/".join(parts[0]) + parts[1]
)
METHODS = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "LOCK", "M-SEARCH",
]  # fmt: skip
ASKED = st.builds(
    Asked,
    st.sampled_from(METHODS),
    TARGETS,
    headers_of("Accept", "Cookie", "Range", "Accept-Encoding", "If-None-Match", "X-One", "x-one"),
    BODIES,
    st.sampled_from(["none", "length", "chunked"]),
).map(lambda asked: asked if asked.framing != "none" else with_body(asked, []))
ANSWERED = st.builds(
    Answered,
    st.lists(
        st.tuples(st.sampled_from([100, 102, 103, 199]), headers_of("Link", "X-One")), max_size=2
    ),
    st.one_of(st.sampled_from([200, 204, 206, 304, 404]), st.integers(200, 599)),
    st.text([chr(c) for c in [*range(32, 127), *range(160, 256)]], max_size=12),
    headers_of("Set-Cookie", "set-cookie", "Location", "ETag", "Vary", "Content-Encoding", "Date"),
    BODIES,
    st.sampled_from(["close", "length", "chunked"]),
)


def with_body(asked: Asked, body: list[bytes]) -> Asked:
    return Asked(asked.method, asked.target, asked.headers, body, asked.framing)


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin(lambda visit: False) as running:
        yield running


@pytest.fixture(scope="module")
def front(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("front")
    # What may be a file is inspected; test_7_unlisted_rest.py has what may not.
    settings = {"upstream_timeout": "5s", "unlisted_uploads": "allow"}
    with GatewayProcess(origin.url, folder, **settings) as running:
        yield running


def exchange(
    address: tuple[str, int], origin: Origin, asked: Asked, answered: Answered
) -> tuple[Received, WireResponse]:
    """What the origin received, and the client was answered."""
    bodiless = asked.method == "HEAD" or answered.status in (204, 304)

    def answer(visit: Visit) -> object:
        origin.remember(visit)
        visit.send(answered.on_the_wire(bodiless=bodiless))
        return answered.framing != "close"

    origin.requests.clear()
    origin.answer = answer
    with Wire(address) as wire:
        wire.send(asked.on_the_wire())
        response = wire.response(head_only=asked.method == "HEAD")
    (received,) = origin.requests
    return received, response


def end_to_end(headers: Headers, *besides: str) -> Headers:
    """Without what belongs to the connection, and ``besides``."""
    named = [value for name, value in headers if name.lower() == "connection"]
    private = {option.strip().lower() for value in named for option in value.split(",")}
    dropped = HOP_BY_HOP | private | set(besides)
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def as_received(received: Received) -> object:
    """A request, as far as it has to be the same."""
    headers = end_to_end(received.headers, "content-length", *SAID_BY_THE_GATEWAY)
    framing = [(name.lower(), value) for name, value in received.headers if name.lower() in FRAMING]
    lower = [(name.lower(), value) for name, value in headers]
    return received.method, received.target, lower, framing, received.body


def as_answered(response: WireResponse) -> object:
    """An answer, likewise: here even the spelling of the names."""
    interims = [
        (status, end_to_end(headers)) for status, headers in response.interims if status != 100
    ]
    headers = end_to_end(response.headers, "x-request-id")
    if headers[-1:] == [("date", response.header("date"))]:
        headers.pop()  # the gateway's own, where there was none
    return response.status, response.reason, headers, response.body, interims


# What failed is told all the same, and not hidden behind a warning about its length.
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(asked=ASKED, answered=ANSWERED)
def test_both_sides_see_the_same(
    asked: Asked, answered: Answered, origin: Origin, front: GatewayProcess
) -> None:
    host, port = origin.url.removeprefix("http://").split(":")
    directly, answer = exchange((host, int(port)), origin, asked, answered)
    through, passed_on = exchange(front.address, origin, asked, answered)
    assert as_received(through) == as_received(directly)
    assert as_answered(passed_on) == as_answered(answer)
