"""Promise 7: what carries no file passes byte for byte."""

import json
import queue
import threading
from collections.abc import Iterator

import pytest

from tests.promises.support import text
from tests.support.gateway import GatewayProcess
from tests.support.origin import Answer, Origin, Received, Visit
from tests.support.wire import Client, Wire, WireResponse

# Byte for byte: an upstream that tells exactly what it was sent, and sends exactly what it is told.


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as running:
        yield running


@pytest.fixture(scope="module")
def front(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway in front of that upstream."""
    with GatewayProcess(
        origin.url, tmp_path_factory.mktemp("front"), upstream_timeout="2s"
    ) as running:
        yield running


def answering(answer: bytes) -> Answer:
    def respond(visit: Visit) -> object:
        visit.read_body()
        visit.send(answer)
        return b"connection: close" not in answer.lower()

    return respond


def sent_through(origin: Origin, front: GatewayProcess, head: bytes, body: bytes = b"") -> Received:
    """What arrives upstream of a request written by hand."""

    def remember(visit: Visit) -> None:
        origin.remember(visit)
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    origin.answer = remember
    origin.requests.clear()
    with Wire(front.address) as wire:
        wire.send(head + body)
        assert wire.response(head_only=head.startswith(b"HEAD")).status == 200
    (received,) = origin.requests
    return received


def got_through(
    origin: Origin, front: GatewayProcess, answer: bytes, method: str = "GET"
) -> WireResponse:
    """What arrives at the client of an answer written by hand."""
    origin.answer = answering(answer)
    with Wire(front.address) as wire:
        wire.send_head(method, "/x")
        return wire.response(head_only=method == "HEAD")


ADDED = {
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "x-request-id",
    "traceparent",
}  # fmt: skip


def as_sent(received: Received) -> list[tuple[str, str]]:
    """The headers without those that the gateway adds."""
    return [(name, value) for name, value in received.headers if name not in ADDED]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"])
def test_a_request_arrives_as_it_was_sent(
    method: str, origin: Origin, front: GatewayProcess
) -> None:
    target = "/api/v4/posts/abc~_.-!$&'()*+,;=:@?q=%20a+b%2F&&x=y;z=?/"
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: chat.example:8443\r\nX-One: 1\r\nAccept: */*\r\n"
        "X-Two: a, b\r\nX-One: another\r\nUser-Agent: test (a; b)\r\nCookie: a=b; MMAUTHTOKEN=x\r\n"
        "Authorization: Bearer abc\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n"
    )
    received = sent_through(origin, front, head.encode(), b'{"\xff"}')
    assert (received.method, received.target) == (method, target)
    assert received.body == b'{"\xff"}'
    assert as_sent(received) == [
        ("host", "chat.example:8443"),
        ("x-one", "1"),
        ("accept", "*/*"),
        ("x-two", "a, b"),
        ("x-one", "another"),
        ("user-agent", "test (a; b)"),
        ("cookie", "a=b; MMAUTHTOKEN=x"),
        ("authorization", "Bearer abc"),
        ("content-type", "application/json"),
        ("content-length", "5"),
    ]


def test_headers_of_the_connection_stay_on_it(origin: Origin, front: GatewayProcess) -> None:
    """RFC 9110, 7.6.1."""
    head = (
        b"GET /x HTTP/1.1\r\nHost: chat\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\n"
        b"Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: x\r\n"
        b"TE: trailers\r\nX-Public: 1\r\n\r\n"
    )
    assert as_sent(sent_through(origin, front, head)) == [("host", "chat"), ("x-public", "1")]


def test_a_chunked_request_stays_chunked(origin: Origin, front: GatewayProcess) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: chat\r\nTransfer-Encoding: chunked\r\n\r\n"
    received = sent_through(origin, front, head, b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n")
    assert received.body == b"abcde"
    assert as_sent(received) == [("host", "chat"), ("transfer-encoding", "chunked")]


def test_trailers_do_not_become_headers(origin: Origin, front: GatewayProcess) -> None:
    """RFC 9110, 6.5.1."""
    head = b"POST /x HTTP/1.1\r\nHost: chat\r\nTransfer-Encoding: chunked\r\n\r\n"
    received = sent_through(
        origin, front, head, b"1\r\na\r\n0\r\nX-Trailer: 1\r\nAuthorization: Bearer x\r\n\r\n"
    )
    assert as_sent(received) == [("host", "chat"), ("transfer-encoding", "chunked")]


def test_a_request_that_offers_an_upgrade_keeps_its_body(
    origin: Origin, front: GatewayProcess
) -> None:
    """What Java's HttpClient and curl --http2 send to every http:// address (RFC 7540, 3.2)."""
    head = (
        b"POST /x HTTP/1.1\r\nHost: chat\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA\r\nContent-Length: 5\r\n\r\n"
    )
    assert sent_through(origin, front, head, b"hello").body == b"hello"


def test_a_head_request(origin: Origin, front: GatewayProcess) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nETag: abc\r\n\r\n"
    origin.answer = answering(answer)
    with Wire(front.address) as wire:
        for _ in range(2):  # on one connection: nothing must be taken for a body
            wire.send_head("HEAD", "/x")
            response = wire.response(head_only=True)
            assert (response.status, response.header("content-length")) == (200, "12345")
        origin.answer = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        wire.send_head("GET", "/x")
        assert wire.response().body == b"ok"


@pytest.mark.parametrize("status", [200, 201, 202, 206, 301, 302, 400, 404, 409, 418, 500, 599])
def test_an_answer_arrives_as_it_was_given(
    status: int, origin: Origin, front: GatewayProcess
) -> None:
    answer = (
        f"HTTP/1.1 {status} Whatever\r\nX-One: 1\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        "Set-Cookie: a=b; Path=/\r\nX-Request-Id: upstreams-own\r\nset-cookie: c=d\r\n"
        "Connection: keep-alive, X-Private\r\nX-Private: 1\r\nContent-Encoding: gzip\r\n"
        "Location: /elsewhere//%66?x\r\nContent-Length: 4\r\n\r\n"
    ).encode() + b"\x1f\x8b\0\n"
    response = got_through(origin, front, answer)
    assert response.status == status
    assert response.body == b"\x1f\x8b\0\n"
    assert response.reason == "Whatever"
    assert [header for header in response.headers if header[0] != "x-request-id"] == [
        ("X-One", "1"),
        ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Set-Cookie", "a=b; Path=/"),
        ("set-cookie", "c=d"),
        ("Content-Encoding", "gzip"),
        ("Location", "/elsewhere//%66?x"),
        ("Content-Length", "4"),
    ]


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body(status: int, origin: Origin, front: GatewayProcess) -> None:
    response = got_through(origin, front, b"HTTP/1.1 %d X\r\nETag: abc\r\n\r\n" % status)
    assert (response.status, response.header("etag"), response.body) == (status, "abc", b"")
    assert response.header("transfer-encoding") is None


@pytest.mark.parametrize(
    "framing",
    [
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nX-Trailer: 1\r\n\r\n",
        b"Content-Length: 5\r\n\r\nabcde",
        b"Connection: close\r\n\r\nabcde",
    ],
    ids=["chunked", "with a trailer", "with its length", "until the end"],
)
def test_every_framing_of_an_answer(framing: bytes, origin: Origin, front: GatewayProcess) -> None:
    assert got_through(origin, front, b"HTTP/1.1 200 OK\r\n" + framing).body == b"abcde"


def test_interim_answers_are_not_the_answer(origin: Origin, front: GatewayProcess) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert got_through(origin, front, interim + interim + final).body == b"ok"


def test_a_body_streams_to_the_upstream(origin: Origin, front: GatewayProcess) -> None:
    """Each piece arrives before the next one is sent."""
    arrived: queue.Queue[bytes] = queue.Queue()

    def listen(visit: Visit) -> None:
        for piece in iter(visit.read_piece, b""):
            arrived.put(piece)
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    origin.answer = listen
    with Wire(front.address) as wire:
        wire.send_head("POST", "/x", [("Transfer-Encoding", "chunked")])
        for piece in (b"one", b"two", b"three"):
            wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            assert arrived.get(timeout=20) == piece
        wire.send(b"0\r\n\r\n")
        assert wire.response().body == b"ok"


def test_a_body_streams_to_the_client(origin: Origin, front: GatewayProcess) -> None:
    heard = threading.Semaphore(0)

    def tell(visit: Visit) -> None:
        visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"one", b"two", b"three"):
            visit.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            heard.acquire(timeout=20)
        visit.send(b"0\r\n\r\n")

    origin.answer = tell
    with Wire(front.address) as wire:
        wire.send_head("GET", "/x")
        for piece in (b"one", b"two", b"three"):
            wire.wait_until_received(piece)
            heard.release()
        wire.wait_until_received(b"0\r\n\r\n")


def test_an_early_answer_to_a_body_that_does_not_end(origin: Origin, front: GatewayProcess) -> None:
    def refuse(visit: Visit) -> bool:
        visit.send(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        visit.linger()
        return False

    origin.answer = refuse
    with Wire(front.address) as wire:
        wire.send_head("POST", "/x", [("Content-Length", "1000000000")])
        wire.send(text(1_000_000))
        response = wire.response()
        assert (response.status, response.body) == (413, b"no")


def test_a_body_that_is_asked_for(origin: Origin, front: GatewayProcess) -> None:
    """``Expect`` is each connection's own: the gateway asks for the body at once."""

    def remember(visit: Visit) -> None:
        origin.remember(visit)
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    origin.answer = remember
    origin.requests.clear()
    with Wire(front.address) as wire:
        wire.send_head("POST", "/x", [("Expect", "100-continue"), ("Content-Length", "5")])
        assert wire.interim() == 100
        wire.send(b"hello")
        assert wire.response().status == 200
    (received,) = origin.requests
    assert (received.body, received.header("expect")) == (b"hello", None)


# On the stand-in: what clients do all day.


def test_json_goes_both_ways(client: Client) -> None:
    post = {"channel_id": client.channel_id, "message": "Grüße, \N{WAVING HAND SIGN}"}
    header = ("Content-Type", "application/json")
    created = client.request("POST", "/api/v4/posts", header, body=json.dumps(post).encode())
    assert created.status == 201
    read = client.request("GET", f"/api/v4/posts/{created.json()['id']}")
    assert read.json()["message"] == post["message"]


def test_ranges_and_conditions(client: Client) -> None:
    content = text(200_000)
    file_id = client.raw("novel.txt", content).json()["file_infos"][0]["id"]
    target = f"/api/v4/files/{file_id}"
    whole = client.request("GET", target)
    assert (whole.status, whole.body) == (200, content)
    part = client.request("GET", target, ("Range", "bytes=1000-1999"))
    assert (part.status, part.body) == (206, content[1000:2000])
    assert part.header("content-range") == "bytes 1000-1999/200000"
    beyond = client.request("GET", target, ("Range", "bytes=200000-"))
    assert (beyond.status, beyond.header("content-range")) == (416, "bytes */200000")
    modified = whole.header("last-modified")
    assert modified is not None
    assert client.request("GET", target, ("If-Modified-Since", modified)).status == 304
