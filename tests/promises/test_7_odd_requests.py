"""Promise 7: no way of writing a request, and nothing behind or within one, leads past the rules.

docs/http.md says what is refused; here a program is sent like that, in a form and raw.
"""

import gzip
from socket import SHUT_WR
from urllib.parse import quote

import pytest

from tests.promises.tricks import (
    FORM,
    GOOD,
    LIMIT,
    PROGRAM,
    REFUSED_FOR_ITS_CONTENT,
    Scene,
    Took,
    exchange,
)
from tests.support.wire import Wire, field

HEAD = "POST {target} HTTP/1.1\r\nHost: chat.example\r\nAuthorization: Bearer {token}\r\n"
FORM_TYPE = f"{FORM[0]}: {FORM[1]}\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n\r\n"
CLOSE = "Connection: close\r\n"
PLACES = ("raw", "emoji", "brand/image")


class Request:
    """An upload to a place, to be written in odd ways."""

    def __init__(self, scene: Scene, place: str, content: bytes | None = None) -> None:
        at = scene.places["files" if place == "raw" else place]
        content = at.content if content is None else content
        self.status = at.status
        self.target = at.path
        self.body = content if place == "raw" else at.fill(GOOD, content)
        self.kind = "" if place == "raw" else FORM_TYPE
        if place == "raw":
            self.target += f"?channel_id={scene.client.channel_id}&filename=a.txt"
        self.token = scene.client.token
        self.taken = at.taken_with(content)

    def head(self, more: str) -> bytes:
        head = HEAD.format(target=self.target, token=self.token) + self.kind
        return (head + more).encode()

    def sized(self, more: str = "") -> bytes:
        return self.head(more + f"Content-Length: {len(self.body)}\r\n\r\n") + self.body

    def chunked(self) -> bytes:
        return self.head(CHUNKED) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(self.body), self.body)


def odd_requests(request: Request) -> dict[str, bytes]:
    """Some of docs/http.md, whose own test sends all of it."""
    sized, chunked = request.sized(), request.chunked()
    length = b"Content-Length: %d\r\n" % len(request.body)
    return {
        "a length beside chunks": chunked.replace(b"Transfer-", length + b"Transfer-"),
        "chunks beside a length": sized.replace(length, length + b"Transfer-Encoding: chunked\r\n"),
        "the same length twice": sized.replace(length, length * 2),
        "another length": sized.replace(length, length + b"Content-Length: 5\r\n"),
        "a length with a sign": sized.replace(b"Length: ", b"Length: +"),
        "another coding": chunked.replace(b": chunked", b": xchunked"),
        "a coding on a second line": chunked.replace(b": chunked", b":\r\n chunked"),
        "a blank before a colon": chunked.replace(b"Encoding:", b"Encoding :"),
        "a chunk whose size is no number": chunked.replace(b"\r\n\r\n", b"\r\n\r\n0x", 1),
        "a chunk that is longer": chunked.replace(b"\r\n\r\n", b"\r\n\r\n5\r\n", 1),
        "a chunk that does not end": chunked.removesuffix(b"\r\n0\r\n\r\n") + b"0\r\n\r\n",
        "an upgrade of a chunked body": chunked.replace(
            b"Host:", b"Connection: upgrade\r\nUpgrade: h2c\r\nHost:"
        ),
        "bare line feeds": sized.replace(b"\r\n", b"\n"),
        "two hosts": sized.replace(b"Host:", b"Host: other.example\r\nHost:"),
        "a method in small letters": sized.replace(b"POST", b"post"),
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + sized,
    }


ODD = (
    "a length beside chunks", "chunks beside a length", "the same length twice", "another length",
    "a length with a sign", "another coding", "a coding on a second line", "a blank before a colon",
    "a chunk whose size is no number", "a chunk that is longer", "a chunk that does not end",
    "an upgrade of a chunked body", "bare line feeds", "two hosts", "a method in small letters",
    "HTTP/2",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ODD)
def test_an_odd_request_is_refused(kind: str, place: str, scene: Scene) -> None:
    request = Request(scene, place)
    outcome = scene.send(odd_requests(request)[kind])
    assert outcome.error is not None
    assert outcome.error[0] in (400, 501)
    assert outcome.error[1].startswith("gateway.")
    outcome.assert_nothing_passed()


# What stands behind a request, or within its body, and looks like another one.


def conversation(scene: Scene, data: bytes, *, end: bool = False) -> tuple[list[int], list[Took]]:
    """The statuses of all answers on a connection, and what Mattermost took; ``end``: the client
    sends no more."""
    statuses = []
    with scene.watching() as watch, Wire(scene.gateway.address) as wire:
        wire.send(data)
        if end:
            wire.socket.shutdown(SHUT_WR)
        while (answer := exchange(wire)) is not None:
            statuses.append(answer.status)
    return statuses, watch.outcome.took


@pytest.mark.parametrize("framing", ["sized", "chunked"])
@pytest.mark.parametrize("place", PLACES)
def test_a_request_behind_a_refused_one_is_judged_by_itself(
    place: str, framing: str, scene: Scene
) -> None:
    good, bad = Request(scene, place), Request(scene, place, PROGRAM)
    write, last = getattr(Request, framing), good.sized(CLOSE)
    statuses, took = conversation(scene, write(bad) + write(bad) + last)
    assert statuses == [415, 415, good.status]
    assert took == [good.taken]
    statuses, took = conversation(scene, write(good) + write(bad) + last)
    assert statuses == [good.status, 415, good.status]
    assert took == [good.taken, good.taken]


@pytest.mark.parametrize("place", PLACES)
def test_nothing_of_a_refused_body_is_a_request(place: str, scene: Scene) -> None:
    """The connection ends with the refusal if the body has not come to its end."""
    hidden = Request(scene, place)
    length = f"Content-Length: {LIMIT * 9}\r\n\r\n"
    refused = Request(scene, place).head(length)
    assert conversation(scene, refused + hidden.sized() * 2) == ([413], [])
    path = Request(scene, place).head(length).replace(b"/api/", b"/api//")
    assert conversation(scene, path + hidden.sized() * 2) == ([400], [])
    chunks = Request(scene, place).head(CHUNKED) + b"zz\r\n"
    assert conversation(scene, chunks + hidden.sized() * 2) == ([400], [])


def test_the_body_of_a_download_is_no_request(scene: Scene) -> None:
    hidden = Request(scene, "raw").sized()
    head = f"GET /api/v4/users/me HTTP/1.1\r\nHost: chat\r\n{CLOSE}Content-Length: {len(hidden)}"
    assert conversation(scene, head.encode() + b"\r\n\r\n" + hidden) == ([401], [])


def test_what_is_behind_a_body_is_no_part_of_it(scene: Scene) -> None:
    """It is a request, or nothing that can be understood."""
    good, bad = Request(scene, "raw"), Request(scene, "raw", PROGRAM)
    length = len(good.body)
    for more in (b"more", PROGRAM, b"\0", b"0\r\n\r\n"):
        statuses, took = conversation(scene, good.sized() + more, end=True)
        assert statuses in ([201], [201, 400])
        assert took == [good.taken]
    shorter = good.head(f"Content-Length: {length - 1}\r\n\r\n")
    statuses, took = conversation(scene, shorter + good.body + bad.sized(CLOSE))
    assert statuses == [201, 415]
    assert took == [scene.places["files"].taken_with(good.body[:-1])]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("missing", [1, 100, 100_000])
def test_a_body_that_is_shorter_than_its_length(missing: int, place: str, scene: Scene) -> None:
    request = Request(scene, place)
    length = f"Content-Length: {min(len(request.body) + missing, LIMIT)}\r\n\r\n"
    outcome = scene.send(request.head(length) + request.body, end=True)
    assert outcome.answer is None
    outcome.assert_nothing_passed()


@pytest.mark.parametrize("place", PLACES)
def test_chunks_that_are_more_than_may_pass(place: str, scene: Scene) -> None:
    at = scene.places["files" if place == "raw" else place]
    request = Request(scene, place, at.content.ljust(LIMIT + 1, b"\n"))
    outcome = scene.send(request.chunked())
    assert outcome.error == (413, "gateway.file_too_large")
    outcome.assert_nothing_passed()


# Methods and encodings.

OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", OVERRIDES)
def test_the_method_is_the_method(name: str, place: str, scene: Scene) -> None:
    bad, good = Request(scene, place, PROGRAM), Request(scene, place)
    for method in ("PUT", "GET", "DELETE"):
        outcome = scene.send(bad.sized(f"{name}: {method}\r\n"))
        assert outcome.error in REFUSED_FOR_ITS_CONTENT
        outcome.assert_nothing_passed()
    assert scene.send(good.sized(f"{name}: PUT\r\n")).took == [good.taken]
    overridden = bad.sized(f"{name}: POST\r\n")
    for other in (b"GET", b"DELETE", b"PUT", b"PATCH", b"HEAD", b"OPTIONS"):
        outcome = scene.send(overridden.replace(b"POST", other, 1), end=True)
        assert outcome.took == []
        assert not outcome.left


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "x-other", "identity, gzip"])
def test_an_encoded_body_is_refused(coding: str, place: str, scene: Scene) -> None:
    request = Request(scene, place, gzip.compress(PROGRAM))
    outcome = scene.send(request.sized(f"Content-Encoding: {coding}\r\n"))
    assert outcome.error == (415, "gateway.content_encoding_refused")
    outcome.assert_nothing_passed()


def test_line_ends_in_a_client_id_stay_in_it(scene: Scene) -> None:
    at = scene.places["files"]
    client_id = "a\r\nX-Injected: yes\r\n\r\nb\0"
    query = f"?channel_id={scene.client.channel_id}&filename=a.txt&client_id={quote(client_id)}"
    in_form = field("client_ids", client_id)
    form = at.fill(GOOD).replace(at.fill(b"{values}"), at.fill(b"{values}") + form_part(in_form))
    for outcome in (scene.post(at.path + query, at.content), scene.post(at.path, form, FORM)):
        assert outcome.answer is not None
        assert outcome.answer.header("x-injected") is None
        assert outcome.answer.json()["client_ids"] == [client_id]
        assert outcome.took == [at.taken]


def form_part(part: bytes) -> bytes:
    return b"--XboundaryX\r\n" + part + b"\r\n"
