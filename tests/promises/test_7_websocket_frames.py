"""Promise 7: whatever two WebSocket libraries have to say to each other passes, also over TLS."""

import ssl
from collections.abc import Iterator, Sequence
from os import urandom
from queue import Queue

import pytest
import trustme
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Close
from websockets.sync.server import ServerConnection
from websockets.typing import Subprotocol

from tests.support.gateway import GatewayProcess
from tests.support.websocket import SECONDS, WebSocketOrigin, echo, open_socket

MIB = 2**20


@pytest.fixture(params=["http", "https"], scope="module")
def origin(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebSocketOrigin]:
    tls = None
    with pytest.MonkeyPatch.context() as environment:
        if request.param == "https":
            authority = trustme.CA()
            file = tmp_path_factory.mktemp("authority") / "ca.pem"
            authority.cert_pem.write_to_path(str(file))
            environment.setenv("SSL_CERT_FILE", str(file))  # which the gateway will trust
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(tls)
        with WebSocketOrigin(tls=tls, max_size=None, select_subprotocol=last_offered) as running:
            yield running


@pytest.fixture(scope="module")
def front(
    origin: WebSocketOrigin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(origin.url, tmp_path_factory.mktemp("front")) as running:
        yield running


@pytest.fixture(autouse=True)
def _echoing(origin: WebSocketOrigin) -> None:
    origin.handle = echo


def last_offered(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return offered[-1] if offered else None


MESSAGES: list[str | bytes] = [
    "", b"", "text", b"\0\xff\x81", "Grüße \N{WAVING HAND SIGN}", "x" * 125, "x" * 126,
    b"y" * 65535, b"y" * 65536,
]  # fmt: skip


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_texts_and_bytes(compression: str | None, front: GatewayProcess) -> None:
    with open_socket(front, compression=compression) as socket:
        agreed = [extension.name for extension in socket.protocol.extensions]
        assert agreed == (["permessage-deflate"] if compression else [])
        for message in MESSAGES:
            socket.send(message)
            assert socket.recv(SECONDS) == message


def test_a_message_in_fragments(origin: WebSocketOrigin, front: GatewayProcess) -> None:
    """Fragments stay what they are, in both directions; the library adds an empty one each time."""

    def handle(connection: ServerConnection) -> None:
        connection.send(iter(connection.recv_streaming()))

    origin.handle = handle
    pieces = ["one", "two" * 10_000, "three"]
    with open_socket(front) as socket:
        socket.send(iter(pieces))
        assert list(socket.recv_streaming()) == [*pieces, "", ""]


def test_a_message_of_16_mib(front: GatewayProcess) -> None:
    message = urandom(16 * MIB)
    with open_socket(front, max_size=None, compression=None) as socket:
        socket.send(message)
        assert socket.recv(SECONDS) == message


def test_pings_of_both_sides(origin: WebSocketOrigin, front: GatewayProcess) -> None:
    heard: list[bool] = []

    def handle(connection: ServerConnection) -> None:
        heard.append(connection.ping(b"are you there?").wait(SECONDS))
        echo(connection)

    origin.handle = handle
    with open_socket(front) as socket:
        assert socket.ping(b"and you?").wait(SECONDS)
        socket.send("over")
        assert socket.recv(SECONDS) == "over"
    assert heard == [True]


def test_a_protocol_of_their_own(front: GatewayProcess) -> None:
    with open_socket(front, subprotocols=["one", "another"]) as socket:
        assert socket.subprotocol == "another"


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "away"), (4321, "Grüße")])
def test_a_close_of_the_client(
    code: int, reason: str, origin: WebSocketOrigin, front: GatewayProcess
) -> None:
    closed: Queue[Close | None] = Queue()

    def handle(connection: ServerConnection) -> None:
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv()
        closed.put(caught.value.rcvd)

    origin.handle = handle
    with open_socket(front) as socket:
        socket.close(code, reason)
    assert closed.get(timeout=SECONDS) == Close(code, reason)
    assert (socket.close_code, socket.close_reason) == (code, reason)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1012, "restart"), (4321, "Grüße")])
def test_a_close_of_the_server(
    code: int, reason: str, origin: WebSocketOrigin, front: GatewayProcess
) -> None:
    origin.handle = lambda connection: connection.close(code, reason)
    with open_socket(front) as socket, pytest.raises(ConnectionClosed):
        socket.recv(SECONDS)
    assert (socket.close_code, socket.close_reason) == (code, reason)


def test_an_end_without_a_close(origin: WebSocketOrigin, front: GatewayProcess) -> None:
    origin.handle = lambda connection: connection.close_socket()
    with open_socket(front) as socket, pytest.raises(ConnectionClosedError) as caught:
        socket.recv(SECONDS)
    assert caught.value.rcvd is None
