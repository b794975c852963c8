"""What passes the edge, and how: the second table of docs/http.md."""

import threading
from collections.abc import Iterator

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.support import program, stored
from tests.support.gateway import GatewayProcess
from tests.support.origin import Origin, Received, Visit
from tests.support.wire import Client, Wire, WireResponse

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SOON = 20.0


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin(lambda visit: False) as running:
        yield running


@pytest.fixture(scope="module")
def front(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("front")
    with GatewayProcess(
        origin.url, folder, upstream_timeout="1s", unlisted_uploads="allow"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def behind_proxy(
    origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway whose clients are proxies that it trusts."""
    folder = tmp_path_factory.mktemp("behind-proxy")
    with GatewayProcess(origin.url, folder, trusted_proxies="127.0.0.1") as running:
        yield running


def through(
    origin: Origin, front: GatewayProcess, request: bytes, answer: bytes = OK
) -> tuple[Received, WireResponse]:
    """What arrives of a request written by hand, and what comes back of ``answer``."""

    def tell(visit: Visit) -> None:
        origin.remember(visit)
        visit.send(answer)

    origin.answer = tell
    origin.requests.clear()
    with Wire(front.address) as wire:
        wire.send(request)
        response = wire.response()
    (received,) = origin.requests
    return received, response


# Requests.


def test_an_empty_query_is_none(origin: Origin, front: GatewayProcess) -> None:
    received, _ = through(origin, front, b"GET /x? HTTP/1.1\r\nHost: chat\r\n\r\n")
    assert received.target == "/x"


@pytest.mark.parametrize("options", [b"host", b"close, HOST, x-private"])
def test_connection_cannot_name_the_host(
    options: bytes, origin: Origin, front: GatewayProcess
) -> None:
    head = b"GET /x HTTP/1.1\r\nHost: chat\r\nConnection: %s\r\n\r\n" % options
    received, _ = through(origin, front, head)
    assert received.header("host") == "chat"
    assert received.header("connection") is None


def test_extensions_and_trailers_go_nowhere(origin: Origin, front: GatewayProcess) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: chat\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b'5;a=b;c="d"\r\nhello\r\n0;e\r\nX-Trailer: 1\r\nHost: elsewhere\r\n\r\n'
    answer = b"HTTP/1.1 200 OK\r\nTrailer: X-Trailer\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw: list[bytes] = []

    def tell(visit: Visit) -> bool:
        visit.socket.settimeout(SOON)
        while not raw or not raw[-1].endswith(b"\r\n\r\n"):
            raw.append(visit.read_raw())
        visit.send(answer + chunks)
        return False

    origin.answer = tell
    with Wire(front.address) as wire:
        wire.send(head + chunks)
        response = wire.response()
    assert b"".join(raw) == b"5\r\nhello\r\n0\r\n\r\n"
    assert response.body == b"hello"
    assert response.header("trailer") is None
    assert response.header("x-trailer") is None


CLAIMS = (
    b"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: forged\r\n"
    b"X-Real-Ip: 1.2.3.4\r\nX-Request-Id: told\r\nForwarded: for=1.2.3.4;host=forged\r\n"
    b"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nTracestate: a=1\r\n"
)


def about_the_client(received: Received) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for name, value in received.headers:
        if name.startswith(
            ("x-forwarded-", "x-real-ip", "x-request-id", "forwarded", "tracestate")
        ):
            told.setdefault(name, []).append(value)
    return told


def test_what_mattermost_is_told_of_the_client(
    origin: Origin, front: GatewayProcess, behind_proxy: GatewayProcess
) -> None:
    head = b"GET /x HTTP/1.1\r\nHost: chat\r\n" + CLAIMS + b"\r\n"
    received, response = through(origin, front, head)
    request_id = response.header("x-request-id")
    assert request_id not in (None, "told")
    assert about_the_client(received) == {
        "x-forwarded-for": ["127.0.0.1"],
        "x-forwarded-proto": ["http"],
        "x-forwarded-host": ["chat"],
        "x-real-ip": ["127.0.0.1"],
        "x-request-id": [request_id],
    }
    received, response = through(origin, behind_proxy, head)
    assert response.header("x-request-id") == "told"
    assert about_the_client(received) == {
        "x-forwarded-for": ["1.2.3.4, 127.0.0.1"],
        "x-forwarded-proto": ["https"],
        "x-forwarded-host": ["forged"],
        "x-real-ip": ["1.2.3.4"],
        "x-request-id": ["told"],
        "tracestate": ["a=1"],
    }


@pytest.mark.parametrize("host", [b"", b"Host: chat\r\n", b"Host:\r\n"])
def test_http_1_0(host: bytes, origin: Origin, front: GatewayProcess) -> None:
    head = b"POST /x HTTP/1.0\r\n" + host + b"Connection: keep-alive\r\nContent-Length: 5\r\n\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    received, response = through(origin, front, head + b"hello", chunked)
    assert received.body == b"hello"
    told = "chat" if b"chat" in host else origin.url.removeprefix("http://")
    assert [value for name, value in received.headers if name == "host"] == [told]
    assert received.header("x-forwarded-host") == ("chat" if b"chat" in host else None)
    assert response.body == b"hello"  # up to the end of the connection
    assert response.header("transfer-encoding") is None
    assert response.header("connection") == "close"


def test_http_1_0_is_not_asked_for_a_body(origin: Origin, front: GatewayProcess) -> None:
    head = b"POST /x HTTP/1.%d\r\nHost: chat\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n"

    def take(visit: Visit) -> None:
        origin.remember(visit)
        visit.send(OK)

    origin.answer = take
    for version in (1, 0):
        with Wire(front.address) as wire, Wire(front.address) as other:
            wire.send(head % version)
            wire.wait_until_taken()
            other.send_head("GET", "/y")  # by its answer, the gateway has asked if it ever does
            assert other.response().status == 200
            if version == 1:
                assert wire.interim() == 100
            wire.send(b"hello")
            response = wire.response()
            assert (response.status, response.interims) == (200, ())


def test_options_of_the_server(origin: Origin, front: GatewayProcess) -> None:
    received, _ = through(origin, front, b"OPTIONS * HTTP/1.1\r\nHost: chat\r\n\r\n")
    assert (received.method, received.target) == ("OPTIONS", "*")


@pytest.mark.parametrize(
    ("target", "host", "path"),
    [
        (b"http://chat.example/a?b", b"chat.example", "/a?b"),
        (b"HTTPS://Chat.Example:8065/%61/", b"chat.example:8065", "/a/"),
        (b"http://chat.example", b"chat.example", "/"),
        (b"http://chat.example?a", b"chat.example", "/?a"),
        (b"http://[::1]:80/a", b"[::1]:80", "/a"),
    ],
)
def test_an_address_as_target(
    target: bytes, host: bytes, path: str, origin: Origin, front: GatewayProcess
) -> None:
    head = b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, host)
    received, _ = through(origin, front, head)
    assert (received.target, received.header("host")) == (path, host.decode())


def test_an_upload_to_an_address(client: Client, mattermost: StandInProcess) -> None:
    """It is an upload like every other, with the same rules."""
    target = f"http://chat.example{client.target('a.pdf')}"
    before = stored(mattermost)
    assert client.request("POST", target, body=program(1000)).status == 415
    assert stored(mattermost) == before
    assert client.request("POST", target, body=b"%PDF-1.4\n").status == 201


def upload(client: Client, *headers: tuple[str, str]) -> WireResponse:
    with Wire(client.address) as wire:
        length = ("Content-Length", "5")
        wire.send_head("POST", client.target("a.txt"), [*headers, length])
        wire.send(b"hello")
        return wire.response()


def test_cookies_on_several_lines(client: Client) -> None:
    session, other = ("Cookie", f"MMAUTHTOKEN={client.token}"), ("Cookie", "a=b; c=d")
    csrf = ("X-Requested-With", "XMLHttpRequest")
    for cookies in ([session], [other, session], [session, other], [other, other, session]):
        assert upload(client, *cookies, csrf).status == 201
    nobody = ("Cookie", "MMAUTHTOKEN=nobody")
    assert upload(client, other, nobody, session, csrf).status == 401


OVERRIDES = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"]


@pytest.mark.parametrize("name", OVERRIDES)
def test_no_method_is_overridden(
    name: str, client: Client, mattermost: StandInProcess, origin: Origin, front: GatewayProcess
) -> None:
    head = f"GET /x?_method=POST HTTP/1.1\r\nHost: chat\r\n{name}: POST\r\n\r\n"
    received, _ = through(origin, front, head.encode())
    assert (received.method, received.target) == ("GET", "/x?_method=POST")
    assert received.header(name.lower()) == "POST"
    before = stored(mattermost)
    target = client.target("a.pdf") + "&_method=POST"
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        response = client.request(method, target, (name, "POST"), body=program(1000))
        assert response.status >= 400
        # The other way round: what is posted is a file, whatever it calls itself.
        response = client.request("POST", target, (name, method), body=program(1000))
        assert response.status == 415
    assert stored(mattermost) == before


def test_line_ends_stay_encoded(client: Client, mattermost: StandInProcess) -> None:
    token = f"{client.token}%0d%0aX-Injected:%201"
    target = f"/api/v4/files?channel_id={client.channel_id}&filename=a.txt"
    for query in (f"&access_token={token}", "&client_id=a%0d%0aX-Injected:%201%00&a=%0d%0a%00"):
        with Wire(client.address) as wire:
            head = client.head() if "client_id" in query else []
            wire.send_head("POST", target + query, [*head, ("Content-Length", "5")])
            wire.send(b"hello")
            assert wire.response().status in (201, 401)
    client.request("GET", "/api/v4/users/me?a=%0d%0aX-Injected:%201%00")
    for entry in mattermost.state()["recent"]:
        assert "x-injected" not in {name.lower() for name, _ in entry["headers"]}
        assert not set("\r\n\0") & set(entry["target"])


# Answers.


def test_an_interim_answer_comes_at_once(origin: Origin, front: GatewayProcess) -> None:
    """And not with the answer that it is to come before."""
    go_on = threading.Event()

    def hint(visit: Visit) -> None:
        visit.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-A\r\nX-A: 1\r\n\r\n")
        go_on.wait(SOON)
        visit.send(OK)

    origin.answer = hint
    with Wire(front.address) as wire:
        wire.send_head("GET", "/x")
        wire.wait_until_received(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        go_on.set()
        assert wire.response().body == b"ok"
    go_on.set()
    with Wire(front.address) as wire:
        wire.send(b"GET /x HTTP/1.0\r\n\r\n")
        assert wire.response().interims == ()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("end", ["closed", "reset", "stalled"])
@pytest.mark.parametrize("framing", [b"Content-Length: 99", b"Transfer-Encoding: chunked"])
def test_half_an_answer_is_not_taken_for_the_whole(
    framing: bytes, end: str, version: str, origin: Origin, front: GatewayProcess
) -> None:
    done = threading.Event()
    waited: list[bool] = []

    def break_off(visit: Visit) -> bool:
        visit.send(b"HTTP/1.1 200 OK\r\n%s\r\n\r\n4\r\nhalf\r\n" % framing)
        if end == "stalled":
            waited.append(done.wait(SOON))
        elif end == "reset":
            visit.reset()
        return False

    origin.answer = break_off
    with Wire(front.address) as wire:
        wire.send(f"GET /x HTTP/{version}\r\nHost: chat\r\n\r\n".encode())
        with pytest.raises((EOFError, ConnectionError, ValueError)):
            wire.response()
    assert waited == []  # the gateway gave up before Mattermost did
    done.set()


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"identity"])
def test_an_answer_in_another_transfer_coding(
    coding: bytes, origin: Origin, front: GatewayProcess
) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\nConnection: close\r\n\r\n" % coding
    request = b"GET /x HTTP/1.1\r\nHost: chat\r\n\r\n"
    _, response = through(origin, front, request, head + b"5\r\nhello\r\n0\r\n\r\n")
    assert (response.status, response.json()["id"]) == (502, "gateway.upstream_failed")
