"""Promise 6 for WebSockets: one count and one line each, at their end; and an end when told."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from gateway.standin.process import StandInProcess
from tests.promises.support import reset
from tests.promises.test_6_accounted import End, Watch, end_of
from tests.standin.test_websocket import bearer, iter_until_closed
from tests.support.gateway import GatewayProcess
from tests.support.origin import Origin, Visit
from tests.support.websocket import PATH, accept, handshake, open_socket, shake_hands
from tests.support.wire import Wire
from tests.test_serving import children, is_listening

OPEN = "upload_gateway_websockets_open"
IN_FLIGHT = "upload_gateway_requests_in_flight"
SECONDS = "upload_gateway_request_duration_seconds_sum"


def ended(status: int, outcome: str, reason: str) -> End:
    return End("websocket", "GET", status, outcome, reason)


ACCEPTED = ended(101, "accepted", "none")


def agree(visit: Visit) -> bool:
    """Agree, and echo until the client has closed its side."""
    connection = accept(visit)
    while piece := connection.recv(65536):
        connection.sendall(piece)
    return False


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin(agree) as running:
        yield running


@pytest.fixture(scope="module")
def front(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(origin.url, tmp_path_factory.mktemp("front")) as running:
        yield running


@pytest.fixture
def watch(origin: Origin, front: GatewayProcess) -> Watch:
    return Watch(front)


def the_only_end(watch: Watch, origin: Origin) -> tuple[End, dict[str, object]]:
    """See ``Watch``, which makes a request of its own."""
    origin.answer = lambda visit: visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    return watch.the_only_end()


# While it is open, and at its end.


def test_an_open_one_counts_as_open_only(origin: Origin, front: GatewayProcess) -> None:
    origin.answer = agree
    lines = len(front.requests())
    counted = front.metric("upload_gateway_requests_total")
    with Wire(front.address) as wire:
        assert shake_hands(wire).status == 101
        assert (front.metric(OPEN), front.metric(IN_FLIGHT)) == (1, 0)
        assert front.metric("upload_gateway_requests_total") == counted
        assert len(front.requests()) == lines
    front.wait_for(lambda: front.metric(OPEN) == 0)
    assert front.metric("upload_gateway_requests_total") == counted + 1
    assert front.metric(IN_FLIGHT) == 0


def test_the_line_of_one(origin: Origin, front: GatewayProcess, watch: Watch) -> None:
    origin.answer = agree
    body_bytes = front.metric("upload_gateway_received_bytes_total")
    seconds = front.metric(SECONDS, endpoint="websocket")
    with Wire(front.address) as wire:
        head = shake_hands(wire, f"{PATH}?connection_id=secret", ("Cookie", "MMAUTHTOKEN=secret"))
        wire.send(bytes(100_000))
        assert wire.read(100_000) == bytes(100_000)
        wire.send(b"more")
        assert wire.read(4) == b"more"
    end, line = the_only_end(watch, origin)
    assert end == end_of(line) == ACCEPTED
    assert (line["bytes_received"], line["bytes_sent"]) == (100_004, 100_004)
    assert line["request_id"] == head.header("x-request-id")
    assert (line["path"], line["client"], line["level"]) == (PATH, "127.0.0.1", "info")
    assert "secret" not in str(line)
    # How long it was open is in the log; the metric is about answers and bodies of requests.
    observed = front.metric(SECONDS, endpoint="websocket") - seconds
    assert 0 < observed < float(str(line["duration"]))
    assert front.metric("upload_gateway_received_bytes_total") == body_bytes


def test_nothing_was_said(origin: Origin, front: GatewayProcess, watch: Watch) -> None:
    origin.answer = agree
    with Wire(front.address) as wire:
        shake_hands(wire)
    _, line = the_only_end(watch, origin)
    assert (line["bytes_received"], line["bytes_sent"]) == (0, 0)


# Every end.


def test_mattermost_closes_it(origin: Origin, front: GatewayProcess, watch: Watch) -> None:
    def answer(visit: Visit) -> bool:
        accept(visit)
        return False

    origin.answer = answer
    with Wire(front.address) as wire:
        assert shake_hands(wire).status == 101
        assert wire.at_end()
    assert the_only_end(watch, origin)[0] == ACCEPTED


def test_the_client_breaks_off(origin: Origin, front: GatewayProcess, watch: Watch) -> None:
    origin.answer = agree
    with Wire(front.address) as wire:
        assert shake_hands(wire).status == 101
        reset(wire)
    end, line = the_only_end(watch, origin)
    assert end == ended(101, "aborted", "client_gone")
    assert "reset" in str(line["detail"])


def test_mattermost_breaks_off(origin: Origin, front: GatewayProcess, watch: Watch) -> None:
    def answer(visit: Visit) -> bool:
        # Closing with something unread resets the connection.
        accept(visit).recv(1)
        return False

    origin.answer = answer
    with Wire(front.address) as wire:
        assert shake_hands(wire).status == 101
        wire.send(b"two")
        assert wire.at_end()
    end, line = the_only_end(watch, origin)
    assert end == ended(101, "failed", "mattermost_failed")
    assert line["level"] == "warning"


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (401, "refused", "mattermost_refused"),
        (503, "failed", "mattermost_failed"),
        (200, "accepted", "none"),
    ],
)
def test_another_answer(
    status: int, outcome: str, reason: str, origin: Origin, front: GatewayProcess, watch: Watch
) -> None:
    answer = b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nno" % status
    origin.answer = lambda visit: visit.send(answer)
    with Wire(front.address) as wire:
        wire.send(handshake())
        response = wire.response()
        assert response.status == status
    end, line = the_only_end(watch, origin)
    assert end == ended(status, outcome, reason)
    assert line["request_id"] == response.header("x-request-id")
    assert front.metric(OPEN) == 0


def test_no_answer(origin: Origin, front: GatewayProcess, watch: Watch) -> None:
    origin.answer = lambda visit: False
    with Wire(front.address) as wire:
        wire.send(handshake())
        assert wire.response().json()["id"] == "gateway.upstream_failed"
    assert the_only_end(watch, origin)[0] == ended(502, "failed", "upstream_failed")


def test_mattermost_is_down(unused_port: int, folder: Path) -> None:
    with GatewayProcess(f"http://127.0.0.1:{unused_port}", folder) as front:
        watch = Watch(front)
        with pytest.raises(InvalidStatus) as caught:
            open_socket(front)
        response = caught.value.response
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert watch.the_only_end()[0] == ended(503, "failed", "upstream_unreachable")


# Stopping.


@pytest.mark.parametrize("workers", ["1", "2"])
def test_open_ones_do_not_hold_up_a_stop(
    workers: str, mattermost: StandInProcess, folder: Path
) -> None:
    with GatewayProcess(mattermost.url, folder, workers=workers) as front, ExitStack() as stack:
        sockets = [
            stack.enter_context(open_socket(front, additional_headers=bearer(mattermost)))
            for _ in range(20)
        ]
        front.wait_for(lambda: front.metric(OPEN) == 20)
        assert front.terminate() == 0
        for socket in sockets:
            list(iter_until_closed(socket))
            assert socket.close_code == 1006  # closed without a word
        assert [end_of(line) for line in front.requests()] == [
            ended(101, "accepted", "shutdown")
        ] * 20


def test_one_that_does_not_read_does_not_hold_up_a_stop(origin: Origin, folder: Path) -> None:
    def pour(visit: Visit) -> bool:
        connection = accept(visit)
        while True:
            connection.sendall(bytes(65536))

    origin.answer = pour
    with GatewayProcess(origin.url, folder) as front, Wire(front.address) as wire:
        assert shake_hands(wire).status == 101
        front.wait_for(lambda: front.metric(OPEN) == 1)
        assert front.terminate() == 0
        (line,) = front.requests()
        assert end_of(line) == ended(101, "accepted", "shutdown")


def test_one_that_is_opened_during_a_stop(origin: Origin, folder: Path) -> None:
    stopping = threading.Event()

    def answer(visit: Visit) -> bool:
        assert stopping.wait(20)
        return agree(visit)

    origin.answer = answer
    with GatewayProcess(origin.url, folder) as front, Wire(front.address) as wire:
        wire.send(handshake())
        front.wait_for(lambda: front.metric(IN_FLIGHT) == 1)
        front.signal(signal.SIGTERM)
        front.wait_for(lambda: not is_listening(front))
        stopping.set()
        assert wire.head().status == 101
        assert wire.at_end()
        assert front.wait() == 0
        (line,) = front.requests()
        assert end_of(line) == ended(101, "accepted", "shutdown")


def test_those_of_a_dead_worker_are_open_no_more(origin: Origin, folder: Path) -> None:
    origin.answer = agree
    with GatewayProcess(origin.url, folder, workers="2") as front, Wire(front.address) as wire:
        assert shake_hands(wire).status == 101
        front.wait_for(lambda: front.metric(OPEN) == 1)
        for worker in children(front.pid):
            os.kill(worker, signal.SIGKILL)
        front.wait_for(lambda: front.metric(OPEN) == 0)
