"""Promise 7: only Mattermost's agreement opens a tunnel, and then every byte passes."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest

from tests.promises.support import reset
from tests.promises.test_7_rest_unchanged import as_sent
from tests.support.gateway import GatewayProcess
from tests.support.origin import Origin, Visit
from tests.support.websocket import (
    AGREED,
    HANDSHAKE,
    PATH,
    accept,
    handshake,
    shake_hands,
)
from tests.support.wire import Wire

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: chat\r\n\r\n"
FRAMES = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def shared_origin() -> Iterator[Origin]:
    with Origin(refuse) as running:
        yield running


@pytest.fixture
def origin(shared_origin: Origin) -> Origin:
    shared_origin.requests.clear()
    return shared_origin


@pytest.fixture(scope="module")
def front(
    shared_origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("front")
    with GatewayProcess(shared_origin.url, folder, upstream_timeout="2s") as running:
        yield running


def refuse(visit: Visit) -> None:
    visit.send(b"HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno")


def agree_and_echo(visit: Visit) -> bool:
    connection = accept(visit)
    while piece := connection.recv(65536):
        connection.sendall(piece)
    return False


def remembering(origin: Origin, answer: bytes) -> None:
    """Have requests remembered, and answered with ``answer``."""

    def respond(visit: Visit) -> None:
        origin.remember(visit)
        visit.send(answer)

    origin.answer = respond


# What arrives at either side.


def test_a_handshake_arrives_as_it_was_sent(origin: Origin, front: GatewayProcess) -> None:
    remembering(origin, AGREED)
    target = f"{PATH}?connection_id=abc&sequence_number=0"
    extra = [
        ("Origin", "http://chat.example"),
        ("Cookie", "a=b; MMAUTHTOKEN=x"),
        ("Authorization", "Bearer abc"),
        ("X-One", "1"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("Sec-WebSocket-Protocol", "a, b"),
        ("x-one", "another"),
        ("Keep-Alive", "timeout=5"),
        ("Content-Length", "0"),
        ("X-Forwarded-For", "6.6.6.6"),
    ]
    with Wire(front.address) as wire:
        wire.send(handshake(target, HANDSHAKE + extra))
        assert wire.head().status == 101
    (received,) = origin.requests
    assert received.target == target
    assert as_sent(received) == [
        ("host", "chat.example"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("origin", "http://chat.example"),
        ("cookie", "a=b; MMAUTHTOKEN=x"),
        ("authorization", "Bearer abc"),
        ("x-one", "1"),
        ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
        ("sec-websocket-protocol", "a, b"),
        ("x-one", "another"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
    ]
    assert received.header("x-forwarded-for") == "127.0.0.1"


def test_an_agreement_arrives_as_it_was_given(origin: Origin, front: GatewayProcess) -> None:
    agreement = AGREED.removesuffix(b"\r\n") + (
        b"Sec-WebSocket-Protocol: b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
        b"Set-Cookie: a=b\r\nset-cookie: c=d\r\nX-Request-Id: upstreams-own\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nKeep-Alive: timeout=5\r\n\r\n"
    )
    remembering(origin, agreement)
    with Wire(front.address) as wire:
        head = shake_hands(wire)
    assert head.status == 101
    (request,) = origin.requests
    assert head.headers == [
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("Sec-WebSocket-Protocol", "b"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("Set-Cookie", "a=b"),
        ("set-cookie", "c=d"),
        ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("x-request-id", request.header("x-request-id")),
    ]


@pytest.mark.parametrize("last", ["close", "Upgrade, close"])
def test_a_client_that_will_not_send_another_request(
    last: str, origin: Origin, front: GatewayProcess
) -> None:
    """It is the connection as one for HTTP that is to be closed."""
    origin.answer = agree_and_echo
    headers = [("Connection", last), *HANDSHAKE]
    with Wire(front.address) as wire:
        wire.send(handshake(headers=headers))
        head = wire.head()
        assert [value for name, value in head.headers if name == "connection"] == ["upgrade"]
        wire.send(FRAMES)
        assert wire.read(len(FRAMES)) == FRAMES


@pytest.mark.parametrize("size", [1, 10_000, 3_000_000])
def test_what_comes_before_the_agreement_waits_for_it(
    size: int, origin: Origin, front: GatewayProcess
) -> None:
    """It does not arrive earlier, and none of it is lost."""
    early = (FRAMES * (size // len(FRAMES) + 1))[:size]

    def agree_late(visit: Visit) -> bool:
        visit.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            visit.socket.recv(1)
        visit.socket.settimeout(20)
        return agree_and_echo(visit)

    origin.answer = agree_late
    with Wire(front.address) as wire:
        wire.send(handshake() + early[: size // 2])
        wire.send(early[size // 2 :])
        assert wire.head().status == 101
        assert wire.read(size) == early
        wire.send(b"on it goes")
        assert wire.read(10) == b"on it goes"


@pytest.mark.parametrize("size", [1, 10_000, 3_000_000])
def test_what_comes_right_behind_the_agreement(
    size: int, origin: Origin, front: GatewayProcess
) -> None:
    behind = (FRAMES * (size // len(FRAMES) + 1))[:size]

    def answer(visit: Visit) -> bool:
        connection = accept(visit, behind)
        connection.sendall(connection.recv(65536))
        return False

    origin.answer = answer
    with Wire(front.address) as wire:
        assert shake_hands(wire).status == 101
        wire.send(b"on it goes")
        assert wire.read(size + 10) == behind + b"on it goes"


def test_a_handshake_behind_other_requests(origin: Origin, front: GatewayProcess) -> None:
    def answer(visit: Visit) -> bool:
        if visit.header("upgrade"):
            return agree_and_echo(visit)
        visit.read_body()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    origin.answer = answer
    post = b"POST /x HTTP/1.1\r\nHost: chat\r\nContent-Length: 5\r\n\r\nhello"
    with Wire(front.address) as wire:
        wire.send(post)
        assert wire.response().body == b"ok"
        wire.send(HIDDEN + post + handshake() + FRAMES)
        assert wire.response().body == wire.response().body == b"ok"
        assert wire.head().status == 101
        assert wire.read(len(FRAMES)) == FRAMES


# Ends.


def test_a_client_that_closes_its_side(origin: Origin, front: GatewayProcess) -> None:
    """All that it sent arrives, and it gets what Mattermost says to it."""

    def answer(visit: Visit) -> bool:
        connection = accept(visit)
        size = 0
        while piece := connection.recv(65536):
            size += len(piece)
        connection.sendall(b"%d" % size)
        return False

    origin.answer = answer
    with Wire(front.address) as wire:
        assert shake_hands(wire).status == 101
        wire.send(bytes(5_000_000))
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.read(7) == b"5000000"
        assert wire.at_end()


def test_mattermost_closes_its_side(origin: Origin, front: GatewayProcess) -> None:
    def answer(visit: Visit) -> bool:
        connection = accept(visit, bytes(5_000_000))
        connection.shutdown(socket.SHUT_WR)
        received.append(connection.recv(100))
        assert connection.recv(100) == b""
        return False

    received: list[bytes] = []
    origin.answer = answer
    with Wire(front.address) as wire:
        assert shake_hands(wire).status == 101
        assert wire.read(5_000_000) == bytes(5_000_000)
        wire.send(b"goodbye")
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.at_end()
    front.wait_for(lambda: received == [b"goodbye"])


def test_a_client_that_is_gone_before_the_agreement(origin: Origin, front: GatewayProcess) -> None:
    """Mattermost is not left with a connection to nobody."""
    ended = Event()

    def answer(visit: Visit) -> bool:
        wire.close()
        with suppress(ConnectionError):
            assert accept(visit).recv(100) == b""
        ended.set()
        return False

    origin.answer = answer
    before = len(front.requests())
    wire = Wire(front.address)
    wire.send(handshake())
    front.wait_for(lambda: len(front.requests()) == before + 1)
    line = front.requests()[-1]
    assert (line["status"], line["outcome"], line["reason"]) == (499, "aborted", "client_gone")
    assert ended.wait(20)
    assert front.metric("upload_gateway_websockets_open") == 0


def test_a_reset_is_an_end_for_the_other_side(origin: Origin, front: GatewayProcess) -> None:
    ended: list[bytes] = []

    def answer(visit: Visit) -> bool:
        ended.append(accept(visit).recv(100))
        return False

    origin.answer = answer
    with Wire(front.address) as wire:
        assert shake_hands(wire).status == 101
        reset(wire)
    front.wait_for(lambda: ended == [b""])


# Handshakes that come to nothing: no byte gets through that is not a request of its own.


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 426, 500, 503])
def test_another_answer_is_an_answer(status: int, origin: Origin, front: GatewayProcess) -> None:
    """The connection goes on as one for HTTP, and what came behind is a request."""
    remembering(
        origin,
        b"HTTP/1.1 %d X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-One: 1\r\n"
        b"Set-Cookie: a=b\r\nContent-Length: 4\r\n\r\n\x1f\x8b\0\n" % status,
    )
    with Wire(front.address) as wire:
        for _ in range(2):
            wire.send(handshake() + HIDDEN)
            for _ in range(2):
                response = wire.response()
                assert (response.status, response.body) == (status, b"\x1f\x8b\0\n")
                assert response.header("x-one") == "1"
                assert response.header("upgrade") is response.header("connection") is None
    assert [request.target for request in origin.requests] == [PATH, "/hidden"] * 2
    # The second is under the rules like any other: it says who the gateway is, not the client.
    assert origin.requests[1].header("x-forwarded-for") == "127.0.0.1"


def test_frames_behind_a_refused_handshake(origin: Origin, front: GatewayProcess) -> None:
    remembering(origin, b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno")
    with Wire(front.address) as wire:
        wire.send(handshake() + b"\x81\x85abcd" + FRAMES)
        assert wire.response().status == 401
        response = wire.response()
        assert (response.status, response.json()["id"]) == (400, "gateway.malformed_request")
        assert wire.at_end()
    assert len(origin.requests) == 1


def without(name: str, *others: tuple[str, str]) -> list[tuple[str, str]]:
    return [header for header in HANDSHAKE if header[0] != name] + list(others)


NO_HANDSHAKES: dict[str, bytes] = {
    "no key": handshake(headers=without("Sec-WebSocket-Key")),
    "two keys": handshake(headers=[*HANDSHAKE, ("Sec-WebSocket-Key", "x")]),
    "another protocol": handshake(headers=without("Upgrade", ("Upgrade", "h2c"))),
    "two protocols": handshake(headers=without("Upgrade", ("Upgrade", "websocket, h2c"))),
    "two upgrades": handshake(headers=[*HANDSHAKE, ("Upgrade", "h2c")]),
    "another connection": handshake(headers=without("Connection", ("Connection", "close"))),
    "another method": handshake().replace(b"GET", b"POST"),
    "another version": handshake().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a body": handshake(headers=[*HANDSHAKE, ("Content-Length", str(len(HIDDEN)))]),
}


@pytest.mark.parametrize("kind", NO_HANDSHAKES)
def test_what_only_looks_like_a_handshake(kind: str, origin: Origin, front: GatewayProcess) -> None:
    """Mattermost gets a request without an upgrade, so its agreement would be none."""
    remembering(origin, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    with Wire(front.address) as wire:
        wire.send(NO_HANDSHAKES[kind] + HIDDEN)
        assert wire.response().status == 200
        assert wire.at_end()
    (request,) = origin.requests
    assert request.header("upgrade") is request.header("connection") is None


def test_an_upgrade_that_is_not_of_the_connection(origin: Origin, front: GatewayProcess) -> None:
    """It is a header without a meaning (RFC 9110, 7.8), and what follows is a request."""
    remembering(origin, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    with Wire(front.address) as wire:
        wire.send(handshake(headers=without("Connection")) + HIDDEN)
        assert wire.response().status == wire.response().status == 200
    assert [request.target for request in origin.requests] == [PATH, "/hidden"]
    assert origin.requests[0].header("upgrade") is None


@pytest.mark.parametrize("kind", NO_HANDSHAKES)
def test_an_agreement_to_what_is_no_handshake(
    kind: str, origin: Origin, front: GatewayProcess
) -> None:
    remembering(origin, AGREED)
    with Wire(front.address) as wire:
        wire.send(NO_HANDSHAKES[kind] + HIDDEN)
        response = wire.response()
        assert (response.status, response.json()["id"]) == (502, "gateway.upstream_failed")
        assert wire.at_end()
    assert len(origin.requests) == 1


@pytest.mark.parametrize(
    "agreement",
    [
        AGREED.replace(b"websocket", b"h2c"),
        AGREED.replace(b"Upgrade: websocket", b"X: y"),
        AGREED.replace(b"Connection: Upgrade", b"X: y"),
        AGREED.removesuffix(b"\r\n") + b"Content-Length: 3\r\n\r\nabc",
    ],
    ids=["another protocol", "no protocol", "no connection", "a body"],
)
def test_no_agreement(agreement: bytes, origin: Origin, front: GatewayProcess) -> None:
    remembering(origin, agreement)
    with Wire(front.address) as wire:
        wire.send(handshake() + HIDDEN)
        response = wire.response()
        assert (response.status, response.json()["id"]) == (502, "gateway.upstream_failed")
        # What came behind is a request of its own.
        assert wire.response().status == 502
    assert [request.target for request in origin.requests] == [PATH, "/hidden"]


def test_a_chunked_handshake_is_ambiguous(origin: Origin, front: GatewayProcess) -> None:
    headers = [*HANDSHAKE, ("Transfer-Encoding", "chunked")]
    with Wire(front.address) as wire:
        wire.send(handshake(headers=headers) + b"0\r\n\r\n" + HIDDEN)
        assert wire.response().status == 400
        assert wire.at_end()
    assert origin.requests == []


@pytest.mark.parametrize("target", ["//api/v4/websocket", "/x/../api/v4/websocket", "/a%2fb"])
def test_a_path_in_two_spellings(target: str, origin: Origin, front: GatewayProcess) -> None:
    remembering(origin, AGREED)
    with Wire(front.address) as wire:
        wire.send(handshake(target))
        assert wire.response().json()["id"] == "gateway.ambiguous_request"
    assert origin.requests == []


def test_any_other_address_may_be_a_websocket(origin: Origin, front: GatewayProcess) -> None:
    """Plugins have some of their own."""
    origin.answer = agree_and_echo
    with Wire(front.address) as wire:
        assert shake_hands(wire, path="/plugins/com.example/%77s?a=b").status == 101
        wire.send(FRAMES)
        assert wire.read(len(FRAMES)) == FRAMES


@pytest.mark.parametrize("path", ["/api/v4/files", "/api/v4/emoji", "/api/v4/files/abc"])
def test_no_row_of_the_guard_table_is_one(path: str, origin: Origin, front: GatewayProcess) -> None:
    remembering(origin, AGREED)
    with Wire(front.address) as wire:
        wire.send(handshake(path) + HIDDEN)
        assert wire.response().json()["id"] == "gateway.upstream_failed"
        assert wire.response().status == 502
    assert [request.target for request in origin.requests] == [path, "/hidden"]
    assert origin.requests[0].header("upgrade") is None


def test_a_gateway_for_uploads_alone(origin: Origin, folder: Path) -> None:
    with (
        GatewayProcess(origin.url, folder, mode="uploads") as front,
        Wire(front.address) as wire,
    ):
        wire.send(handshake())
        assert wire.response().json()["id"] == "gateway.not_served"
    assert origin.requests == []


def test_mattermost_does_not_answer(origin: Origin, front: GatewayProcess) -> None:
    origin.answer = lambda visit: visit.socket.recv(1)
    with Wire(front.address) as wire:
        wire.send(handshake())
        response = wire.response()
    assert (response.status, response.json()["id"]) == (504, "gateway.upstream_timeout")
