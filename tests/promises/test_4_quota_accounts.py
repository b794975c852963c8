"""Promise 4: whose quotas an upload takes from: roles, keys, teams; and those of policy rules."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.identity.test_places_on_the_wire import new_team
from tests.machines.support import create
from tests.machines.test_limits_on_the_wire import PATH, validate
from tests.promises.support import WAYS
from tests.promises.test_4_quota_scopes import KIB, fields
from tests.sessions.support import Uploader
from tests.support.gateway import GatewayProcess
from tests.support.server import call, join, new_member
from tests.support.wire import Client, WireResponse

QUOTAS = (
    "guest 10KiB/day, bot 10KiB/day, team_admin 10KiB/day, system_admin 10KiB/day, "
    "key 10KiB/day, team 20KiB/day"
)
ROLES = {"guest", "bot", "team_admin", "system_admin"}
RULES = """
[[rule]]
name = "guests"
when.role = "guest"
quotas = "user 10KiB/day, team 15KiB/day"

[[rule]]
name = "bots"
when.role = "bot"
quotas = []

[[rule]]
name = "pictures"
when.channel = "private"
max_file_size = "1MiB"
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    return path, {
        "plain": create(path, "plain"),
        "frugal": create(path, "frugal", "--quota", "5KiB/day"),
        "rare": create(path, "rare", "--quota", "1 file/hour"),
    }


@pytest.fixture(scope="module")
def account(stand_in: StandInProcess) -> dict[str, Any]:
    """For which the keys stand; in the channel of a team that no other test uploads to."""
    member = new_member(stand_in)
    team, hall = new_team(stand_in, new_member(stand_in))
    join(stand_in.url, stand_in.admin_token, member["id"], team["id"], hall)
    return member | {"channel_id": hall}


@pytest.fixture(scope="module")
def limited(
    stand_in: StandInProcess,
    account: dict[str, Any],
    keys: tuple[Path, dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GatewayProcess]:
    with GatewayProcess(
        stand_in.url,
        tmp_path_factory.mktemp("limited"),
        quotas=QUOTAS,
        auth="mattermost,api-key",
        api_keys_file=str(keys[0]),
        account_token=account["token"],
    ) as running:
        yield running


@pytest.fixture(scope="module")
def ruled(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("ruled")
    (folder / "policy.toml").write_text(RULES)
    path = str(folder / "policy.toml")
    with GatewayProcess(
        stand_in.url, folder / "gateway", quotas="user 20KiB/day", policy_file=path
    ) as running:
        yield running


def scopes(response: WireResponse) -> dict[str, int]:
    """The scopes of the quotas that the upload met, and what is left."""
    limits = fields(response.header("ratelimit"))
    return {name.partition("-")[0]: int(limit["r"]) for name, limit in limits.items()}


def refused_for(response: WireResponse) -> str:
    """The sentence of whoever has used up a quota."""
    assert (response.status, response.json()["id"]) == (429, "gateway.quota_exceeded")
    return str(response.json()["message"])


@pytest.mark.parametrize("who", ["guest", "bot", "admin"])
def test_a_role(who: str, limited: GatewayProcess, mattermost: StandInProcess) -> None:
    client = Client(limited.address, mattermost.ready[who]["token"], mattermost.channel_id)
    # The stand-in's administrator of the system administers its team, too.
    roles = {"system_admin", "team_admin"} if who == "admin" else {who}
    met = scopes(client.raw("a.bin", bytes(6 * KIB)))
    assert {role: left for role, left in met.items() if role in ROLES} == dict.fromkeys(
        roles, 4 * KIB
    )
    assert "6 KiB of your 10 KiB" in refused_for(client.raw("a.bin", bytes(6 * KIB)))
    exceeded = "team_admin" if who == "admin" else who
    assert limited.metric("upload_gateway_quota_claims_total", scope=exceeded, result="exceeded")


@pytest.mark.parametrize("way", WAYS)
def test_who_administers_the_team(
    way: str, limited: GatewayProcess, mattermost: StandInProcess
) -> None:
    founder = new_member(mattermost)
    client = Client(limited.address, founder["token"], new_team(mattermost, founder)[1])
    assert scopes(WAYS[way](client, "a.bin", bytes(6 * KIB)))["team_admin"] == 4 * KIB
    assert "6 KiB of your 10 KiB" in refused_for(WAYS[way](client, "a.bin", bytes(6 * KIB)))
    # Elsewhere they are like everybody.
    elsewhere = replace(client, channel_id=mattermost.channel_id)
    assert not ROLES & scopes(elsewhere.raw("a.bin", b"hello")).keys()


def test_a_team(limited: GatewayProcess, mattermost: StandInProcess) -> None:
    """All of its members, in all of its channels, in whichever way they upload."""
    founder, member = new_member(mattermost), new_member(mattermost)
    team, hall = new_team(mattermost, founder)
    join(mattermost.url, mattermost.admin_token, member["id"], team["id"], hall)
    channel = {"team_id": team["id"], "name": "attic", "type": "O"}
    attic = call(mattermost.url, member["token"], "channels", channel)["id"]
    upstairs = Client(limited.address, member["token"], attic)
    assert Uploader(replace(upstairs, channel_id=hall)).declare("a.bin", 12 * KIB).status == 201
    client = Client(limited.address, founder["token"], hall)
    assert scopes(client.raw("a.bin", bytes(5 * KIB)))["team"] == 3 * KIB
    told = "everybody in this team together has used 17 KiB of the team’s 20 KiB"
    for way in ("raw", "form", "form, file first", "raw of unknown length"):
        assert told in refused_for(WAYS[way](upstairs, "a.bin", bytes(6 * KIB)))
    assert told in refused_for(Uploader(upstairs).declare("a.bin", 6 * KIB))
    limits = client.request("GET", f"{PATH}?channel_id={hall}").json()
    validate("Limits", limits)
    left = {quota["of"]: quota["remaining"] for quota in limits["quotas"]}
    assert left == {"team_admin": 5 * KIB, "team": 3 * KIB}
    # A direct message is in no team.
    people = [founder["id"], member["id"]]
    direct = call(mattermost.url, founder["token"], "channels/direct", people)["id"]
    assert replace(client, channel_id=direct).raw("a.bin", bytes(30 * KIB)).status == 201


def test_a_team_that_is_hidden(limited: GatewayProcess, mattermost: StandInProcess) -> None:
    """Whoever may not see a channel is refused as by Mattermost, and takes from nobody."""
    hall = new_team(mattermost, new_member(mattermost))[1]
    stranger = Client(limited.address, mattermost.ready["guest"]["token"], hall)
    assert stranger.raw("a.bin", bytes(KIB)).status == 403


def test_keys(
    limited: GatewayProcess, account: dict[str, Any], keys: tuple[Path, dict[str, str]]
) -> None:
    """Each has an account of its own; of two quotas for the same the smaller holds."""
    plain, frugal, rare = (
        Client(limited.address, keys[1][name], account["channel_id"])
        for name in ("plain", "frugal", "rare")
    )
    assert scopes(plain.raw("a.bin", bytes(3 * KIB)))["key"] == 7 * KIB
    assert scopes(frugal.raw("a.bin", bytes(KIB)))["key"] == 4 * KIB
    assert "this API key has used 3 KiB of its 10 KiB" in refused_for(
        plain.raw("a.bin", bytes(8 * KIB))
    )
    told = refused_for(Uploader(frugal).declare("a.bin", 5 * KIB))
    assert "this API key has used 1 KiB of its 5 KiB" in told
    answer = rare.raw("a.bin", b"hello")
    assert {"key-bytes-day", "key-files-hour"} <= fields(answer.header("ratelimit")).keys()
    assert "1 file of its 1 file for this hour" in refused_for(rare.raw("a.bin", b"hello"))
    limits = rare.request("GET", PATH).json()
    validate("Limits", limits)
    assert [(quota["of"], quota["unit"], quota["used"]) for quota in limits["quotas"]] == [
        ("key", "bytes", 5),
        ("key", "files", 1),
    ]


def test_rules(ruled: GatewayProcess, mattermost: StandInProcess) -> None:
    """A rule's quotas take the place of those of the settings; one that says none leaves them."""
    guest, bot = (
        Client(ruled.address, mattermost.ready[who]["token"], mattermost.channel_id)
        for who in ("guest", "bot")
    )
    met = scopes(guest.raw("a.bin", bytes(6 * KIB)))
    assert met == {"user": 4 * KIB, "team": 9 * KIB}
    assert "of your 10 KiB for today" in refused_for(guest.raw("a.bin", bytes(6 * KIB)))
    assert "of your 10 KiB for today" in refused_for(Uploader(guest).declare("a.bin", 6 * KIB))
    unlimited = bot.raw("a.bin", bytes(90 * KIB))
    assert (unlimited.status, unlimited.header("ratelimit")) == (201, None)
    member = new_member(mattermost)
    client = Client(ruled.address, member["token"], mattermost.channel_id)
    assert scopes(client.raw("a.bin", bytes(6 * KIB))) == {"user": 14 * KIB}

    # The account is one, whichever rule charges it.
    private = str(mattermost.ready["private_channel_id"])
    join(mattermost.url, mattermost.admin_token, member["id"], mattermost.team_id, private)
    pictures = replace(client, channel_id=private)
    assert scopes(pictures.raw("a.bin", bytes(6 * KIB))) == {"user": 8 * KIB}


def quotas_told(client: Client) -> list[tuple[Any, ...]]:
    limits = client.request("GET", f"{PATH}?channel_id={client.channel_id}").json()
    validate("Limits", limits)
    return [(quota["of"], quota["limit"], quota["used"]) for quota in limits["quotas"]]


def test_limits_tell_what_is_enforced(ruled: GatewayProcess, mattermost: StandInProcess) -> None:
    member = new_member(mattermost)
    client = Client(ruled.address, member["token"], mattermost.channel_id)
    assert client.raw("a.bin", bytes(KIB)).status == 201
    assert quotas_told(client) == [("user", 20 * KIB, KIB)]
    for who, expected in (("bot", []), ("guest", [("user", 10 * KIB), ("team", 15 * KIB)])):
        client = replace(client, token=mattermost.ready[who]["token"])
        assert [quota[:2] for quota in quotas_told(client)] == expected
