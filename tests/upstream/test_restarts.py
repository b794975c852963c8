"""A Mattermost that restarts, or closes connections, between uploads fails none of them."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.support import UPLOAD, WAYS, text
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInProcess]:
    """A stand-in that may be restarted."""
    with StandInProcess(tmp_path_factory.mktemp("stand-in")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(stand_in.url, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def client(mattermost: StandInProcess, gateway: GatewayProcess) -> Client:
    return Client(gateway.address, mattermost.user_token, mattermost.channel_id)


def upload_everything(client: Client) -> None:
    for way, send in WAYS.items():
        for size in (100, 300_000):
            assert send(client, "novel.txt", text(size)).status == 201, way


def test_connections_are_kept(client: Client, mattermost: StandInProcess) -> None:
    """Without this, there would be nothing to lose in the tests below."""
    for _ in range(5):
        assert client.raw("a.txt", b"hello").status == 201
    mattermost.reset()
    opened = mattermost.state()["connections"]["opened"]
    upload_everything(client)
    # One for each question about the stand-in's state, and none for an upload.
    assert mattermost.state()["connections"]["opened"] - opened == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_restart_fails_no_upload(way: str, client: Client, mattermost: StandInProcess) -> None:
    assert WAYS[way](client, "novel.txt", text(300_000)).status == 201
    mattermost.restart()
    assert WAYS[way](client, "novel.txt", text(300_000)).status == 201


def test_a_restart_after_some_idleness_fails_no_upload(
    client: Client, mattermost: StandInProcess
) -> None:
    upload_everything(client)
    mattermost.restart()
    time.sleep(1.2)  # more than a connection is trusted for without being asked
    upload_everything(client)


def test_idle_connections_that_are_still_good_serve_after_a_while(
    client: Client, mattermost: StandInProcess
) -> None:
    assert client.raw("novel.txt", text(300_000)).status == 201
    time.sleep(1.2)
    mattermost.reset()
    opened = mattermost.state()["connections"]["opened"]
    assert client.raw("novel.txt", text(300_000)).status == 201
    (upload,) = mattermost.state()["uploads"]
    assert ["expect", "100-continue"] in upload["headers"]
    assert mattermost.state()["connections"]["opened"] - opened == 2


def wait_until_closed(mattermost: StandInProcess) -> None:
    """Until no connection is left but that on which this is asked."""
    mattermost.wait_for(lambda state: state["connections"]["open"] == 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_is_closed_without_a_word(
    way: str, client: Client, mattermost: StandInProcess
) -> None:
    """Right after its answer, which had not announced it; several times in a row."""
    mattermost.control(endpoint=UPLOAD, close_quietly=True)
    for size in (100, 300_000, 100, 300_000):
        assert WAYS[way](client, "novel.txt", text(size)).status == 201
        wait_until_closed(mattermost)


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_is_reset_without_a_word(
    way: str, client: Client, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint=UPLOAD, close_quietly=True, reset=True)
    for size in (100, 300_000, 100, 300_000):
        assert WAYS[way](client, "novel.txt", text(size)).status == 201
        wait_until_closed(mattermost)
        time.sleep(0.1)  # the reset comes a moment after the answer


def test_uploads_while_mattermost_is_down(client: Client, mattermost: StandInProcess) -> None:
    """Even of somebody who is remembered: refused with a reason, and never accepted."""
    assert client.raw("novel.txt", text(300_000)).status == 201
    mattermost.kill()
    try:
        for way, send in WAYS.items():
            response = send(client, "novel.txt", text(300_000))
            assert (response.status, response.json()["id"]) == (
                503,
                "gateway.upstream_unreachable",
            ), way
            assert int(response.header("retry-after") or "") > 0
    finally:
        mattermost.start()
    assert client.raw("novel.txt", text(300_000)).status == 201


def test_connections_that_mattermost_finds_idle_for_too_long(
    client: Client, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint=UPLOAD, idle_close=0.2)
    for _ in range(3):
        assert client.raw("novel.txt", text(300_000)).status == 201
        wait_until_closed(mattermost)


def test_what_passes_through_survives_a_restart_as_well(
    client: Client, mattermost: StandInProcess
) -> None:
    assert client.request("GET", "/api/v4/users/me").status == 200
    mattermost.restart()
    assert client.request("GET", "/api/v4/users/me").status == 200


def test_a_restart_with_many_connections_fails_no_upload(
    client: Client, mattermost: StandInProcess
) -> None:
    def upload(number: int) -> int:
        return client.raw("novel.txt", text(100 + number * 20_000)).status

    with ThreadPoolExecutor(10) as threads:
        assert set(threads.map(upload, range(10))) == {201}
        mattermost.restart()
        assert set(threads.map(upload, range(10))) == {201}
