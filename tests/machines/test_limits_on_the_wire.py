"""What one is told of one's limits, by the gateway, before one tries."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from gateway.standin.process import StandInProcess
from tests.machines.support import create
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.wire import Client, Wire
from tests.test_readme import ROOT

DESCRIPTION = ROOT / "docs" / "openapi.json"
PATH = "/gateway/v1/limits"
POLICY = """
[[rule]]
name = "pictures"
when.channel = "private"
allowed_types = ["images"]
max_file_size = "1KiB"
allowed_extensions = ["png", "jpg"]
"""


@pytest.fixture(scope="module")
def folder_of_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("limits")


@pytest.fixture(scope="module")
def key(folder_of_files: Path) -> str:
    return create(
        folder_of_files / "keys.toml", "ci", "--channels", "team/town", "--types", "text",
        "--max-size", "2KiB", "--quota", "10B/day",
    )  # fmt: skip


@pytest.fixture(scope="module")
def gateway(stand_in: StandInProcess, folder_of_files: Path, key: str) -> Iterator[GatewayProcess]:
    (folder_of_files / "policy.toml").write_text(POLICY)
    with GatewayProcess(
        stand_in.url,
        folder_of_files / "gateway",
        auth="mattermost,api-key",
        mode="uploads",
        api_keys_file=str(folder_of_files / "keys.toml"),
        account_token=new_member(stand_in)["token"],
        policy_file=str(folder_of_files / "policy.toml"),
        max_file_size="1MiB",
        quotas="user 100B/day",
    ) as running:
        yield running


def told(client: Client, query: str = "") -> dict[str, Any]:
    response = client.request("GET", f"{PATH}{query}")
    assert response.status == 200, response.body
    assert response.header("cache-control") == "no-store"
    document: dict[str, Any] = response.json()
    validate("Limits", document)
    return document


def validate(name: str, document: object) -> None:
    """Raises ValidationError unless ``document`` is as the description has it."""
    whole = {"$ref": f"#/components/schemas/{name}", **json.loads(DESCRIPTION.read_text())}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(document)


def test_a_person(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    user = new_member(mattermost)
    client = Client(gateway.address, user["token"], mattermost.channel_id)
    before = told(client)
    assert (before["user_id"], before["identity"], before["channel_id"]) == (
        user["id"],
        "session",
        None,
    )
    assert before["max_file_size"] == 2**20
    (requirement,) = before["requirements"]
    assert (requirement["allowed_types"], requirement["denied_types"]) == ("*", "executables")
    assert "exe" in requirement["denied_extensions"]
    assert requirement["allowed_extensions"] is None
    (quota,) = before["quotas"]
    assert (quota["of"], quota["limit"], quota["used"]) == ("user", 100, 0)
    assert datetime.fromisoformat(quota["resets_at"]).hour == 0
    assert client.raw("a.txt", b"hello").status == 201
    (quota,) = told(client)["quotas"]
    assert (quota["used"], quota["remaining"]) == (5, 95)


def test_a_channel(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
    private = str(mattermost.ready["private_channel_id"])
    limits = told(client, f"?channel_id={private}")
    assert limits["channel_id"] == private
    assert limits["max_file_size"] == 1024
    assert limits["requirements"][0]["allowed_types"] == "images"
    assert limits["requirements"][0]["allowed_extensions"] == ["jpg", "png"]
    assert told(client, f"?channel_id={mattermost.channel_id}")["max_file_size"] == 2**20
    stranger = Client(gateway.address, new_member(mattermost)["token"], private)
    assert stranger.request("GET", f"{PATH}?channel_id={private}").status == 403


def test_a_machine(mattermost: StandInProcess, gateway: GatewayProcess, key: str) -> None:
    client = Client(gateway.address, key, mattermost.channel_id)
    limits = told(client, f"?channel_id={mattermost.channel_id}")
    assert (limits["identity"], limits["max_file_size"]) == ("api_key", 2048)
    assert [item["allowed_types"] for item in limits["requirements"]] == ["*", "text"]
    assert [(quota["of"], quota["limit"]) for quota in limits["quotas"]] == [
        ("user", 100),
        ("key", 10),
    ]
    elsewhere = client.request("GET", f"{PATH}?channel_id={'c' * 26}")
    assert elsewhere.status == 403
    validate("Refusal", elsewhere.json())


def test_who_is_told_nothing(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    nobody = Client(gateway.address, "z" * 26, mattermost.channel_id)
    assert nobody.request("GET", PATH).status == 401
    client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
    for query in ("?channel_id=a", "?channel_id=a&channel_id=b"):
        assert client.request("GET", f"{PATH}{query}").status == 400
    assert client.request("POST", PATH, body=b"{}").status == 405
    assert client.request("GET", f"{PATH}/").status == 404


def test_a_browser_may_ask(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    with Wire(gateway.address) as wire:
        wire.send_head("GET", PATH, [("Cookie", f"MMAUTHTOKEN={mattermost.user_token}")])
        assert wire.response().status == 200
    line = gateway.wait_for_log("request", endpoint="limits", status=200)
    assert (line["outcome"], line["reason"]) == ("accepted", "none")
