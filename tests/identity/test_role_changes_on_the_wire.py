"""What a user may upload follows their role in Mattermost, in the middle of a session."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.rules.support import gateway_with, said
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member, send
from tests.support.wire import Client

RULES = """
[[rule]]
name = "guests"
when.role = "guest"
allowed_types = ["text"]
max_file_size = "100B"

[[rule]]
name = "administrators"
when.role = "system_admin"
max_file_size = "1MiB"
"""
PDF = b"%PDF-1.7\n" + bytes(100)
QUOTA = 50
"""Bytes of a guest in a month."""


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """One that believes Mattermost's answers for a moment."""
    folder = tmp_path_factory.mktemp("roles")
    settings = {"session_ttl": "500ms", "max_file_size": "1KiB", "quotas": f"guest {QUOTA}B/month"}
    with gateway_with(RULES, stand_in, folder, **settings) as running:
        yield running


@pytest.fixture
def user(mattermost: StandInProcess) -> dict[str, Any]:
    return new_member(mattermost)


@pytest.fixture
def client(mattermost: StandInProcess, gateway: GatewayProcess, user: dict[str, Any]) -> Client:
    """With one session of ``user``, whatever becomes of their role."""
    return Client(gateway.address, user["token"], mattermost.channel_id)


def change(mattermost: StandInProcess, user: dict[str, Any], roles: str) -> None:
    body = json.dumps({"roles": roles}).encode()
    path = f"users/{user['id']}/roles"
    send(mattermost.url, mattermost.admin_token, path, body, method="PUT")


def test_rules_follow_a_demotion_and_a_promotion(
    mattermost: StandInProcess, gateway: GatewayProcess, user: dict[str, Any], client: Client
) -> None:
    def answer() -> str:
        return said(client.raw("a.pdf", PDF))

    assert answer() == "201"
    change(mattermost, user, "system_guest")
    gateway.wait_for(lambda: answer() == "file_too_large")
    assert said(client.raw("a.pdf", PDF[:20])) == "type_denied"
    change(mattermost, user, "system_user")
    gateway.wait_for(lambda: answer() == "201")


def test_rules_follow_an_administrator(
    mattermost: StandInProcess, gateway: GatewayProcess, user: dict[str, Any], client: Client
) -> None:
    def answer() -> str:
        return said(client.raw("a.txt", b"a" * 2000))

    assert answer() == "file_too_large"
    change(mattermost, user, "system_user system_admin")
    gateway.wait_for(lambda: answer() == "201")
    change(mattermost, user, "system_user")
    gateway.wait_for(lambda: answer() == "file_too_large")


def test_quotas_follow_too(
    mattermost: StandInProcess, gateway: GatewayProcess, user: dict[str, Any], client: Client
) -> None:
    def answer() -> str:
        return said(client.raw("a.txt", b"a" * QUOTA))

    assert [answer(), answer()] == ["201", "201"]
    change(mattermost, user, "system_guest")
    gateway.wait_for(lambda: answer() == "quota_exceeded")
    change(mattermost, user, "system_user")
    gateway.wait_for(lambda: answer() == "201")


def test_what_is_told_of_limits_follows(
    mattermost: StandInProcess, gateway: GatewayProcess, user: dict[str, Any], client: Client
) -> None:
    def largest() -> int:
        limit: int = client.request("GET", "/gateway/v1/limits").json()["max_file_size"]
        return limit

    assert largest() == 1024
    change(mattermost, user, "system_guest")
    gateway.wait_for(lambda: largest() == 100)


def test_a_deactivation_ends_it(
    mattermost: StandInProcess, gateway: GatewayProcess, user: dict[str, Any], client: Client
) -> None:
    """Whatever the role would allow."""
    change(mattermost, user, "system_user system_admin")
    gateway.wait_for(lambda: said(client.raw("a.txt", b"a" * 2000)) == "201")
    send(mattermost.url, mattermost.admin_token, f"users/{user['id']}", method="DELETE")
    gateway.wait_for(lambda: client.raw("a.exe", b"hello").status == 401)
