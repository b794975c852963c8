"""The calls that the gateway makes for itself, and the one boundary of httpx's exceptions."""

import gzip
import inspect
import json
import socket

import httpx
import pytest

from gateway.places import Channel, Team
from gateway.refusals import Refusal
from gateway.upstream.connection import Broken, TimedOut, Unreachable, UpstreamError
from gateway.upstream.mattermost import Mattermost, credential_headers
from gateway.values import Credential, CredentialKind, Identity, UploadSession
from tests.upstream.support import TIMEOUT, Request, Visitor, upstream

HEADER = Credential(CredentialKind.HEADER, "secret")
USER = {"id": "u1", "username": "alice", "roles": "system_user system_admin", "email": "a@b"}


def answer(status: int, document: object = None, *headers: str, body: bytes = b"") -> bytes:
    body = body or json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def me(given: bytes, credential: Credential = HEADER) -> tuple[Identity | Refusal, Request]:
    """What ``users/me`` makes of an answer, and the request that was sent."""
    requests: list[Request] = []

    async def serve(visitor: Visitor) -> None:
        requests.append(await visitor.head())
        await visitor.send(given)

    async with upstream(serve, subpath="/chat", timeout=0.5) as server:
        result = await server.mattermost.me(credential, [(b"x-request-id", b"1")])
    return result, requests[0]


@pytest.mark.parametrize(
    ("credential", "target", "headers"),
    [
        (HEADER, "/chat/api/v4/users/me", {"authorization": "Bearer secret"}),
        (
            Credential(CredentialKind.COOKIE, "secret"),
            "/chat/api/v4/users/me",
            {"cookie": "MMAUTHTOKEN=secret"},
        ),
        (
            Credential(CredentialKind.QUERY, "se&cr et"),
            "/chat/api/v4/users/me?access_token=se%26cr+et",
            {},
        ),
    ],
)
async def test_the_question_about_a_credential(
    credential: Credential, target: str, headers: dict[str, str]
) -> None:
    _, request = await me(answer(200, USER), credential)
    assert request.line == f"GET {target} HTTP/1.1"
    assert request.header("x-request-id") == "1"
    for name in ("authorization", "cookie"):
        assert request.header(name) == headers.get(name)


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (answer(400, {"id": "api.remote_cluster.invalid_id.app_error"}), True),
        (answer(401, {"id": "api.context.session_expired.app_error"}), False),
        (answer(501, {"id": "api.remote_cluster.service_not_enabled.app_error"}), True),
    ],
)
async def test_the_question_about_a_server(given: bytes, *, known: bool) -> None:
    """An empty frame, with which Mattermost does nothing."""
    requests: list[tuple[Request, bytes]] = []

    async def serve(visitor: Visitor) -> None:
        request = await visitor.head()
        requests.append((request, await visitor.reader.readexactly(2)))
        await visitor.send(given)

    credential = Credential(CredentialKind.SERVER, "secret", "remote1")
    async with upstream(serve, subpath="/chat", timeout=0.5) as server:
        result = await server.mattermost.server(credential, [(b"host", b"x")])
    if known:
        assert result == Identity("remote1", "", frozenset())
    else:
        assert isinstance(result, Refusal)
        assert (result.id, result.status) == ("api.context.session_expired.app_error", 401)
    ((request, body),) = requests
    assert request.line == "POST /chat/api/v4/remotecluster/ping HTTP/1.1"
    assert (request.header("content-length"), body) == ("2", b"{}")
    assert request.header("x-remotecluster-id") == "remote1"
    assert request.header("x-remotecluster-token") == "secret"
    assert request.header("host") == "x"


async def test_nobody_can_say_whether_a_server_is_known() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.head()
        await visitor.send(b"nonsense\r\n\r\n")

    credential = Credential(CredentialKind.SERVER, "secret", "remote1")
    async with upstream(serve, timeout=0.5) as server:
        with pytest.raises(Broken):
            await server.mattermost.server(credential, [])


async def test_a_user() -> None:
    identity, _ = await me(answer(200, USER))
    assert identity == Identity("u1", "alice", frozenset({"system_user", "system_admin"}))


@pytest.mark.parametrize("is_bot", [True, False])
async def test_a_bot(is_bot: bool) -> None:
    identity, _ = await me(answer(200, USER | {"is_bot": is_bot}))
    roles = frozenset({"system_user", "system_admin"})
    assert identity == Identity("u1", "alice", roles, is_bot=is_bot)


async def test_a_compressed_answer() -> None:
    body = gzip.compress(json.dumps(USER).encode())
    identity, _ = await me(answer(200, None, "Content-Encoding: gzip", body=body))
    assert isinstance(identity, Identity)


@pytest.mark.parametrize("status", [401, 403])
async def test_mattermosts_own_refusal(status: int) -> None:
    error = {"id": "api.context.x", "message": "Nobody\nknows you.", "status_code": status}
    refusal, _ = await me(answer(status, error, "Set-Cookie: MMAUTHTOKEN=; Max-Age=0", "X-A: b"))
    assert refusal == Refusal(
        "api.context.x",
        status,
        "unauthenticated",
        "Nobody\N{REPLACEMENT CHARACTER}knows you.",
        headers=((b"set-cookie", b"MMAUTHTOKEN=; Max-Age=0"),),
    )


@pytest.mark.parametrize("document", ["no object", [], {}, {"id": "x"}, None])
async def test_a_refusal_without_reasons(document: object) -> None:
    refusal, _ = await me(answer(401, document))
    assert isinstance(refusal, Refusal)
    assert (refusal.id, refusal.status) == ("api.context.session_expired.app_error", 401)


@pytest.mark.parametrize(
    "given",
    [
        answer(200, {}),
        answer(200, "alice"),
        answer(200, [USER]),
        answer(200, {**USER, "id": ""}),
        answer(200, {**USER, "id": 5}),
        answer(200, {**USER, "username": ""}),
        answer(200, {**USER, "username": None}),
        answer(200, {**USER, "roles": None}),
        answer(200, {**USER, "is_bot": "true"}),
        answer(200, {**USER, "is_bot": None}),
        answer(200, body=b"[" * 1_000_000),
        answer(200, body=b"<html>"),
        answer(200, body=b"\xff"),
        answer(200, None, "Content-Encoding: gzip", body=b"no gzip"),
        answer(200, body=b"[" * 5_000_000),
        answer(302, {}, "Location: /login"),
        answer(404, {}),
        answer(500, {}),
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{",
        b"",
    ],
)
async def test_an_answer_that_says_nothing_about_the_credential(given: bytes) -> None:
    with pytest.raises(Broken):
        await me(given)


async def test_no_answer() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.until_closed()

    async with upstream(serve, timeout=0.2) as server:
        with pytest.raises(TimedOut):
            await server.mattermost.me(HEADER, [])
        with pytest.raises(TimedOut):
            await server.mattermost.ping()


async def test_nobody_there() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{holder.getsockname()[1]}"
        mattermost = Mattermost(url, "", connect_timeout=TIMEOUT, timeout=TIMEOUT)
        with pytest.raises(Unreachable):
            await mattermost.me(HEADER, [])
        with pytest.raises(Unreachable):
            await mattermost.ping()
        await mattermost.close()


@pytest.mark.parametrize(
    ("given", "well"),
    [
        (answer(200, {"status": "OK"}), True),
        (answer(500, {"status": "UNHEALTHY"}), False),
        (answer(404, {}), False),
        (answer(200, body=b"<html>"), False),
    ],
)
async def test_whether_mattermost_is_well(given: bytes, *, well: bool) -> None:
    async def serve(visitor: Visitor) -> None:
        request = await visitor.head()
        assert request.line == "GET /chat/api/v4/system/ping HTTP/1.1"
        await visitor.send(given)

    async with upstream(serve, subpath="/chat") as server:
        if well:
            await server.mattermost.ping()
        else:
            with pytest.raises(Broken):
                await server.mattermost.ping()


def test_no_exception_of_httpx_gets_past_the_boundary() -> None:
    """What ``Mattermost`` translates, and what only a mistake in our own code could raise."""
    translated = (httpx.HTTPError, httpx.InvalidURL)
    mistakes = {httpx.CookieConflict, *_family(httpx.StreamError)}
    for _, kind in inspect.getmembers(httpx, inspect.isclass):
        if issubclass(kind, Exception):
            assert issubclass(kind, translated) or kind in mistakes
    assert issubclass(httpx.TimeoutException, httpx.HTTPError)
    assert not issubclass(httpx.HTTPError, UpstreamError)


def _family(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(_family(child) for child in kind.__subclasses__()))


async def test_an_ipv6_address() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    port = listener.getsockname()[1]
    mattermost = Mattermost(f"http://[::1]:{port}", "", connect_timeout=TIMEOUT, timeout=TIMEOUT)
    assert mattermost.host == f"[::1]:{port}".encode()
    listener.close()
    with pytest.raises(Unreachable, match="::1"):
        await mattermost.ping()
    await mattermost.close()


def test_a_token_with_bytes_beyond_ascii() -> None:
    credential = Credential(CredentialKind.HEADER, "\xff")
    assert credential_headers(credential) == [(b"authorization", b"Bearer \xff")]


# Upload sessions.

SESSION = {
    "id": "s1",
    "type": "attachment",
    "user_id": "u1",
    "channel_id": "c1",
    "filename": "a.txt",
    "file_size": 10,
    "file_offset": 4,
    "remote_id": "",
}


async def session(given: bytes, credential: Credential) -> tuple[UploadSession | Refusal, Request]:
    requests: list[Request] = []

    async def serve(visitor: Visitor) -> None:
        requests.append(await visitor.head())
        await visitor.send(given)

    async with upstream(serve, subpath="/chat", timeout=0.5) as server:
        result = await server.mattermost.upload_session("s1", credential, [(b"x-a", b"1")])
    return result, requests[0]


async def test_an_upload_session() -> None:
    known, request = await session(answer(200, SESSION), HEADER)
    assert known == UploadSession(
        "s1", "u1", is_import=False, channel_id="c1", name="a.txt", size=10, offset=4
    )
    assert request.line == "GET /chat/api/v4/uploads/s1 HTTP/1.1"
    assert (request.header("authorization"), request.header("x-a")) == ("Bearer secret", "1")
    known, request = await session(
        answer(200, SESSION | {"type": "import"}), Credential(CredentialKind.QUERY, "a&b")
    )
    assert isinstance(known, UploadSession)
    assert known.is_import
    assert request.line == "GET /chat/api/v4/uploads/s1?access_token=a%26b HTTP/1.1"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "mattermost_refused"), (401, "unauthenticated"), (404, "mattermost_refused")],
)
async def test_an_upload_session_that_is_not_told(status: int, reason: str) -> None:
    error = {"id": "app.upload.get.app_error", "message": "Failed to get upload."}
    refused, _ = await session(answer(status, error), HEADER)
    assert refused == Refusal(error["id"], status, reason, error["message"])


@pytest.mark.parametrize(
    "given",
    [
        answer(500, {"id": "a", "message": "b"}),
        answer(404, body=b"<html>"),
        answer(302),
        answer(200, body=b"<html>"),
        answer(200, []),
        *(
            answer(200, {k: v for k, v in SESSION.items() if k != left})
            for left in SESSION
            if left not in ("channel_id", "remote_id")
        ),
        answer(200, SESSION | {"file_size": "10"}),
        answer(200, SESSION | {"file_size": True}),
        answer(200, SESSION | {"file_offset": 4.0}),
        answer(200, SESSION | {"file_offset": -1}),
        answer(200, SESSION | {"file_offset": 11}),
        answer(200, SESSION | {"filename": None}),
    ],
)
async def test_an_answer_that_is_no_upload_session(given: bytes) -> None:
    with pytest.raises(Broken):
        await session(given, HEADER)


# Channels and teams.

CHANNEL_ID, TEAM_ID, USER_ID, OTHER_ID = "c1" * 13, "t1" * 13, "u1" * 13, "x1" * 13
CHANNEL: dict[str, object] = {
    "id": CHANNEL_ID,
    "name": "town-square",
    "team_id": TEAM_ID,
    "type": "O",
}
TEAM: dict[str, object] = {"id": TEAM_ID, "name": "contributors", "type": "O"}
MEMBER: dict[str, object] = {
    "team_id": TEAM_ID,
    "user_id": USER_ID,
    "roles": "team_user",
    "delete_at": 0,
    "scheme_admin": False,
}
MISSING = {"id": "app.team.get_member.missing.app_error", "message": "No team member found."}
KINDS: dict[str, tuple[dict[str, object], str]] = {
    "channel": (CHANNEL, f"channels/{CHANNEL_ID}"),
    "team": (TEAM, f"teams/{TEAM_ID}"),
    "administers": (MEMBER, f"teams/{TEAM_ID}/members/{USER_ID}"),
}


async def place(
    kind: str, given: bytes, credential: Credential = HEADER
) -> tuple[Channel | Team | bool | Refusal, Request]:
    """What one of the questions about places makes of an answer, and the request."""
    requests: list[Request] = []

    async def serve(visitor: Visitor) -> None:
        requests.append(await visitor.head())
        await visitor.send(given)

    async with upstream(serve, subpath="/chat", timeout=0.5) as server:
        mattermost, headers = server.mattermost, [(b"x-a", b"1")]
        result: Channel | Team | bool | Refusal
        if kind == "channel":
            result = await mattermost.channel(CHANNEL_ID, credential, headers)
        elif kind == "team":
            result = await mattermost.team(TEAM_ID, credential, headers)
        else:
            result = await mattermost.administers(TEAM_ID, USER_ID, credential, headers)
    return result, requests[0]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_question_about_a_place(kind: str) -> None:
    document, path = KINDS[kind]
    _, request = await place(kind, answer(200, document))
    assert request.line == f"GET /chat/api/v4/{path} HTTP/1.1"
    assert (request.header("authorization"), request.header("x-a")) == ("Bearer secret", "1")
    query = Credential(CredentialKind.QUERY, "a&b")
    _, request = await place(kind, answer(200, document), query)
    assert request.line == f"GET /chat/api/v4/{path}?access_token=a%26b HTTP/1.1"


async def test_a_channel() -> None:
    channel, _ = await place("channel", answer(200, CHANNEL))
    assert channel == Channel(CHANNEL_ID, "town-square", TEAM_ID)
    channel, _ = await place("channel", answer(200, CHANNEL | {"team_id": "", "type": "D"}))
    assert channel == Channel(CHANNEL_ID, "town-square", "")


async def test_a_channel_has_the_id_that_mattermost_writes() -> None:
    """A database that compares without case finds it by another spelling."""
    channel, _ = await place("channel", answer(200, CHANNEL | {"id": CHANNEL_ID.upper()}))
    assert channel == Channel(CHANNEL_ID.upper(), "town-square", TEAM_ID)


async def test_a_team() -> None:
    team, _ = await place("team", answer(200, TEAM))
    assert team == Team(TEAM_ID, "contributors")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"roles": "team_user team_admin"}, True),
        ({"scheme_admin": True, "roles": "team_user custom_role"}, True),
        ({"roles": "team_guest", "scheme_admin": False}, False),
        ({"roles": "not_team_admin"}, False),
        ({"scheme_admin": True, "delete_at": 1795373950188}, False),  # has left the team
    ],
)
async def test_an_administrator_of_a_team(changes: dict[str, object], *, expected: bool) -> None:
    administers, _ = await place("administers", answer(200, MEMBER | changes))
    assert administers is expected


async def test_who_is_no_member_of_a_team_does_not_administer_it() -> None:
    administers, _ = await place("administers", answer(404, MISSING))
    assert administers is False


@pytest.mark.parametrize(
    ("kind", "status"),
    [(kind, status) for kind in KINDS for status in (401, 403)] + [("channel", 404), ("team", 404)],
)
async def test_a_place_that_is_not_told(kind: str, status: int) -> None:
    error = {"id": "api.context.permissions.app_error", "message": "No."}
    refused, _ = await place(kind, answer(status, error, "Set-Cookie: MMAUTHTOKEN="))
    reason, cookies = (
        ("unauthenticated", ((b"set-cookie", b"MMAUTHTOKEN="),))
        if status == 401
        else ("mattermost_refused", ())
    )
    assert refused == Refusal(error["id"], status, reason, "No.", headers=cookies)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_is_no_place(kind: str) -> None:
    document, _ = KINDS[kind]
    wrong = [
        answer(500, {"id": "a", "message": "b"}),
        answer(400, {"id": "a", "message": "b"}),
        answer(429, {"id": "a", "message": "b"}),
        answer(403, body=b"<html>"),
        answer(404, body=b"<html>"),
        answer(302, document, "Location: /login"),
        answer(201, document),
        answer(200, body=b"<html>"),
        answer(200, body=b"[" * 1_000_000),
        answer(200, [document]),
        b"nonsense\r\n\r\n",
        b"",
    ]
    for key in document.keys() - {"type"}:
        wrong.append(answer(200, {k: v for k, v in document.items() if k != key}))
        wrong.append(answer(200, document | {key: None}))
        if key == "id" or (key.endswith("_id") and kind == "administers"):
            wrong.append(answer(200, document | {key: OTHER_ID}))
    for given in wrong:
        with pytest.raises(Broken):
            await place(kind, given)
