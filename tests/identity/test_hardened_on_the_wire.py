"""Sessions that end, change or never were: what takes effect when, and at whose cost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member, send
from tests.support.wire import Client, WireResponse

ME = "GET /api/v4/users/me"


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """One that believes Mattermost's answers for a moment, and lets few attempts fail."""
    folder = tmp_path_factory.mktemp("hardened")
    with GatewayProcess(
        stand_in.url,
        folder,
        session_ttl="500ms",
        session_negative_ttl="1h",
        failed_attempts="6",
        trusted_proxies="127.0.0.1",
    ) as running:
        yield running


def upload(client: Client, address: str) -> WireResponse:
    """As somebody who comes from ``address``."""
    return client.raw("a.txt", b"hello", ("X-Forwarded-For", address))


def test_a_burst_of_unknown_tokens(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    """It costs Mattermost as many questions as are allowed, and others nothing."""
    known = Client(gateway.address, new_member(mattermost)["token"], mattermost.channel_id)
    mattermost.reset()
    answers = [
        upload(Client(gateway.address, f"{number:026}", known.channel_id), "10.1.1.1")
        for number in range(40)
    ]
    assert [answer.status for answer in answers[:6]] == [401] * 6
    late = answers[-1]
    assert (late.status, late.json()["id"]) == (429, "gateway.too_many_attempts")
    assert int(late.header("retry-after") or "") in range(1, 11)
    assert mattermost.state()["requests"][ME] <= 7
    assert upload(known, "10.1.1.2").status == 201
    # A session that is known passes from there as well.
    assert upload(known, "10.1.1.1").status == 201
    line = gateway.wait_for_log("request", status=429)
    assert (line["reason"], line["outcome"]) == ("too_many_attempts", "refused")


def test_a_burst_on_several_workers(mattermost: StandInProcess, tmp_path: Path) -> None:
    """They share what one address may try, wherever its connections go."""
    settings = {"workers": "3", "failed_attempts": "9", "trusted_proxies": "127.0.0.1"}
    with GatewayProcess(mattermost.url, tmp_path, **settings) as gateway:
        clients = [
            Client(gateway.address, f"w{number:025}", mattermost.channel_id) for number in range(90)
        ]
        statuses = [upload(client, "10.1.5.1").status for client in clients]
    assert set(statuses) == {401, 429}
    # One more of each may have come back meanwhile.
    assert mattermost.state()["requests"][ME] <= 9 + 3


def test_one_token_over_and_over(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    """An old app that was logged out is told so, and asked about once."""
    client = Client(gateway.address, "z" * 26, mattermost.channel_id)
    assert {upload(client, "10.1.2.1").status for _ in range(20)} == {401}
    assert mattermost.state()["requests"][ME] == 1


def test_a_network_of_ipv6(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    statuses = [
        upload(
            Client(gateway.address, f"v6{number:024}", mattermost.channel_id),
            f"2001:db8::{number + 1:x}",
        ).status
        for number in range(10)
    ]
    assert 429 in statuses


@pytest.mark.parametrize("how", ["logout", "deactivated"])
def test_who_has_gone_is_gone_soon(
    how: str, mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    """At once if Mattermost refuses the upload itself; else when its answer is asked for again."""
    user = new_member(mattermost)
    client = Client(gateway.address, user["token"], mattermost.channel_id)
    assert upload(client, "10.1.3.1").status == 201
    if how == "logout":
        send(mattermost.url, user["token"], "users/logout", b"")
    else:
        send(mattermost.url, mattermost.admin_token, f"users/{user['id']}", method="DELETE")
    gateway.wait_for(lambda: upload(client, "10.1.3.1").status == 401)
    # Wherever it goes: what is refused before Mattermost sees it is refused for that reason too.
    denied = client.raw("a.exe", b"hello", ("X-Forwarded-For", "10.1.3.1"))
    assert denied.status == 401


def test_the_believed_answer_ends(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    """A file that Mattermost never sees: only the time of the answer can tell."""
    user = new_member(mattermost)
    client = Client(gateway.address, user["token"], mattermost.channel_id)
    assert upload(client, "10.1.4.1").status == 201
    send(mattermost.url, user["token"], "users/logout", b"")

    def status() -> int:
        return client.raw("a.exe", b"hello", ("X-Forwarded-For", "10.1.4.1")).status

    assert status() in (401, 403)
    gateway.wait_for(lambda: status() == 401)
