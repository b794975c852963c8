"""Clients that are gone, or take nothing, while the gateway looks elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.support import reset
from tests.support.gateway import GatewayProcess
from tests.support.ledger import usage
from tests.support.origin import Origin, Visit
from tests.support.wire import Client, Wire, field, file_part, form_body

MIB = 2**20
FILES = "POST /api/v4/files"
SOON = 30.0
"""Seconds; Mattermost would be waited for four times as long."""


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(stand_in.url, folder, quotas="user 10GiB/day") as running:
        yield running


@pytest.fixture
def client(gateway: GatewayProcess, mattermost: StandInProcess) -> Client:
    return Client(gateway.address, mattermost.user_token, mattermost.channel_id)


def send_until_blocked(wire: Wire, data: bytes) -> None:
    """As much of ``data`` as anybody takes; everything else waits."""
    wire.socket.settimeout(1)
    view = memoryview(data)
    with suppress(TimeoutError):
        while view:
            view = view[wire.socket.send(view) :]
    assert view, "all of it was taken"


def raw(client: Client, wire: Wire) -> bytes:
    body = bytes(60 * MIB)
    length = ("Content-Length", str(len(body)))
    wire.send_head("POST", client.target("a.bin"), client.head(length))
    return body


def form(client: Client, wire: Wire) -> bytes:
    content = bytes(60 * MIB)
    body = form_body(field("channel_id", client.channel_id), file_part("a.bin", content))
    content_type = ("Content-Type", "multipart/form-data; boundary=XboundaryX")
    length = ("Content-Length", str(len(body)))
    wire.send_head("POST", "/api/v4/files", client.head(content_type, length))
    return body


@pytest.mark.parametrize("begin", [raw, form])
def test_a_client_that_resets_its_connection_while_mattermost_takes_nothing(
    begin: Callable[[Client, Wire], bytes],
    client: Client,
    gateway: GatewayProcess,
    mattermost: StandInProcess,
) -> None:
    """Nobody reads from its connection then, so nobody would be told."""
    mattermost.control(endpoint=FILES, times=1, stall=True, stop_reading=True)
    user = mattermost.ready["user"]["id"]
    seen = len(gateway.requests())
    with Wire(client.address) as wire:
        send_until_blocked(wire, begin(client, wire))
        assert usage(gateway.folder, user).reserved > 0
        reset(wire)
        gateway.wait_for(lambda: len(gateway.requests()) > seen, SOON)
    line = gateway.requests()[-1]
    assert (line["outcome"], line["reason"]) == ("aborted", "client_gone")
    assert line["files"][0]["outcome"] == "aborted"
    assert usage(gateway.folder, user).reserved == 0


# Passthrough, with an upstream of the test's own.


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin(lambda visit: False) as running:
        yield running


@pytest.fixture(scope="module")
def front(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("front")
    with GatewayProcess(origin.url, folder, client_timeout="2s") as running:
        yield running


def left_alone(visit: Visit) -> threading.Event:
    """Set when the gateway closes the connection of ``visit``."""
    closed = threading.Event()

    def wait() -> None:
        with suppress(OSError):
            while visit.socket.recv(65536):
                pass
        closed.set()

    threading.Thread(target=wait, daemon=True).start()
    return closed


def test_a_request_whose_client_is_gone_ends_upstream(
    origin: Origin, front: GatewayProcess
) -> None:
    """A body that nobody takes: Mattermost reads on only when the client has been gone."""
    gone, closed = threading.Event(), threading.Event()

    def take_nothing(visit: Visit) -> bool:
        gone.wait(SOON)
        with suppress(OSError):
            while visit.socket.recv(65536):
                pass
        closed.set()
        return False

    origin.answer = take_nothing
    with Wire(front.address) as wire:
        wire.send_head("POST", "/x", [("Content-Length", str(60 * MIB))])
        send_until_blocked(wire, bytes(60 * MIB))
        reset(wire)
        front.wait_for_log("request", SOON, outcome="aborted", method="POST")
    gone.set()
    assert closed.wait(SOON)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_a_client_that_does_not_wait_for_its_answer(
    answer: bytes, origin: Origin, front: GatewayProcess
) -> None:
    """Mattermost, which may never go on, is left at once."""
    visits: list[threading.Event] = []

    def never_go_on(visit: Visit) -> bool:
        closed = left_alone(visit)
        visit.send(answer)
        visits.append(closed)
        return not closed.wait(SOON)

    origin.answer = never_go_on
    with Wire(front.address) as wire:
        wire.send_head("GET", "/x")
        front.wait_for(lambda: bool(visits))
        if answer:
            wire.wait_until_received(b"half")
        reset(wire)
    assert visits[0].wait(SOON)
    front.wait_for_log("request", SOON, outcome="aborted", method="GET")


def endless(closed: threading.Event) -> Callable[[Visit], object]:
    def tell(visit: Visit) -> bool:
        visit.send(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError):
            while True:
                visit.send(bytes(MIB))
        closed.set()
        return False

    return tell


@pytest.mark.parametrize("end", ["closes", "resets", "takes nothing"])
def test_a_client_that_does_not_want_the_rest(
    end: str, origin: Origin, front: GatewayProcess
) -> None:
    closed = threading.Event()
    origin.answer = endless(closed)
    seen = len(front.requests())
    with Wire(front.address) as wire:
        wire.send_head("GET", "/x")
        wire.wait_until_received(b"\r\n\r\n")
        if end == "closes":
            wire.close()
        elif end == "resets":
            reset(wire)
        assert closed.wait(SOON)
        front.wait_for(lambda: len(front.requests()) > seen)
    assert front.requests()[-1]["outcome"] == "aborted"


def test_a_client_that_is_slow_but_steady_gets_it_all(
    origin: Origin, front: GatewayProcess
) -> None:
    size = 40 * MIB

    def tell(visit: Visit) -> bool:
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        return True

    origin.answer = tell
    with Wire(front.address) as wire:
        wire.send_head("GET", "/x")
        wire.wait_until_received(b"\r\n\r\n")
        received, until = 0, time.monotonic() + 6
        while time.monotonic() < until:  # three times as long as a client may take nothing
            received += len(wire.read_some(256 * 1024))
            time.sleep(0.2)
        assert received < size // 2
        while piece := wire.read_some(MIB):
            received += len(piece)
            if received == size:
                break
        assert received == size
