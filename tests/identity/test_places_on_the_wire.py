"""Places, asked over sockets: of the stand-in, and answered as it answers uploads."""

import asyncio
import json
import re
import secrets
import urllib.error
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.identity.places import Places
from gateway.metrics.cells import Cells
from gateway.metrics.exposition import exposition, one_process
from gateway.metrics.metrics import Metrics
from gateway.places import Place, Question
from gateway.policy.circumstances import Role, roles_of
from gateway.refusals import Refused
from gateway.standin.process import StandInProcess
from gateway.upstream.connection import Broken, TimedOut, Unreachable, UpstreamError
from gateway.upstream.mattermost import Mattermost
from gateway.values import Credential, CredentialKind, Identity
from tests.support.server import call, new_member, send

TIMEOUT = 10.0
ALL = frozenset(Question)
NO_ID = "y" * 26
CHANNEL = "GET /api/v4/channels/{id}"
TEAM = "GET /api/v4/teams/{id}"
MEMBER = "GET /api/v4/teams/{id}/members/{id}"


@asynccontextmanager
async def upstream(url: str, timeout: float = TIMEOUT) -> AsyncIterator[Mattermost]:
    mattermost = Mattermost(url, "", connect_timeout=TIMEOUT, timeout=timeout)
    try:
        yield mattermost
    finally:
        await mattermost.close()


def places_of(mattermost: Mattermost, count: Callable[[str], None] = lambda result: None) -> Places:
    return Places(
        mattermost.channel,
        mattermost.team,
        mattermost.administers,
        ttl=60,
        negative_ttl=5,
        size=100,
        count=count,
    )


async def find(places: Places, person: dict[str, Any], channel_id: str) -> Place:
    credential = Credential(CredentialKind.HEADER, person["token"])
    return await places.find(credential, person["id"], channel_id, [], ALL)


def known(*names: str) -> frozenset[str]:
    return frozenset(names)


def counted(cells: Cells) -> dict[str, float]:
    """The look-ups of places, by result, as they are told to Prometheus."""
    exposed = exposition(one_process(cells)).decode()
    pattern = r'^upload_gateway_place_lookups_total\{result="(\w+)"\} (\S+)$'
    return {result: float(value) for result, value in re.findall(pattern, exposed, re.M)}


async def team(places: Places, person: dict[str, Any], team_id: str) -> Place:
    credential = Credential(CredentialKind.HEADER, person["token"])
    return await places.team(credential, person["id"], team_id, [], ALL)


def new_team(stand_in: StandInProcess, founder: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A team with somebody who administers it, and its open channel."""
    name = f"team-{secrets.token_hex(4)}"
    made = call(stand_in.url, founder["token"], "teams", {"name": name, "type": "O"})
    channel = {"team_id": made["id"], "name": "hall", "type": "O"}
    return made, str(call(stand_in.url, founder["token"], "channels", channel)["id"])


async def test_who_is_what(mattermost: StandInProcess) -> None:
    expected = {
        "admin": {Role.USER, Role.SYSTEM_ADMIN},
        "user": {Role.USER},
        "guest": {Role.GUEST},
        "bot": {Role.BOT},
    }
    async with upstream(mattermost.url) as server:
        for who, roles in expected.items():
            credential = Credential(CredentialKind.HEADER, mattermost.ready[who]["token"])
            identity = await server.me(credential, [])
            assert isinstance(identity, Identity)
            assert roles_of(identity) == roles
        remote = mattermost.ready["remote"]
        server_credential = Credential(CredentialKind.SERVER, remote["token"], remote["id"])
        identity = await server.server(server_credential, [])
        assert isinstance(identity, Identity)
        assert roles_of(identity) == set()


async def test_the_places_of_everybody(mattermost: StandInProcess) -> None:
    """Members, guests, bots; who administers the team; who administers the system only."""
    ready, founder = mattermost.ready, new_member(mattermost)
    own_team, hall = new_team(mattermost, founder)
    town, members_team = ready["channel_id"], known(ready["team_id"], "team")
    async with upstream(mattermost.url) as server:
        places = places_of(server)
        for who in ("user", "guest", "bot"):
            assert await find(places, ready[who], town) == Place(known(town, "town"), members_team)
            assert await team(places, ready[who], ready["team_id"]) == Place(team=members_team)
        assert (await find(places, ready["admin"], town)).team_admin
        names = known(own_team["id"], own_team["name"])
        assert await find(places, founder, hall) == Place(
            known(hall, "hall"), names, team_admin=True
        )
        assert await team(places, founder, own_team["id"]) == Place(team=names, team_admin=True)
        # Whoever administers the system sees all, and is no member.
        assert await find(places, ready["admin"], hall) == Place(known(hall, "hall"), names)
        assert await team(places, ready["admin"], own_team["id"]) == Place(team=names)


async def test_a_direct_message(mattermost: StandInProcess) -> None:
    ready = mattermost.ready
    user_ids = [ready["user"]["id"], ready["other_user"]["id"]]
    direct = call(mattermost.url, mattermost.user_token, "channels/direct", user_ids)
    async with upstream(mattermost.url) as server:
        place = await find(places_of(server), ready["other_user"], direct["id"])
        assert place == Place(known(direct["id"], direct["name"]))
    requests = mattermost.state()["requests"]
    assert {CHANNEL: 1}.items() <= requests.items()
    assert not {TEAM, MEMBER} & requests.keys()


async def test_places_are_refused_as_uploads_to_them(mattermost: StandInProcess) -> None:
    """The same status and id as Mattermost's refusal of the upload, for every kind of upload."""
    ready, founder = mattermost.ready, new_member(mattermost)
    own_team, hall = new_team(mattermost, founder)
    refused = [
        ("other_user", ready["channel_id"]),
        ("other_user", ready["private_channel_id"]),
        ("guest", hall),
        ("user", hall),
        ("user", NO_ID),
        ("admin", NO_ID),
    ]
    async with upstream(mattermost.url) as server:
        places = places_of(server)
        for who, channel_id in refused:
            with pytest.raises(Refused) as refusal:
                await find(places, ready[who], channel_id)
            given = (refusal.value.refusal.status, refusal.value.refusal.id)
            for path, body in (
                (f"files?channel_id={channel_id}&filename=a.txt", b"hello"),
                ("uploads", declaration(channel_id)),
            ):
                assert given == refusal_of_upload(mattermost, ready[who]["token"], path, body)
        for who in ("other_user", "guest", "user"):
            with pytest.raises(Refused) as refusal:
                await team(places, ready[who], own_team["id"])
            given = (refusal.value.refusal.status, refusal.value.refusal.id)
            path = f"teams/{own_team['id']}/image"
            assert given == refusal_of_upload(mattermost, ready[who]["token"], path, b"x")


def declaration(channel_id: str) -> bytes:
    upload = {"channel_id": channel_id, "filename": "a.txt", "file_size": 5}
    return json.dumps(upload).encode()


def refusal_of_upload(
    stand_in: StandInProcess, token: str, path: str, body: bytes
) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as error:
        send(stand_in.url, token, path, body)
    with error.value as answer:
        return answer.code, json.loads(answer.read())["id"]


async def test_a_session_that_has_ended(mattermost: StandInProcess) -> None:
    stranger = {"id": "u" * 26, "token": "q" * 26}
    async with upstream(mattermost.url) as server:
        with pytest.raises(Refused) as refusal:
            await find(places_of(server), stranger, mattermost.channel_id)
    assert refusal.value.refusal.id == "api.context.session_expired.app_error"
    assert refusal.value.refusal.reason == "unauthenticated"
    assert any(name == b"set-cookie" for name, _ in refusal.value.refusal.headers)


@pytest.mark.parametrize("endpoint", [CHANNEL, TEAM, MEMBER])
async def test_an_answer_that_says_nothing(endpoint: str, mattermost: StandInProcess) -> None:
    """Whatever is wrong with it, nothing of it is remembered."""
    faults: list[tuple[dict[str, object], type[UpstreamError]]] = [
        ({"status": 500, "body": "{}"}, Broken),
        ({"status": 200, "body": "no JSON"}, Broken),
        ({"status": 200, "body": "{}"}, Broken),
        ({"status": 403, "body": "<html>"}, Broken),
        ({"status": 302, "headers": {"Location": "/login"}}, Broken),
        ({"garbage": "hello\r\n\r\n"}, Broken),
        ({"close_after": 0}, UpstreamError),
        ({"cut_answer": 3}, Broken),
        ({"stall": True}, TimedOut),
    ]
    user, cells = mattermost.ready["user"], Cells()
    async with upstream(mattermost.url, timeout=0.5) as server:
        places = places_of(server, Metrics(cells).place)
        for fault, error in faults:
            await asyncio.to_thread(mattermost.control, endpoint=endpoint, **fault)
            with pytest.raises(error):
                await find(places, user, mattermost.channel_id)
            await asyncio.to_thread(mattermost.reset)
        assert (await find(places, user, mattermost.channel_id)).channel
    assert counted(cells) == {"error": len(faults), "miss": 1}


async def test_a_mattermost_that_is_down(mattermost: StandInProcess) -> None:
    async with upstream("http://127.0.0.1:1") as server:
        with pytest.raises(Unreachable):
            await find(places_of(server), mattermost.ready["user"], mattermost.channel_id)


async def test_a_burst_makes_one_call_of_each(mattermost: StandInProcess) -> None:
    """Also if the first of those who wait for it goes away."""
    await asyncio.to_thread(mattermost.control, endpoint=CHANNEL, delay=0.3)
    cells = Cells()
    async with upstream(mattermost.url) as server:
        places = places_of(server, Metrics(cells).place)
        user = mattermost.ready["user"]
        tasks = [asyncio.create_task(find(places, user, mattermost.channel_id)) for _ in range(8)]
        await asyncio.to_thread(
            mattermost.wait_for, lambda state: state["requests"].get(CHANNEL) == 1
        )
        tasks[0].cancel()
        results = await asyncio.gather(*tasks[1:])
        assert {place.team for place in results} == {frozenset({mattermost.team_id, "team"})}
        await find(places, user, mattermost.channel_id)
    assert mattermost.state()["requests"] == {CHANNEL: 1, TEAM: 1, MEMBER: 1}
    assert counted(cells) == {"joined": 7, "miss": 1, "hit": 1}
