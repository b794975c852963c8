"""Faults do what they say."""

import http.client
import socket

import pytest

from gateway.standin.faults import Fault, Faults
from gateway.standin.process import StandInProcess

from .wire import FilesApi, connect, exchange, head, read_answer

UPLOAD = "POST /api/v4/files"
PING = "GET /api/v4/system/ping"


def ping(mattermost: StandInProcess) -> int:
    return exchange(mattermost.port, "GET", "/api/v4/system/ping", {}).status


def read_to_end(sock: socket.socket) -> bytes:
    pieces = []
    while piece := sock.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def test_the_first_fault_that_fits_acts_until_it_is_used_up() -> None:
    faults = Faults()
    first = Fault(endpoint=UPLOAD, status=500, times=2)
    second = Fault(status=503)
    faults.add(first)
    faults.add(second)
    taken = [faults.take(e).status for e in (PING, UPLOAD, UPLOAD, UPLOAD)]
    assert taken == [503, 500, 500, 503]
    faults.clear()
    assert faults.take(UPLOAD) == Fault()


@pytest.mark.parametrize(
    "fault", [{"times": 0}, {"read_rate": 0}, {"stop_reading": True}, {"unheard_of": 1}]
)
def test_impossible_faults_are_refused(
    mattermost: StandInProcess, fault: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=next(iter(fault))):
        mattermost.control(**fault)


def test_a_given_answer_for_the_next_requests(files: FilesApi) -> None:
    files.mattermost.control(
        endpoint=UPLOAD, times=2, status=503, body="busy", headers={"Retry-After": "7"}
    )
    for _ in range(2):
        answer = files.raw(b"x")
        assert (answer.status, answer.body) == (503, b"busy")
        assert answer.header("retry-after") == "7"
    assert ping(files.mattermost) == 200
    assert files.raw(b"x").status == 201


def test_a_reset_ends_faults_and_forgets_requests(mattermost: StandInProcess) -> None:
    mattermost.control(endpoint=PING, status=500)
    assert ping(mattermost) == 500
    mattermost.reset()
    assert mattermost.state()["requests"] == {}
    assert ping(mattermost) == 200


def test_a_delay_holds_the_answer_back(mattermost: StandInProcess) -> None:
    mattermost.control(endpoint=PING, delay=0.3)
    with connect(mattermost.port) as sock:
        sock.sendall(head("GET", "/api/v4/system/ping", {}))
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(30)
        assert read_answer(sock).status == 200


def test_stalling_reads_the_body_and_never_answers(files: FilesApi) -> None:
    files.mattermost.control(endpoint=UPLOAD, stall=True)
    with files.open_raw(2**20) as sock:
        sock.sendall(bytes(2**20))
        files.mattermost.wait_for(lambda state: state["uploads"][0]["body_bytes"] == 2**20)
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert files.mattermost.state()["uploads"][0]["status"] is None


def test_stalling_without_reading_leaves_the_body_to_the_sockets(files: FilesApi) -> None:
    files.mattermost.control(endpoint=UPLOAD, stall=True, stop_reading=True)
    with files.open_raw(2**30) as sock:
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.sendall(bytes(100 * 2**20))
    assert files.mattermost.state()["uploads"][0]["body_bytes"] < 2**20


def test_an_early_answer_with_nothing_read(files: FilesApi) -> None:
    files.mattermost.control(endpoint=UPLOAD, status=413, stop_reading=True)
    with files.open_raw(10) as sock:
        answer = read_answer(sock)
        assert (answer.status, answer.header("connection")) == (413, None)
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert files.mattermost.state()["uploads"][0]["body_bytes"] == 0


def test_slow_reading_holds_the_sender_back(files: FilesApi) -> None:
    files.mattermost.control(endpoint=UPLOAD, read_rate=2**20)
    with files.open_raw(100 * 2**20) as sock:
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sock.sendall(bytes(100 * 2**20))
        assert files.mattermost.state()["uploads"][0]["body_bytes"] < 50 * 2**20


def test_slow_reading_gets_there_in_the_end(files: FilesApi) -> None:
    files.mattermost.control(endpoint=UPLOAD, read_rate=10 * 2**20)
    assert files.stored(files.raw(bytes(2**20)))[0]["size"] == 2**20


def test_closing_after_some_of_the_body(files: FilesApi) -> None:
    files.mattermost.control(endpoint=UPLOAD, close_after=1000, times=1)
    with files.open_raw(5000) as sock:
        sock.sendall(bytes(1000))
        assert sock.recv(1) == b""


def test_closing_at_once_by_a_reset(files: FilesApi) -> None:
    files.mattermost.control(endpoint=UPLOAD, close_after=0, reset=True)
    with files.open_raw(5000) as sock, pytest.raises(ConnectionResetError):
        sock.recv(1)


def test_garbage_in_place_of_an_answer(files: FilesApi) -> None:
    files.mattermost.control(endpoint=UPLOAD, garbage="\x16\x03 no HTTP")
    with files.open_raw(5) as sock:
        assert read_to_end(sock) == b"\x16\x03 no HTTP"


def test_an_answer_cut_short(mattermost: StandInProcess) -> None:
    mattermost.control(endpoint=PING, cut_answer=10)
    with pytest.raises(http.client.IncompleteRead) as caught:
        ping(mattermost)
    assert len(caught.value.partial) == 10


def test_closing_behind_an_answer_that_did_not_say_so(mattermost: StandInProcess) -> None:
    mattermost.control(endpoint=PING, close_quietly=True)
    with connect(mattermost.port) as sock:
        sock.sendall(head("GET", "/api/v4/system/ping", {}))
        answer = read_answer(sock)
        assert (answer.status, answer.header("connection")) == (200, None)
        assert sock.recv(1) == b""


def test_closing_an_idle_connection(mattermost: StandInProcess) -> None:
    mattermost.control(endpoint=PING, idle_close=0.1)
    with connect(mattermost.port) as sock:
        for _ in range(2):
            sock.sendall(head("GET", "/api/v4/system/ping", {}))
            assert read_answer(sock).status == 200
        assert sock.recv(1) == b""


def test_the_journal_knows_requests_credentials_and_connections(files: FilesApi) -> None:
    files.raw(b"hello", Content_Type="text/x-test")
    ping(files.mattermost)
    state = files.mattermost.state()
    assert state["requests"] == {UPLOAD: 1, PING: 1}
    assert [entry["endpoint"] for entry in state["recent"]] == [UPLOAD, PING]
    [upload] = state["uploads"]
    assert upload["target"] == files.target()
    assert (upload["body_bytes"], upload["status"]) == (5, 201)
    assert ["authorization", f"Bearer {files.mattermost.user_token}"] in upload["headers"]
    # The control connections count too: this one, the one of the reset before.
    assert state["connections"]["opened"] >= 2
