"""Promise 4: quotas of every scope and unit, and what clients are told of them."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.books import half_sent, wait_until_half_arrived
from tests.promises.support import WAYS
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.valkey import ValkeyServer
from tests.support.wire import Client

KIB = 1024
QUOTAS = (
    "user 100KiB/day, user 5 files/month, user 1 at once, channel 250KiB total, "
    "team 30 files/day, everyone 1GiB/week, bot 1 file/day"
)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    # "everysec" keeps back what it is told while it waits for the disk, and that is lost.
    options = ("--appendonly", "yes", "--appendfsync", "always")
    with ValkeyServer(tmp_path_factory.mktemp("valkey"), *options) as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def limited(
    stand_in: StandInProcess,
    valkey: ValkeyServer,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("limited")
    settings = {"ledger_url": valkey.url} if request.param == "redis" else {}
    with GatewayProcess(stand_in.url, folder, quotas=QUOTAS, **settings) as running:
        yield running


@pytest.fixture
def member(limited: GatewayProcess, mattermost: StandInProcess, user: dict[str, Any]) -> Client:
    return Client(limited.address, user["token"], mattermost.channel_id)


def fields(text: str | None) -> dict[str, dict[str, str]]:
    """A list of items with parameters (RFC 9651), as far as these fields have such."""
    assert text is not None
    items = {}
    for item in text.split(", "):
        name, *parameters = item.split(";")
        items[name.strip('"')] = dict(parameter.split("=", 1) for parameter in parameters)
    return items


def test_the_whole_story(
    member: Client, limited: GatewayProcess, mattermost: StandInProcess
) -> None:
    response = member.raw("a.bin", bytes(60 * KIB))
    assert response.status == 201
    policies = fields(response.header("ratelimit-policy"))
    assert policies == {
        "user-bytes-day": {"q": "102400", "qu": '"content-bytes"', "w": "86400"},
        "user-files-month": policies["user-files-month"],  # months differ
        "user-at-once": {"q": "1", "qu": '"concurrent-requests"'},
        "channel-bytes-total": {"q": "256000", "qu": '"content-bytes"'},
        "team-files-day": {"q": "30", "qu": '"files"', "w": "86400"},
        "everyone-bytes-week": {"q": "1073741824", "qu": '"content-bytes"', "w": "604800"},
    }
    limits = fields(response.header("ratelimit"))
    assert limits["user-bytes-day"]["r"] == str(40 * KIB)
    assert limits["user-files-month"]["r"] == "4"
    assert limits["user-at-once"] == {"r": "0"}
    assert 0 < int(limits["user-bytes-day"]["t"]) <= 86_400

    # Files are counted, each of a form's. A refused one is not.
    for way in ("raw", "form"):
        refused = WAYS[way](member, "a.bin", bytes(60 * KIB))
        assert refused.status == 429
        assert "60 KiB of your 100 KiB for today" in refused.json()["message"]
        assert fields(refused.header("ratelimit"))["user-bytes-day"]["r"] == str(40 * KIB)
    for _ in range(4):
        assert member.raw("a.bin", bytes(1)).status == 201
    refused = member.raw("a.bin", bytes(1))
    assert refused.status == 429
    assert "5 files of your 5 files for this month" in refused.json()["message"]

    # The channel is everybody's.
    others = [replace(member, token=new_member(mattermost)["token"]) for _ in range(2)]
    assert others[0].raw("a.bin", bytes(100 * KIB)).status == 201
    refused = others[1].raw("a.bin", bytes(100 * KIB))
    assert refused.status == 429
    assert "everybody in this channel together has used" in refused.json()["message"]
    assert refused.header("retry-after") is None
    assert others[1].raw("a.bin", bytes(50 * KIB)).status == 201
    assert limited.metric("upload_gateway_quota_claims_total", scope="channel", result="exceeded")
    assert limited.metric("upload_gateway_quota_claims_total", scope="user", unit="files")


def test_uploads_at_once(mattermost: StandInProcess, folder: Path, user: dict[str, Any]) -> None:
    with GatewayProcess(mattermost.url, folder, quotas="user 1 at once") as gateway:
        client = Client(gateway.address, user["token"], mattermost.channel_id)
        with half_sent("raw", client) as (wire, rest):
            wait_until_half_arrived(mattermost)
            refused = client.raw("a.txt", b"hello")
            assert (refused.status, refused.json()["id"]) == (429, "gateway.quota_exceeded")
            assert "you have 1 upload running" in refused.json()["message"]
            assert int(refused.header("retry-after") or "") > 0
            wire.send(rest)
            assert wire.response().status == 201
        assert client.raw("a.txt", b"hello").status == 201


# The ledger is not there.


@pytest.mark.parametrize("on_error", ["deny", "allow"])
def test_a_ledger_that_is_gone_for_a_while(
    on_error: str,
    mattermost: StandInProcess,
    valkey: ValkeyServer,
    folder: Path,
    user: dict[str, Any],
) -> None:
    with GatewayProcess(
        mattermost.url,
        folder,
        quotas="user 100KiB/day",
        ledger_url=valkey.url,
        ledger_timeout="500ms",
        ledger_on_error=on_error,
    ) as gateway:
        client = Client(gateway.address, user["token"], mattermost.channel_id)
        assert client.raw("a.bin", bytes(90 * KIB)).header("upload-quota") is None
        for trouble, recovery in (
            (valkey.kill, valkey.start),
            (lambda: valkey.signal(signal.SIGSTOP), lambda: valkey.signal(signal.SIGCONT)),
        ):
            trouble()
            try:
                response = client.raw("a.bin", bytes(90 * KIB))
                gateway.wait_for(lambda: gateway.ready()[0] == 503)
            finally:
                recovery()
            if on_error == "deny":
                assert (response.status, response.json()["id"]) == (
                    503,
                    "gateway.ledger_unavailable",
                )
                assert int(response.header("retry-after") or "") > 0
            else:
                assert response.status == 201
                assert response.header("upload-quota") == "unchecked"
                assert "allowed without the ledger" in gateway.requests()[-1]["detail"]
            gateway.wait_for(lambda: gateway.ready()[0] == 200)
            assert client.raw("a.bin", bytes(90 * KIB)).status == 429
        result = "denied" if on_error == "deny" else "allowed"
        name = "upload_gateway_ledger_trouble_total"
        assert gateway.metric(name, operation="reserve", result=result) == 2


def told(gateway: GatewayProcess, event: str) -> int:
    """How often."""
    return [line["event"] for line in gateway.log()].count(event)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_gateway_starts_without_its_ledger_by_choice(
    workers: int, mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> None:
    server = ValkeyServer(folder)
    gateway = GatewayProcess(
        mattermost.url,
        folder,
        workers=str(workers),
        quotas="user 100KiB/day",
        ledger_url=server.url,
        ledger_on_error="allow",
    )
    with ExitStack() as running:
        running.push(server)  # it is started later, and stopped last
        running.enter_context(gateway)
        client = Client(gateway.address, user["token"], mattermost.channel_id)
        assert gateway.ready()[0] == 503
        unchecked = client.raw("a.bin", bytes(90 * KIB))
        assert (unchecked.status, unchecked.header("upload-quota")) == (201, "unchecked")
        server.start()
        gateway.wait_for(lambda: told(gateway, "ledger_ready") == told(gateway, "ledger_not_ready"))
        gateway.wait_for(lambda: gateway.ready()[0] == 200)
        assert client.raw("a.bin", bytes(60 * KIB)).status == 201
        assert client.raw("a.bin", bytes(60 * KIB)).status == 429


def test_a_gateway_starts_only_with_its_ledger(mattermost: StandInProcess, folder: Path) -> None:
    url = "redis://user:secret@127.0.0.1:1"
    gateway = GatewayProcess(mattermost.url, folder, ledger_url=url)
    with pytest.raises((RuntimeError, AssertionError), match="cannot start") as caught:
        gateway.start()
    assert "secret" not in str(caught.value)
    assert gateway.wait() == 1
