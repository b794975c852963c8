"""API keys: made, used, limited, expired and revoked, while a gateway runs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.machines.support import accounts, authorizations, create, keys
from tests.support.gateway import GatewayProcess
from tests.support.server import call, join, new_member, send
from tests.support.wire import Client, Wire, WireResponse, field, file_part, form_body

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
MIB = 2**20


KEYS = {
    "ci-reports": "",
    "limited": "--channels {here} --max-size 1KiB --types text,images",
    "by-id": "--channels {other}",
    "sessions": "--endpoints uploads --channels {here}",
    "frugal": "--quota 10B/day",
    "near": "--addresses 127.0.0.0/8,::1",
    "far": "--addresses 10.0.0.0/8",
    "poster": "--allow posts:create --channels {here}",
    "reader": "--allow files:read",
    "emoji": "--endpoints emoji",
}


@dataclass
class Scene:
    """A gateway with keys, and the account that they stand for."""

    mattermost: StandInProcess
    gateway: GatewayProcess
    keys_file: Path
    accounts: Path
    account: dict[str, Any]
    channel: str
    """``team/name`` of the account's channel."""
    other_channel_id: str
    """That the account is a member of, too."""
    made: dict[str, str]
    """Keys that were there from the start, by name."""

    def client(self, name: str) -> Client:
        """A client with a key that was there from the start."""
        return Client(self.gateway.address, self.made[name], self.mattermost.channel_id)

    def create(self, name: str, *arguments: str) -> Client:
        """A client with a new key."""
        key = create(self.keys_file, name, "--account", "ci", *arguments)
        client = Client(self.gateway.address, key, self.mattermost.channel_id)
        self.gateway.wait_for(lambda: client.request("GET", "/nowhere").status == 403)
        return client

    def line(self, response: WireResponse) -> dict[str, Any]:
        request_id = response.header("x-request-id")
        return self.gateway.wait_for_log("request", request_id=request_id)


@pytest.fixture(scope="module")
def scene(stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("keys")
    account = new_member(stand_in)
    admin = stand_in.admin_token
    named = {"team_id": stand_in.team_id, "name": "builds", "display_name": "B", "type": "O"}
    other = call(stand_in.url, admin, "channels", named)
    join(stand_in.url, admin, account["id"], stand_in.team_id, other["id"])
    team = json.loads(send(stand_in.url, admin, f"teams/{stand_in.team_id}"))
    channel = json.loads(send(stand_in.url, admin, f"channels/{stand_in.channel_id}"))
    tokens = accounts(folder / "accounts", ci=account["token"])
    keys_file = folder / "keys.toml"
    here = f"{team['name']}/{channel['name']}"
    made = {
        name: create(
            keys_file,
            name,
            "--account",
            "ci",
            *arguments.format(here=here, other=other["id"]).split(),
        )
        for name, arguments in KEYS.items()
    }
    with GatewayProcess(
        stand_in.url,
        folder / "gateway",
        auth="mattermost,api-key",
        api_keys_file=str(keys_file),
        accounts_dir=str(tokens),
        failed_attempts="0",
    ) as gateway:
        yield Scene(
            stand_in,
            gateway,
            keys_file,
            tokens,
            account,
            here,
            other["id"],
            made,
        )


@pytest.fixture(autouse=True)
def _fresh(mattermost: StandInProcess) -> None:
    """Nothing recorded, no faults."""


def refused(response: WireResponse) -> tuple[int, str]:
    return response.status, response.json()["id"]


LIMITED = 403, "gateway.credential_limited"
INVALID = 401, "gateway.credential_refused"


def test_a_key_uploads_as_its_account(scene: Scene, mattermost: StandInProcess) -> None:
    client = scene.client("ci-reports")
    mattermost.reset()
    response = client.raw("report.txt", b"all is well")
    assert response.status == 201
    (info,) = response.json()["file_infos"]
    assert info["user_id"] == scene.account["id"]
    line = scene.line(response)
    assert (line["api_key"], line["user_id"]) == ("ci-reports", scene.account["id"])
    assert authorizations(mattermost) == {f"Bearer {scene.account['token']}"}
    form = client.form(field("channel_id", client.channel_id), file_part("a.txt", b"hello"))
    assert form.status == 201
    late = client.form(file_part("a.txt", b"hello"), field("channel_id", client.channel_id))
    assert late.status == 201


def test_what_else_it_reaches(scene: Scene, mattermost: StandInProcess) -> None:
    """Nothing: whatever Mattermost has, and whatever the account may do there."""
    client = scene.client("ci-reports")
    mattermost.reset()
    for method, path in (
        ("GET", "/api/v4/users/me"),
        ("GET", f"/api/v4/files/{'a' * 26}"),
        ("POST", "/api/v4/posts"),
        ("DELETE", f"/api/v4/posts/{'a' * 26}"),
        ("POST", "/api/v4/emoji"),
        ("POST", "/plugins/com.example/upload"),
        ("POST", f"/api/v4/remotecluster/upload/{'a' * 26}"),
        ("POST", "/api/v4/users/login"),
        ("GET", "/"),
    ):
        response = client.request(method, path, body=b"" if method == "GET" else b"{}")
        assert refused(response) == LIMITED, (method, path)
        assert scene.line(response)["api_key"] == "ci-reports"
    upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    assert refused(client.request("GET", "/api/v4/websocket", *upgrade)) == LIMITED
    assert set(mattermost.state()["requests"]) <= {"GET /api/v4/users/me"}
    assert f"Bearer {client.token}" not in authorizations(mattermost)


def test_its_own_limits(scene: Scene, mattermost: StandInProcess) -> None:
    client = scene.client("limited")
    assert client.raw("a.txt", b"hello").status == 201
    large = client.raw("a.txt", b"x" * 1025)
    assert refused(large) == (413, "gateway.file_too_large")
    pdf = client.raw("a.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    assert refused(pdf) == (415, "gateway.type_denied")
    assert scene.line(pdf)["files"][0]["rule"] == "api_key limited"
    elsewhere = Client(client.address, client.token, scene.other_channel_id)
    assert refused(elsewhere.raw("a.txt", b"hello")) == LIMITED
    late = file_part("a.txt", b"hello"), field("channel_id", elsewhere.channel_id)
    assert refused(elsewhere.form(*late)) == LIMITED
    early = late[::-1]
    assert refused(elsewhere.form(*early)) == LIMITED
    assert elsewhere.form(file_part("a.txt", b"x"), field("channel_id", client.channel_id)).status
    session = {"channel_id": elsewhere.channel_id, "filename": "a.txt", "file_size": 5}
    declared = client.request("POST", "/api/v4/uploads", body=json.dumps(session).encode())
    assert refused(declared) == LIMITED
    # The policies of the gateway hold as well.
    assert refused(client.raw("a.exe", b"hello")) == (403, "gateway.extension_denied")
    by_id = scene.client("by-id")
    assert refused(by_id.raw("a.txt", b"hello")) == LIMITED
    assert Client(by_id.address, by_id.token, scene.other_channel_id).raw("a.txt", b"").status < 500


def test_an_upload_in_several_requests(scene: Scene) -> None:
    client = scene.client("sessions")
    session = {"channel_id": client.channel_id, "filename": "a.txt", "file_size": 5}
    declared = client.request("POST", "/api/v4/uploads", body=json.dumps(session).encode())
    assert declared.status == 201
    path = f"/api/v4/uploads/{declared.json()['id']}"
    assert client.request("GET", path).json()["file_offset"] == 0
    assert client.request("POST", path, body=b"hello").status == 200
    assert refused(client.raw("a.txt", b"hello")) == LIMITED


def test_a_quota_of_its_own(scene: Scene) -> None:
    client = scene.client("frugal")
    assert client.raw("a.txt", b"12345678").status == 201
    over = client.raw("a.txt", b"12345678")
    assert refused(over) == (429, "gateway.quota_exceeded")
    assert over.header("retry-after")
    assert scene.client("ci-reports").raw("a.txt", b"12345678").status == 201


def test_from_where(scene: Scene) -> None:
    """Whoever has stolen a key does not learn what it is good for."""
    near = scene.client("near")
    assert near.raw("a.txt", b"hello").status == 201
    response = scene.client("far").raw("a.txt", b"hello")
    assert refused(response) == INVALID
    assert "address" in detail(scene, response)


def detail(scene: Scene, response: WireResponse) -> str:
    return str(scene.line(response).get("detail"))


def test_what_more_it_can_be_given(scene: Scene, mattermost: StandInProcess) -> None:
    client = scene.client("poster")
    reader = scene.client("reader")
    (info,) = client.raw("a.txt", b"hello").json()["file_infos"]
    post = {"channel_id": client.channel_id, "message": "Built.", "file_ids": [info["id"]]}
    mattermost.reset()
    response = client.request("POST", "/api/v4/posts", body=json.dumps(post).encode())
    assert response.status == 201
    assert response.json()["user_id"] == scene.account["id"]
    assert reader.request("GET", f"/api/v4/files/{info['id']}").body == b"hello"
    assert authorizations(mattermost) == {f"Bearer {scene.account['token']}"}
    assert refused(client.request("GET", f"/api/v4/files/{info['id']}")) == LIMITED
    for wrong in (
        post | {"channel_id": scene.other_channel_id},
        {"message": "nowhere"},
    ):
        answer = client.request("POST", "/api/v4/posts", body=json.dumps(wrong).encode())
        assert refused(answer) == LIMITED
    malformed: list[dict[str, Any]] = [
        post | {"props": {"from_webhook": "true"}},
        post | {"Channel_Id": scene.other_channel_id},
        post | {"message": 1},
    ]
    for document in malformed:
        answer = client.request("POST", "/api/v4/posts", body=json.dumps(document).encode())
        assert answer.status == 400


def test_keys_that_are_none(scene: Scene, mattermost: StandInProcess) -> None:
    """Mattermost is not asked about them, whatever they look like."""
    key = scene.client("ci-reports").token
    mattermost.reset()
    address, channel_id = scene.gateway.address, scene.mattermost.channel_id
    reasons = {
        key[:-1] + ("0" if key[-1] != "0" else "1"): "checksum",
        key[:-3]: "checksum",
        "mmug_": "checksum",
        create(scene.keys_file.parent / "others.toml", "x"): "there is none like it",
    }
    for wrong, reason in reasons.items():
        response = Client(address, wrong, channel_id).raw("a.txt", b"hello")
        assert refused(response) == INVALID
        assert response.header("www-authenticate") == 'Bearer error="invalid_token"'
        assert reason in detail(scene, response)
    target = f"/api/v4/files?channel_id={channel_id}&filename=a.txt"
    places = [
        (target, ("Authorization", f"Token {key}")),
        (target, ("Cookie", f"MMAUTHTOKEN={key}")),
        (f"{target}&access_token={key}", ("X-Nothing", "1")),
        (f"/api/v4/users/me?access_token={key}", ("X-Nothing", "1")),
    ]
    for place, header in places:
        with Wire(address) as wire:
            wire.send_head("POST", place, [header, ("Content-Length", "0")])
            assert refused(wire.response()) == INVALID
    cookie = ("Cookie", f"MMAUTHTOKEN={scene.account['token']}")
    for place, *extra in ((target, cookie), (f"{target}&access_token=abc",)):
        with Wire(address) as wire:
            bearer = ("Authorization", f"Bearer {key}")
            wire.send_head("POST", place, [bearer, *extra, ("Content-Length", "0")])
            assert wire.response().json()["id"] == "gateway.ambiguous_request"
    assert mattermost.state()["requests"] == {}


def test_sessions_are_as_they_were(scene: Scene) -> None:
    token = new_member(scene.mattermost)["token"]
    client = Client(scene.gateway.address, token, scene.mattermost.channel_id)
    response = client.raw("a.txt", b"hello")
    assert response.status == 201
    assert "api_key" not in scene.line(response)
    assert client.request("GET", "/api/v4/users/me").status == 200


def test_the_body_of_a_stranger_is_not_read(scene: Scene) -> None:
    wrong = create(scene.keys_file.parent / "strangers.toml", "x")
    with Wire(scene.gateway.address) as wire:
        head = [("Authorization", f"Bearer {wrong}"), ("Content-Length", str(10**9))]
        wire.send_head("POST", "/api/v4/files?channel_id=a&filename=a", head)
        assert wire.response().status == 401


def test_revoked_while_it_uploads(scene: Scene) -> None:
    """What was let in ends as it began; what comes then is refused, within a moment."""
    client = scene.create("short-lived")
    with Wire(client.address) as wire:
        head = client.head(("Content-Length", str(MIB)))
        wire.send_head("POST", client.target("a.txt"), head)
        wire.send(b"x" * (MIB // 2))
        wire.wait_until_taken()
        assert keys(scene.keys_file, "revoke", "short-lived").status == 0
        scene.gateway.wait_for(lambda: client.raw("b.txt", b"hello").status == 401)
        scene.gateway.wait_for_log("file_reloaded")
        wire.send(b"x" * (MIB // 2))
        assert wire.response().status == 201
    assert "none like it" in detail(scene, client.raw("b.txt", b"hello"))


def test_one_that_expires(scene: Scene) -> None:
    client = scene.create("brief", "--expires", "3s")
    assert client.raw("a.txt", b"hello").status == 201
    scene.gateway.wait_for(lambda: client.raw("b.txt", b"hello").status == 401)
    assert "api_key brief: it has expired" in detail(scene, client.raw("b.txt", b"hello"))


def test_a_file_that_went_wrong_changes_nothing(scene: Scene) -> None:
    client = scene.client("ci-reports")
    right = scene.keys_file.read_text()
    try:
        scene.keys_file.write_text(right + "[keys.wrong]\nmax_sise = '1KiB'\n")
        scene.gateway.wait_for(
            lambda: (
                client.raw("a.txt", b"hello").status == 201
                and any(line["event"] == "file_rejected" for line in scene.gateway.log())
            )
        )
        line = scene.gateway.wait_for_log("file_rejected")
        assert "keys.wrong: max_sise: this is not known here" in line["problems"]
        assert client.raw("a.txt", b"hello").status == 201
    finally:
        scene.keys_file.write_text(right)


def test_an_account_that_cannot_be_used(scene: Scene, mattermost: StandInProcess) -> None:
    """That is not the client's fault, and it is not told more than that."""
    nobody = create(scene.keys_file, "lost", "--account", "nobody")
    client = Client(scene.gateway.address, nobody, mattermost.channel_id)
    scene.gateway.wait_for(lambda: client.raw("a.txt", b"hello").status == 503)
    response = client.raw("a.txt", b"hello")
    assert refused(response) == (503, "gateway.account_unavailable")
    assert response.header("retry-after")
    assert "'nobody'" in detail(scene, response)
    (scene.accounts / "nobody").write_text("z" * 26)
    scene.gateway.wait_for(lambda: "refuses" in detail(scene, client.raw("a.txt", b"hello")))
    assert client.raw("a.txt", b"hello").status == 503
    (scene.accounts / "nobody").write_text(new_member(mattermost)["token"])
    scene.gateway.wait_for(lambda: client.raw("a.txt", b"hello").status == 201)


def test_mattermost_refuses_the_account(scene: Scene, mattermost: StandInProcess) -> None:
    outside = new_member(mattermost)
    (scene.accounts / "outside").write_text(outside["token"])
    key = create(scene.keys_file, "outside", "--account", "outside")
    client = Client(scene.gateway.address, key, "c" * 26)
    scene.gateway.wait_for(lambda: client.raw("a.txt", b"hello").status == 403)
    assert client.raw("a.txt", b"hello").json()["id"] == "api.context.permissions.app_error"


def test_a_form_for_another_row(scene: Scene) -> None:
    form = form_body(file_part("a.png", PNG, "image"), field("emoji", '{"name": "a"}'))
    kind = ("Content-Type", "multipart/form-data; boundary=XboundaryX")
    emoji = scene.client("emoji")
    response = emoji.request("POST", "/api/v4/emoji", kind, body=form)
    assert "credential" not in response.json().get("id", "")
    assert refused(
        scene.client("ci-reports").request("POST", "/api/v4/emoji", kind, body=form)
    ) == (LIMITED)
