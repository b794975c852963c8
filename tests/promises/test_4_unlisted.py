"""Promises 2 and 4 at addresses without a row: who sends a file, and what it costs them."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.inspection import files
from tests.promises.plugin import FORM, UPLOAD, Headers, Plugin, bearer, id_of, plugin_behind
from tests.promises.support import cut, reset
from tests.support.gateway import GatewayProcess
from tests.support.ledger import usage
from tests.support.server import new_member
from tests.support.wire import Client, Wire, WireResponse, field, file_part, form_body

QUOTA = 1_000_000
ROOM = 4_000_000
"""Bytes on disk: a fourth of them for strangers."""
SIZE = 400_000
PICTURE = files.png().ljust(SIZE, b"\0")
FILE = ("Content-Type", "application/octet-stream")
API = "/api/v4/unheard-of"
ME = "GET /api/v4/users/me"
EXPIRED = (401, "api.context.session_expired.app_error")


@pytest.fixture(scope="module")
def each(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    with plugin_behind(
        tmp_path_factory.mktemp("gateway"),
        quotas=f"user {QUOTA}/day",
        spool_limit=str(ROOM),
        max_file_size="1GiB",
        session_negative_ttl="1ms",
        upstream_timeout="1s",
    ) as running:
        yield running


@pytest.fixture
def user() -> str:
    """Somebody who has used nothing of their quota."""
    return secrets.token_hex(8)


@pytest.fixture
def plugin(each: Plugin, user: str) -> Plugin:
    each.forget()
    each.tokens = {user}
    return each


def raw(plugin: Plugin, *headers: tuple[str, str], target: str = UPLOAD) -> WireResponse:
    return plugin.send(PICTURE, FILE, *headers, target=target)


def chunked(plugin: Plugin, *headers: tuple[str, str], target: str = UPLOAD) -> WireResponse:
    return plugin.send(cut(PICTURE), FILE, *headers, target=target)


def form(plugin: Plugin, *headers: tuple[str, str], target: str = UPLOAD) -> WireResponse:
    half = SIZE // 2
    body = form_body(
        field("a", "b"), file_part("a.bin", PICTURE[:half]), file_part("b.bin", PICTURE[half:])
    )
    return plugin.send(body, FORM, *headers, target=target)


WAYS = {"raw": raw, "raw of unknown length": chunked, "form": form}


def charged(plugin: Plugin, user: str, expected: int) -> bool:
    plugin.gateway.wait_for(lambda: plugin.charged(user) == expected)
    return True


# Who is known counts.


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("target", [UPLOAD, API, "/hooks/abc"])
def test_what_a_user_sends_counts_against_their_quota(
    target: str, way: str, plugin: Plugin, user: str
) -> None:
    for times in (1, 2):
        response = WAYS[way](plugin, bearer(user), target=target)
        assert response.status == 202
        assert charged(plugin, user, times * SIZE)
        left = f'"user-bytes-day";r={QUOTA - times * SIZE};'
        assert (response.header("ratelimit") or "").startswith(left)
        assert plugin.line(response)["user_id"] == user
    assert id_of(WAYS[way](plugin, bearer(user), target=target)) == (429, "gateway.quota_exceeded")
    assert charged(plugin, user, 2 * SIZE)
    assert len(plugin.received) == 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("answer", "status", "counts"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, True),
        (b"HTTP/1.1 303 See Other\r\nContent-Length: 0\r\n\r\n", 303, True),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 404, False),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 500, False),
        # Nobody can know whether it was stored.
        (b"", 504, True),
        (b"nonsense\r\n\r\nConnection: close", 502, True),
    ],
)
def test_what_was_not_taken_does_not_count(
    answer: bytes, status: int, counts: bool, way: str, plugin: Plugin, user: str
) -> None:
    plugin.answer = answer
    response = WAYS[way](plugin, bearer(user))
    assert response.status == status
    line = plugin.line(response)
    assert {file["outcome"] for file in line["files"]} == {line["outcome"]}
    assert charged(plugin, user, SIZE if counts else 0)


def test_a_form_without_a_file_costs_nothing(plugin: Plugin, user: str) -> None:
    for size in (QUOTA - 1, 1):
        assert plugin.send(bytes(size), FILE, bearer(user)).status == 202
    assert plugin.send(b"\0", FILE, bearer(user)).status == 429
    assert plugin.send(form_body(field("a", "b")), FORM, bearer(user)).status == 202
    assert charged(plugin, user, QUOTA)


def test_a_client_that_leaves_half_way(plugin: Plugin, user: str) -> None:
    for way in (FILE, FORM):
        with Wire(plugin.gateway.address) as wire:
            wire.send_head("POST", UPLOAD, [way, bearer(user), ("Content-Length", str(SIZE))])
            wire.send(PICTURE[: SIZE // 2] if way is FILE else form_body(field("a", "b"))[:-4])
            wire.wait_until_taken()
            reset(wire)
    plugin.gateway.wait_for_log("request", outcome="aborted", user_id=user)
    assert charged(plugin, user, 0)
    assert raw(plugin, bearer(user)).status == 202


# Who is not known.


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("target", [UPLOAD, "/hooks/abc", "/login/sso/saml"])
@pytest.mark.parametrize(
    "credentials",
    [
        [],
        [bearer("nobody")],
        [("Cookie", "MMAUTHTOKEN=nobody")],
        [("Cookie", "MMAUTHTOKEN=")],
        [("Authorization", "Basic dTpw")],
    ],
    ids=str,
)
def test_strangers_outside_the_api(
    credentials: Headers, target: str, way: str, plugin: Plugin
) -> None:
    """Mattermost passes their requests on; the plugin, or the webhook, knows them or does not."""
    response = WAYS[way](plugin, *credentials, target=target)
    assert response.status == 202
    received = plugin.the_one()
    assert [received.header(name.lower()) for name, _ in credentials] == [v for _, v in credentials]
    line = plugin.line(response)
    assert "user_id" not in line
    assert sum(file["size"] for file in line["files"]) == SIZE


@pytest.mark.parametrize(
    "credentials",
    [[bearer("nobody")], [("Cookie", "MMAUTHTOKEN=nobody"), ("X-CSRF-Token", "x")]],
    ids=str,
)
@pytest.mark.parametrize("header", [FILE, FORM])
def test_a_session_that_is_not_valid_in_the_api(
    header: tuple[str, str], credentials: Headers, plugin: Plugin
) -> None:
    """Refused before a byte of the body is sent."""
    assert id_of(plugin.head_only(header, *credentials, target=API)) == EXPIRED
    assert plugin.received == []


@pytest.mark.parametrize(("target", "passes"), [(API, False), (UPLOAD, True), ("/hooks/abc", True)])
def test_a_cookie_without_a_csrf_header(
    target: str, passes: bool, plugin: Plugin, user: str
) -> None:
    """For a plugin it may be in the form, and Mattermost is no stricter."""
    cookie = ("Cookie", f"MMAUTHTOKEN={user}")
    response = raw(plugin, cookie, target=target)
    if passes:
        assert response.status == 202
        assert charged(plugin, user, SIZE)
    else:
        assert id_of(response) == EXPIRED
        assert plugin.received == []
    assert raw(plugin, cookie, ("X-CSRF-Token", "x"), target=target).status == 202


@pytest.mark.parametrize(
    ("credentials", "query"),
    [
        # Here, Authorization decides before a cookie.
        ([("Cookie", "MMAUTHTOKEN=nobody"), bearer("{}")], ""),
        ([("Cookie", "MMAUTHTOKEN="), ("Authorization", "TOKEN {}")], ""),
        ([("Authorization", "Basic dTpw"), ("Cookie", "a=b; MMAUTHTOKEN={}")], ""),
        ([], "?access_token={}"),
        ([], "?access_token={}&a=1&a=2"),
    ],
    ids=str,
)
def test_nobody_is_a_stranger_whom_mattermost_knows_at_a_plugin(
    credentials: Headers, query: str, plugin: Plugin, user: str
) -> None:
    headers = [(name, value.format(user)) for name, value in credentials]
    assert raw(plugin, *headers, target=UPLOAD + query.format(user)).status == 202
    assert charged(plugin, user, SIZE)


def test_a_session_that_ended_in_the_meantime_is_forgotten(plugin: Plugin, user: str) -> None:
    assert raw(plugin, bearer(user)).status == 202
    plugin.tokens.clear()
    plugin.answer = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"
    assert raw(plugin, bearer(user), target=API).status == 401
    plugin.forget()
    assert id_of(raw(plugin, bearer(user), target=API)) == EXPIRED


def test_mattermost_cannot_be_asked(plugin: Plugin, user: str) -> None:
    """Nothing passes that could count against somebody's quota."""
    plugin.origin.answer = lambda visit: False
    assert raw(plugin, bearer(user)).status == 502
    assert plugin.received == []


def test_sessions_of_a_whole_mattermost(
    mattermost: StandInProcess, folder: Path, user: str
) -> None:
    member, picture = new_member(mattermost), PICTURE[:10_000]
    with GatewayProcess(mattermost.url, folder, quotas=f"user {QUOTA}/day") as gateway:
        client = Client(gateway.address, member["token"], mattermost.channel_id)
        assert client.request("POST", UPLOAD, FILE, body=picture).status == 200
        gateway.wait_for(lambda: usage(folder, member["id"]).used == len(picture))
        stranger = Client(gateway.address, user, mattermost.channel_id)
        assert stranger.request("POST", UPLOAD, FILE, body=picture).status == 200
        assert id_of(stranger.request("POST", API, FILE, body=picture)) == EXPIRED
    arrived = [entry for entry in mattermost.state()["recent"] if entry["endpoint"] != ME]
    sent = (f"POST {UPLOAD}", len(picture))
    assert [(entry["endpoint"], entry["body_bytes"]) for entry in arrived[-2:]] == [sent, sent]


# What they cost.


def test_strangers_cannot_take_all_the_room(plugin: Plugin, user: str) -> None:
    body = form_body(file_part("a.bin", bytes(ROOM // 2)))
    assert id_of(plugin.send(body, FORM)) == (507, "gateway.spool_full")
    assert id_of(plugin.send(cut(bytes(ROOM // 2)), FILE)) == (507, "gateway.spool_full")
    assert plugin.received == []
    # There is room for those who are known, and for files that need none.
    assert plugin.send(cut(bytes(QUOTA)), FILE, bearer(user)).status == 202
    assert plugin.send(bytes(2 * ROOM), FILE).status == 202
    for _ in range(10):
        assert form(plugin).status == 202
