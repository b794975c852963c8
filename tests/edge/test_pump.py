"""Large bodies are pumped from socket to socket; these are the pump's known traps."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire

MIB = 2**20
FILES = "POST /api/v4/files"


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(
        stand_in.url,
        tmp_path_factory.mktemp("gateway"),
        client_timeout="2s",
        upstream_timeout="3s",
        quotas="user 10GiB/day",
        ledger_lease="1s",
    ) as running:
        yield running


@pytest.fixture
def client(gateway: GatewayProcess, mattermost: StandInProcess) -> Client:
    return Client(gateway.address, mattermost.user_token, mattermost.channel_id)


def noise(size: int) -> bytes:
    """Random bytes that begin as no known type does."""
    return (b"noise..." + os.urandom(size))[:size]


def stored(mattermost: StandInProcess) -> list[tuple[str, int]]:
    return [(file["name"], file["size"]) for file in mattermost.state()["files"]]


def head(client: Client, name: str, size: int) -> bytes:
    return (
        f"POST {client.target(name)} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {client.token}\r\nContent-Length: {size}\r\n\r\n"
    ).encode()


def direct(mattermost: StandInProcess, file_id: str) -> bytes:
    with Wire(("127.0.0.1", mattermost.port)) as wire:
        token = ("Authorization", f"Bearer {mattermost.user_token}")
        wire.send_head("GET", f"/api/v4/files/{file_id}", [token])
        return wire.response().body


@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 5 * MIB + 17, 23 * MIB])
def test_bytes_arrive_as_they_were(client: Client, mattermost: StandInProcess, size: int) -> None:
    content = noise(size)
    response = client.raw("large.bin", content)
    assert response.status == 201
    assert direct(mattermost, response.json()["file_infos"][0]["id"]) == content


def test_the_connection_serves_further_requests(client: Client, mattermost: StandInProcess) -> None:
    first, second = noise(4 * MIB), noise(3 * MIB)
    with Wire(client.address) as wire:
        for content in (first, b"small", second):
            wire.send(head(client, "a.bin", len(content)) + content)
            response = wire.response()
            assert response.status == 201
            assert direct(mattermost, response.json()["file_infos"][0]["id"]) == content


def test_a_request_right_behind_the_body_is_not_swallowed(client: Client) -> None:
    content = noise(4 * MIB)
    following = f"GET /api/v4/users/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}"
    with Wire(client.address) as wire:
        wire.send(head(client, "a.bin", len(content)) + content + f"{following}\r\n\r\n".encode())
        assert wire.response().status == 201
        assert wire.response().json()["username"] == "alice"


def test_slow_mattermost_sets_the_pace(client: Client, mattermost: StandInProcess) -> None:
    mattermost.control(endpoint=FILES, times=1, read_rate=8 * MIB)
    content = noise(8 * MIB)
    response = client.raw("paced.bin", content)
    assert response.status == 201
    assert direct(mattermost, response.json()["file_infos"][0]["id"]) == content


def test_an_early_answer_reaches_a_client_that_still_sends(
    client: Client, mattermost: StandInProcess
) -> None:
    body = '{"id":"api.full","message":"no","detailed_error":"","status_code":507}'
    mattermost.control(endpoint=FILES, times=1, status=507, body=body, stop_reading=True)
    content = bytes(60 * MIB)
    response = client.raw("refused.bin", content)
    assert response.status == 507
    assert response.json()["id"] == "api.full"


def test_a_client_that_goes_away_ends_the_upload(
    gateway: GatewayProcess, client: Client, mattermost: StandInProcess
) -> None:
    before = stored(mattermost)
    with Wire(client.address) as wire:
        wire.send(head(client, "gone.bin", 50 * MIB) + bytes(5 * MIB))
        mattermost.wait_for(lambda state: any("gone.bin" in u["target"] for u in state["uploads"]))
    line = gateway.wait_for_log("request", outcome="aborted")
    assert line["reason"] == "client_gone"
    assert MIB < line["bytes_received"] <= 5 * MIB
    assert stored(mattermost) == before


def test_a_client_that_falls_silent_is_told_so(gateway: GatewayProcess, client: Client) -> None:
    with Wire(client.address) as wire:
        wire.send(head(client, "silent.bin", 50 * MIB) + bytes(5 * MIB))
        response = wire.response()
    assert response.status == 408
    assert response.json()["id"] == "gateway.client_too_slow"


def test_mattermost_that_takes_no_more_is_given_up(
    client: Client, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint=FILES, times=1, stall=True, stop_reading=True)
    response = client.raw("stalled.bin", bytes(40 * MIB))
    assert response.status == 504
    assert response.json()["id"] == "gateway.upstream_timeout"


def test_mattermost_that_breaks_off_is_reported(client: Client, mattermost: StandInProcess) -> None:
    mattermost.control(endpoint=FILES, times=1, close_after=2 * MIB)
    response = client.raw("broken.bin", bytes(40 * MIB))
    assert response.status == 502
    assert response.json()["id"] == "gateway.upstream_failed"


def test_small_requests_are_served_meanwhile(client: Client) -> None:
    with Wire(client.address) as large:
        large.send(head(client, "large.bin", 20 * MIB) + bytes(10 * MIB))
        assert client.raw("small.txt", b"hello").status == 201
        large.send(bytes(10 * MIB))
        assert large.response().status == 201


def test_waiting_for_100_continue(client: Client) -> None:
    size = 5 * MIB
    with Wire(client.address) as wire:
        expect = ("Expect", "100-continue")
        length = ("Content-Length", str(size))
        wire.send_head("POST", client.target("a.bin"), client.head(length, expect))
        assert wire.interim() == 100
        wire.send(bytes(size))
        assert wire.response().status == 201


def test_nothing_stays_charged_after_failures(
    gateway: GatewayProcess, client: Client, tmp_path: Path
) -> None:
    """All of the above at once left no reservation behind (the lease is a second)."""
    assert client.raw("last.txt", b"hello").status == 201
    time.sleep(0.1)
    import sqlite3

    with sqlite3.connect(f"file:{gateway.folder / 'ledger.sqlite3'}?mode=ro", uri=True) as ledger:
        assert ledger.execute("SELECT coalesce(sum(bytes), 0) FROM held").fetchone() == (0,)


UPGRADE = (("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"))
"""What Java's HttpClient and ``curl --http2`` offer to every server (RFC 7540, 3.2)."""


@pytest.mark.parametrize("size", [5, 100_000, 6 * MIB])
def test_a_body_beside_an_offered_upgrade(
    client: Client, mattermost: StandInProcess, size: int
) -> None:
    content = noise(size)
    with Wire(client.address) as wire:
        length = ("Content-Length", str(size))
        wire.send_head("POST", client.target("a.bin"), client.head(length, *UPGRADE))
        for start in range(0, size, 40_000):
            wire.send(content[start : start + 40_000])
        response = wire.response()
    assert response.status == 201
    assert direct(mattermost, response.json()["file_infos"][0]["id"]) == content


def test_a_chunked_body_beside_an_offered_upgrade_is_refused(
    client: Client, mattermost: StandInProcess
) -> None:
    with Wire(client.address) as wire:
        chunked = ("Transfer-Encoding", "chunked")
        wire.send_head("POST", client.target("a.bin"), client.head(chunked, *UPGRADE))
        wire.send(b"5\r\nhello\r\n0\r\n\r\n")
        response = wire.response()
    assert (response.status, response.json()["id"]) == (400, "gateway.ambiguous_request")
    assert not mattermost.state()["uploads"]
