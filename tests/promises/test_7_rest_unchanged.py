"""Promise 7: what carries no file passes byte for byte.

And no other spelling of a path, no other method, encoding or endpoint gets a file past the rules.
"""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.support import BOUNDARY, program, stored, text
from tests.support.gateway import GatewayProcess
from tests.support.origin import Answer, Origin, Received, Visit
from tests.support.wire import Client, Wire, WireResponse, field, file_part, form_body

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


ADDED = {"x-forwarded-for", "x-forwarded-proto", "x-real-ip", "x-request-id"}


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
    received = sent_through(origin, front, head.encode(), b"\0\xff{}\n")
    assert (received.method, received.target) == (method, target)
    assert received.body == b"\0\xff{}\n"
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
    assert [header for header in response.headers if header[0] != "x-request-id"] == [
        ("x-one", "1"),
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("set-cookie", "a=b; Path=/"),
        ("set-cookie", "c=d"),
        ("content-encoding", "gzip"),
        ("location", "/elsewhere//%66?x"),
        ("content-length", "4"),
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
        wire.send(bytes(1_000_000))
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
    modified = whole.header("last-modified")
    assert modified is not None
    assert client.request("GET", target, ("If-Modified-Since", modified)).status == 304


# No way around.

SPELLINGS = [
    "/api/v4/%66iles", "/api/v4/file%73", "/%61pi/v4/files", "/api/v4/%66%69%6C%65%73",
    "/api/v4/%2566iles", "/api/v4//files", "//api/v4/files", "/api//v4/files", "/api/v4/./files",
    "/./api/v4/files", "/api/v4/x/../files", "/api/v4/%2e/files", "/api/v4/x/%2e%2e/files",
    "/api/v4/files/", "/api/v4/files/.", "/api/v4/files/%2e", "/api/v4/files//",
    "/api/v4/files%2f", "/api%2fv4%2ffiles", "/api/v4\\files", "/api/v4%5cfiles",
    "/api/v4/files%00", "/api/v4/files%20", "/api/v4/files;x=1",
    "/api/v4/files%3f", "/api/v4/files%23", "/api/v4/files.", "/api/v4/Files",
    "/API/V4/files", "/api/v3/files", "/api/v4/files%", "/api/v4/files%6", "/api/v4/files%zz",
    "/api/v4/f\u200biles", "http://chat.example/api/v4/files", "http://chat.example//api/v4/files",
    "HTTP://CHAT.EXAMPLE/api/v4/%66iles", "api/v4/files", "*",
]  # fmt: skip


@pytest.mark.parametrize("way", ["raw", "form", "raw with PUT", "raw with PATCH"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_the_path_leads_around_the_rules(
    spelling: str, way: str, client: Client, mattermost: StandInProcess
) -> None:
    before = stored(mattermost)
    content, headers = program(1000), client.head()
    if way == "form":
        content = form_body(field("channel_id", client.channel_id), file_part("a.pdf", content))
        headers.append(("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"))
    method = way.removeprefix("raw with ") if way.startswith("raw with ") else "POST"
    query = f"?channel_id={client.channel_id}&filename=invoice.pdf"
    target = spelling.encode().decode("latin-1")
    with Wire(client.address) as wire:
        wire.send_head(method, target + query, [*headers, ("Content-Length", str(len(content)))])
        wire.send(content)
        status = wire.response().status
    assert stored(mattermost) == before
    # The stand-in shows its web page, with 200, to whatever is none of its API.
    assert status >= 300 or not spelling.startswith("/api/v4")


@pytest.mark.parametrize("spelling", ["/api/v4/%66iles", "/%61pi/v4/file%73"])
def test_another_spelling_of_the_same_path_is_the_same(
    spelling: str, client: Client, mattermost: StandInProcess
) -> None:
    """Mattermost decodes a path before it routes, so these are uploads to it, too."""
    query = f"?channel_id={client.channel_id}&filename=a.txt"
    assert client.request("POST", spelling + query, body=b"hello").status == 201
    (upload,) = mattermost.state()["uploads"]
    assert upload["target"].startswith("/api/v4/files?")


OTHER_ENDPOINTS = [
    "/api/v4/emoji", "/api/v4/brand/image", "/api/v4/users/me/image", "/api/v4/license",
    "/api/v4/teams/{team}/image", "/api/v4/teams/{team}/import", "/api/v4/plugins",
    "/api/v4/saml/certificate/idp", "/api/v4/saml/certificate/public", "/api/v4/unheard-of",
    "/plugins/com.example/upload", "/hooks/abc", "/",
]  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "REPORT"])
@pytest.mark.parametrize("endpoint", OTHER_ENDPOINTS)
def test_no_form_gets_to_another_endpoint(
    endpoint: str, method: str, client: Client, mattermost: StandInProcess
) -> None:
    before = stored(mattermost)
    response = client.request(
        method,
        endpoint.replace("{team}", mattermost.team_id),
        ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"),
        body=form_body(file_part("a.pdf", program(1000), name="image")),
    )
    assert response.status in (403, 415)
    assert response.json()["id"].startswith("gateway.")
    assert stored(mattermost) == before
    assert mattermost.state()["recent"] == []


@pytest.mark.parametrize(
    "content_type",
    [
        f"Multipart/Form-Data; boundary={BOUNDARY}",
        f"multipart/mixed; boundary={BOUNDARY}",
        f" multipart/form-data ; boundary={BOUNDARY}",
        f"text/plain; multipart/form-data; boundary={BOUNDARY}",
    ],
)
def test_no_spelling_of_a_form_gets_to_another_endpoint(
    content_type: str, client: Client, mattermost: StandInProcess
) -> None:
    body = form_body(file_part("a.pdf", program(1000), name="image"))
    response = client.request("POST", "/api/v4/emoji", ("Content-Type", content_type), body=body)
    assert response.status in (403, 415)
    assert mattermost.state()["recent"] == []


@pytest.mark.parametrize("name", ["Content-Type", "Content-Length", "Authorization", "Host"])
@pytest.mark.parametrize("target", ["/api/v4/files?channel_id={}&filename=a.pdf", "/api/v4/emoji"])
def test_headers_that_may_come_once_come_once(
    name: str, target: str, client: Client, mattermost: StandInProcess
) -> None:
    """Of two, one reader takes the first and another the last."""
    before = stored(mattermost)
    values = {
        "Content-Type": "application/json",
        "Content-Length": "5",
        "Authorization": f"Bearer {client.token}",
    }
    headers = [*values.items(), (name, values.get(name, "chat.example"))]
    with Wire(client.address) as wire:
        wire.send_head("POST", target.format(client.channel_id), headers)
        wire.send(b"hello")
        assert wire.response().status == 400
    assert stored(mattermost) == before
    assert mattermost.state()["recent"] == []


def test_a_resumable_upload_has_no_rule_yet(client: Client, mattermost: StandInProcess) -> None:
    wanted = {"channel_id": client.channel_id, "filename": "a.pdf", "file_size": 1000}
    created = client.request("POST", "/api/v4/uploads", body=json.dumps(wanted).encode())
    assert (created.status, created.json()["id"]) == (403, "gateway.unguarded_upload")
    direct = Client(("127.0.0.1", mattermost.port), client.token, client.channel_id)
    upload = direct.request("POST", "/api/v4/uploads", body=json.dumps(wanted).encode()).json()
    before = stored(mattermost)
    for target in (f"/api/v4/uploads/{upload['id']}", f"/api/v4/%75ploads/{upload['id']}"):
        assert client.request("POST", target, body=program(1000)).status == 403
    assert stored(mattermost) == before


UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "h2c")]


@pytest.mark.parametrize("size", [5, 300_000, 3_000_000])
def test_an_upload_that_offers_an_upgrade(size: int, client: Client) -> None:
    answer = client.raw("a.txt", text(size), *UPGRADE).json()
    assert answer["file_infos"][0]["size"] == size


def test_a_chunked_upload_that_offers_an_upgrade(
    client: Client, mattermost: StandInProcess
) -> None:
    """It is refused, and nothing in its body is taken for a request of its own."""
    hidden = b"GET /api/v4/users/me HTTP/1.1\r\nHost: chat\r\n\r\n"
    before = stored(mattermost)
    with Wire(client.address) as wire:
        chunked = ("Transfer-Encoding", "chunked")
        wire.send_head("POST", client.target("a.txt"), client.head(chunked, *UPGRADE))
        with suppress(ConnectionError):
            wire.send(hidden + b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden))
        assert wire.response().status == 400
    assert stored(mattermost) == before
    assert mattermost.state()["recent"] == []


# Under a subpath.


def test_a_mattermost_under_a_subpath(tmp_path: Path) -> None:
    with (
        StandInProcess(tmp_path / "stand-in", subpath="/chat") as mattermost,
        GatewayProcess(mattermost.url, tmp_path / "gateway") as gateway,
    ):
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        assert client.request("GET", "/chat/api/v4/users/me").status == 200
        query = f"?channel_id={client.channel_id}&filename=invoice.pdf"
        target = f"/chat/api/v4/files{query}"
        assert client.request("POST", target, body=text(1000)).status == 201
        before = stored(mattermost)
        assert client.request("POST", target, body=program(1000)).status == 415
        for other in (
            "/chat//api/v4/files", "/chat/%61pi/v4/files", "/x/../chat/api/v4/files",
            "/api/v4/files", "/%63hat/api/v4/files", "/chat/../api/v4/files",
        ):  # fmt: skip
            assert client.request("POST", other + query, body=program(1000)).status >= 400
        assert stored(mattermost) == before
