"""People, teams, channels and posts: what is found, made and refused."""

import json
from typing import Any

import pytest

from gateway.standin.options import Options
from gateway.standin.process import StandInProcess

from .wire import Answer, exchange

NO_ID = "y" * 26
PERMISSIONS = "api.context.permissions.app_error"
BODY_PARAM = "api.context.invalid_body_param.app_error"
URL_PARAM = "api.context.invalid_url_param.app_error"


class Api:
    """Calls by one of the people who exist from the start."""

    def __init__(self, mattermost: StandInProcess, who: str) -> None:
        self._port = mattermost.port
        self._ready = mattermost.ready
        self._token = mattermost.ready[who]["token"]

    def call(self, method: str, path: str, document: object = None, **headers: str) -> Answer:
        body = b"" if document is None else json.dumps(document).encode()
        body = self._localise(body.decode()).encode()
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        sent = {"Authorization": f"Bearer {self._token}", "Content-Length": str(len(body))} | given
        return exchange(self._port, method, "/api/v4" + self._localise(path), sent, body)

    def made(self, path: str, document: object) -> dict[str, Any]:
        answer = self.call("POST", path, document)
        assert answer.status in (200, 201), answer.body
        made: dict[str, Any] = json.loads(answer.body)
        return made

    def _localise(self, text: str) -> str:
        names = {
            "TEAM": self._ready["team_id"],
            "CHANNEL": self._ready["channel_id"],
            "PRIVATE": self._ready["private_channel_id"],
            "ADMIN": self._ready["admin"]["id"],
            "ALICE": self._ready["user"]["id"],
            "BOB": self._ready["other_user"]["id"],
            "GUEST": self._ready["guest"]["id"],
        }
        for name, value in names.items():
            text = text.replace(name, value)
        return text


FOUND = [
    ("user", "GET", "/users", None),
    ("user", "GET", "/users/ADMIN", None),
    ("user", "GET", "/users/username/alice", None),
    ("user", "GET", "/users/email/alice@example.org", None),
    ("user", "GET", "/users/me/tokens", None),
    ("user", "GET", "/users/me/teams", None),
    ("admin", "GET", "/users/ALICE/teams", None),
    ("user", "GET", "/users/me/teams/TEAM/channels", None),
    ("admin", "GET", "/users/ALICE/teams/TEAM/channels", None),
    ("user", "GET", "/teams/TEAM", None),
    ("user", "GET", "/teams/TEAM/members/ALICE", None),
    ("user", "GET", "/teams/TEAM/channels/name/town", None),
    ("user", "GET", "/channels/PRIVATE", None),
    ("guest", "GET", "/teams/TEAM", None),
    ("guest", "GET", "/teams/TEAM/members/GUEST", None),
    ("guest", "GET", "/channels/CHANNEL", None),
    ("bot", "GET", "/channels/PRIVATE", None),
    ("user", "GET", "/channels/CHANNEL/members/ADMIN", None),
    ("user", "GET", "/channels/CHANNEL/posts", None),
    ("user", "GET", "/config/client?format=old", None),
    ("user", "GET", "/license/client?format=old", None),
]
REFUSED = [
    ("user", "POST", "/users/login", {"login_id": "alice"}, 400, "api.user.login.blank_pwd.app"),
    ("user", "POST", "/users", [], 400, BODY_PARAM),
    ("user", "POST", "/users", {"username": "Bob"}, 400, "app.user.save.username_exists"),
    ("user", "POST", "/users", {"email": "bob@example.org"}, 400, "app.user.save.email_exists"),
    ("user", "GET", f"/users/{NO_ID}", None, 404, "app.user.missing_account.const"),
    ("user", "GET", "/users/short", None, 400, URL_PARAM),
    ("user", "DELETE", "/users/BOB", None, 403, PERMISSIONS),
    ("admin", "DELETE", f"/users/{NO_ID}", None, 404, "app.user.missing_account.const"),
    ("admin", "DELETE", "/users/BOB?permanent=true", None, 401, "api.user.delete_user.not_enabled"),
    ("user", "GET", "/users/BOB/tokens", None, 403, PERMISSIONS),
    ("user", "POST", "/users/me/tokens", {"description": "x"}, 403, PERMISSIONS),
    ("admin", "POST", "/users/ALICE/tokens", [], 400, BODY_PARAM),
    ("admin", "POST", "/users/ALICE/tokens", {}, 400, BODY_PARAM),
    ("admin", "POST", "/users/tokens/revoke", {}, 400, BODY_PARAM),
    ("admin", "POST", "/users/tokens/revoke", {"token_id": NO_ID}, 404, "app.user_access_token"),
    ("user", "GET", "/users/BOB/teams", None, 403, PERMISSIONS),
    ("user", "GET", "/users/BOB/teams/TEAM/channels", None, 403, PERMISSIONS),
    ("user", "POST", "/teams", [], 400, BODY_PARAM),
    ("user", "POST", "/teams", {"name": "team"}, 500, "app.team.save.app_error"),
    ("user", "GET", f"/teams/{NO_ID}", None, 404, "app.team.get.find.app_error"),
    ("user", "GET", "/teams/name/nowhere", None, 404, "app.team.get.find.app_error"),
    ("other_user", "GET", "/teams/TEAM", None, 403, PERMISSIONS),
    ("user", "DELETE", "/teams/TEAM", None, 403, PERMISSIONS),
    ("admin", "DELETE", f"/teams/{NO_ID}", None, 404, "app.team.get.find.app_error"),
    ("admin", "DELETE", "/teams/TEAM?permanent=true", None, 401, "api.user.delete_team.not_en"),
    ("user", "GET", "/teams/TEAM/members/BOB", None, 404, "app.team.get_member.missing"),
    ("other_user", "GET", "/teams/TEAM/members/BOB", None, 403, PERMISSIONS),
    ("admin", "GET", "/teams/TEAM/members/BOB", None, 404, "app.team.get_member.missing"),
    ("user", "GET", f"/teams/{NO_ID}/members/ALICE", None, 403, PERMISSIONS),
    ("user", "POST", "/teams/TEAM/members", {"user_id": "BOB"}, 400, BODY_PARAM),
    ("user", "POST", "/teams/TEAM/members", {"team_id": "TEAM"}, 400, BODY_PARAM),
    (
        "user",
        "POST",
        f"/teams/{NO_ID}/members",
        {"team_id": NO_ID, "user_id": "BOB"},
        404,
        "app.team.get.find",
    ),
    ("user", "POST", "/channels", [], 400, BODY_PARAM),
    ("user", "POST", "/channels", {"type": "D"}, 400, "api.channel.create_channel.direct_channel"),
    ("user", "POST", "/channels/direct", {}, 400, BODY_PARAM),
    ("user", "POST", "/channels/direct", ["ALICE"], 400, BODY_PARAM),
    ("user", "POST", "/channels/direct", ["ALICE", "short"], 400, BODY_PARAM),
    ("user", "POST", "/channels/direct", ["ADMIN", "BOB"], 403, PERMISSIONS),
    ("user", "POST", "/channels/direct", ["ALICE", NO_ID], 400, "api.channel.create_direct_cha"),
    ("other_user", "POST", "/channels", {"team_id": "TEAM", "name": "x"}, 403, PERMISSIONS),
    (
        "user",
        "POST",
        "/channels",
        {"team_id": "TEAM", "name": "Town"},
        400,
        "store.sql_channel.save_channel.exists",
    ),
    ("user", "GET", f"/channels/{NO_ID}", None, 404, "app.channel.get.existing.app_error"),
    ("other_user", "GET", "/channels/CHANNEL", None, 403, PERMISSIONS),
    ("user", "GET", "/teams/TEAM/channels/name/x", None, 404, "app.channel.get_by_name.missing"),
    ("user", "GET", "/teams/name/x/channels/name/x", None, 404, "app.channel.get_by_name"),
    ("user", "GET", "/channels/CHANNEL/members/BOB", None, 404, "app.channel.get_member.missing"),
    ("user", "POST", "/channels/CHANNEL/members", {}, 400, BODY_PARAM),
    ("user", "POST", f"/channels/{NO_ID}/members", {"user_id": "BOB"}, 404, "app.channel.get"),
    ("other_user", "POST", "/channels/CHANNEL/members", {"user_id": "BOB"}, 403, PERMISSIONS),
    ("user", "POST", "/posts", [], 400, BODY_PARAM),
    ("other_user", "POST", "/posts", {"channel_id": "CHANNEL"}, 403, PERMISSIONS),
    ("user", "GET", f"/posts/{NO_ID}", None, 403, PERMISSIONS),
    ("admin", "GET", f"/posts/{NO_ID}", None, 404, "app.post.get.app_error"),
    ("other_user", "GET", "/channels/CHANNEL/posts", None, 403, PERMISSIONS),
    ("user", "GET", "/config/client", None, 501, "api.config.client.old_format.app_error"),
    ("user", "GET", "/license/client", None, 400, "api.license.client.old_format.app_error"),
    ("user", "PUT", "/users", {}, 404, "api.context.404.app_error"),
    ("user", "GET", "/teams/TEAM/image", None, 404, "api.file.read_file.app_error"),
    ("user", "GET", f"/users/{NO_ID}/image", None, 404, "app.user.missing_account.const"),
]


@pytest.mark.parametrize(("who", "method", "path", "document"), FOUND)
def test_what_is_found(
    mattermost: StandInProcess, who: str, method: str, path: str, document: object
) -> None:
    answer = Api(mattermost, who).call(method, path, document)
    assert answer.status == 200
    assert json.loads(answer.body)


@pytest.mark.parametrize(("who", "method", "path", "document", "status", "error_id"), REFUSED)
def test_what_is_refused(
    mattermost: StandInProcess,
    who: str,
    method: str,
    path: str,
    document: object,
    status: int,
    error_id: str,
) -> None:
    answer = Api(mattermost, who).call(method, path, document)
    assert answer.status == status, answer.body
    assert json.loads(answer.body)["id"].startswith(error_id)


def test_other_peoples_accounts_show_less(mattermost: StandInProcess) -> None:
    api = Api(mattermost, "user")
    mine = json.loads(api.call("GET", "/users/me").body)
    other = json.loads(api.call("GET", "/users/BOB").body)
    assert mine.keys() - other.keys() == {"notify_props", "last_password_update"}
    assert "password" not in mine


@pytest.mark.parametrize("path", ["/users/me", "/posts/POST", "/posts/POST/files/info"])
def test_what_has_not_changed_is_not_sent_again(mattermost: StandInProcess, path: str) -> None:
    api = Api(mattermost, "user")
    post = api.made("/posts", {"channel_id": "CHANNEL", "message": "hello"})
    path = path.replace("POST", post["id"])
    etag = api.call("GET", path).header("etag") or ""
    answer = api.call("GET", path, If_None_Match=etag)
    assert (answer.status, answer.body) == (304, b"")


def test_someone_new_joins_and_posts(mattermost: StandInProcess) -> None:
    api = Api(mattermost, "user")
    team = api.made("/teams", {"name": "new-team", "display_name": "New", "type": "O"})
    place = {"team_id": team["id"], "name": "new-channel", "display_name": "N", "type": "P"}
    channel = api.made("/channels", place)
    api.made(f"/teams/{team['id']}/members", {"team_id": team["id"], "user_id": "BOB"})
    bob = Api(mattermost, "other_user")
    assert bob.call("GET", f"/channels/{channel['id']}").status == 403
    member = api.made(f"/channels/{channel['id']}/members", {"user_id": "BOB"})
    assert member["roles"] == "channel_user"
    first = bob.made("/posts", {"channel_id": channel["id"], "message": "one"})
    second = bob.made("/posts", {"channel_id": channel["id"], "message": "two"})
    posts = json.loads(bob.call("GET", f"/channels/{channel['id']}/posts").body)
    assert set(posts["order"]) == {first["id"], second["id"]}
    shown = json.loads(bob.call("GET", f"/channels/{channel['id']}").body)
    assert shown["total_msg_count"] == 2


def test_a_member_of_the_team_joins_an_open_channel_alone(mattermost: StandInProcess) -> None:
    api = Api(mattermost, "admin")
    place = {"team_id": "TEAM", "name": "open-to-all", "display_name": "O", "type": "O"}
    channel = api.made("/channels", place)
    alice = Api(mattermost, "user")
    assert alice.made(f"/channels/{channel['id']}/members", {"user_id": "ALICE"})


def test_a_guest_sees_no_open_channel_of_others(mattermost: StandInProcess) -> None:
    place = {"team_id": "TEAM", "name": "not-for-guests", "display_name": "O", "type": "O"}
    channel = Api(mattermost, "admin").made("/channels", place)
    guest = Api(mattermost, "guest")
    assert Api(mattermost, "user").call("GET", f"/channels/{channel['id']}").status == 200
    assert guest.call("GET", f"/channels/{channel['id']}").status == 403
    joining = guest.call("POST", f"/channels/{channel['id']}/members", {"user_id": "GUEST"})
    assert joining.status == 403


def test_two_people_have_one_channel(mattermost: StandInProcess) -> None:
    alice, bob = Api(mattermost, "user"), Api(mattermost, "other_user")
    channel = alice.made("/channels/direct", ["ALICE", "BOB"])
    assert (channel["type"], channel["team_id"]) == ("D", "")
    assert bob.made("/channels/direct", ["BOB", "ALICE"])["id"] == channel["id"]
    assert bob.call("GET", f"/channels/{channel['id']}").status == 200
    assert Api(mattermost, "guest").call("GET", f"/channels/{channel['id']}").status == 403


def test_a_deactivated_account_is_shut_out(mattermost: StandInProcess) -> None:
    admin = Api(mattermost, "admin")
    account = {"username": "leaver", "email": "leaver@example.org", "password": "Passw0rd!"}
    user = admin.made("/users", account)
    access = admin.made(f"/users/{user['id']}/tokens", {"description": "x"})
    login = {"login_id": "leaver", "password": "Passw0rd!"}
    session = admin.call("POST", "/users/login", login).header("token")
    tokens = [f"Bearer {token}" for token in (session, access["token"])]
    before = [admin.call("GET", "/users/me", Authorization=token).status for token in tokens]
    assert admin.call("DELETE", f"/users/{user['id']}").status == 200
    after = [admin.call("GET", "/users/me", Authorization=token).status for token in tokens]
    assert (before, after) == ([200, 200], [401, 401])
    answer = admin.call("POST", "/users/login", login)
    assert (answer.status, json.loads(answer.body)["id"]) == (
        401,
        "api.user.login.inactive.app_error",
    )
    assert json.loads(admin.call("GET", f"/users/{user['id']}").body)["delete_at"] > 0


def test_an_archived_team_says_since_when(mattermost: StandInProcess) -> None:
    api = Api(mattermost, "user")
    team = api.made("/teams", {"name": "old-team", "display_name": "Old", "type": "O"})
    assert team["delete_at"] == 0
    assert api.call("DELETE", f"/teams/{team['id']}").status == 200
    assert json.loads(api.call("GET", f"/teams/{team['id']}").body)["delete_at"] > 0


def test_files_of_other_people_do_not_get_into_a_post(mattermost: StandInProcess) -> None:
    target = f"/files?channel_id={mattermost.channel_id}&filename=a.txt"
    uploaded = json.loads(Api(mattermost, "user").call("POST", target, "hello").body)
    file_ids = [uploaded["file_infos"][0]["id"], NO_ID]
    made = {"channel_id": "CHANNEL", "message": "mine?", "file_ids": file_ids}
    assert "file_ids" not in Api(mattermost, "admin").made("/posts", made)
    assert Api(mattermost, "user").made("/posts", made)["file_ids"] == file_ids[:1]


def test_a_guest_is_a_guest_of_the_channel(mattermost: StandInProcess) -> None:
    answer = Api(mattermost, "guest").call("GET", "/channels/CHANNEL/members/me")
    assert json.loads(answer.body)["roles"] == "channel_guest"
    member = json.loads(Api(mattermost, "guest").call("GET", "/teams/TEAM/members/me").body)
    assert (member["roles"], member["scheme_guest"], member["scheme_user"]) == (
        "team_guest",
        True,
        False,
    )


def test_only_a_bot_says_that_it_is_one(mattermost: StandInProcess) -> None:
    assert json.loads(Api(mattermost, "bot").call("GET", "/users/me").body)["is_bot"] is True
    assert "is_bot" not in json.loads(Api(mattermost, "user").call("GET", "/users/me").body)


def test_pages_outside_the_api_are_html(mattermost: StandInProcess) -> None:
    answer = exchange(mattermost.port, "GET", "/team/channels/town", {})
    assert (answer.status, answer.header("content-type")) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    "wrong", [{"subpath": "chat"}, {"subpath": "/chat/"}, {"max_file_size": 0}]
)
def test_impossible_options(tmp_path: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|begins"):
        Options(tmp_path, **wrong)


def test_a_patched_user(mattermost: StandInProcess) -> None:
    alice, bob = Api(mattermost, "user"), Api(mattermost, "other_user")
    changed = alice.call("PUT", "/users/ALICE/patch", {"locale": "pt-BR", "position": "Pilot"})
    assert (changed.status, json.loads(changed.body)["locale"]) == (200, "pt-BR")
    assert json.loads(alice.call("GET", "/users/me").body)["position"] == "Pilot"
    assert bob.call("PUT", "/users/ALICE/patch", {"locale": "de"}).status == 403
    for locale in ("klingon", "!!"):
        refused = alice.call("PUT", "/users/ALICE/patch", {"locale": locale})
        assert (refused.status, json.loads(refused.body)["id"]) == (
            400,
            "model.user.is_valid.locale.app_error",
        )
    assert alice.call("PUT", "/users/ALICE/patch", {"locale": "en", "position": ""}).status == 200


def test_roles(mattermost: StandInProcess) -> None:
    admin, bob = Api(mattermost, "admin"), Api(mattermost, "other_user")
    assert bob.call("PUT", "/users/BOB/roles", {"roles": "system_admin system_user"}).status == 403
    for roles in ("system_admin", "emperor"):
        refused = admin.call("PUT", "/users/BOB/roles", {"roles": roles})
        assert (refused.status, json.loads(refused.body)["id"]) == (400, BODY_PARAM)
    for roles in ("system_guest", "system_user"):
        assert admin.call("PUT", "/users/BOB/roles", {"roles": roles}).status == 200
        assert json.loads(bob.call("GET", "/users/me").body)["roles"] == roles
    nobody = admin.call("PUT", f"/users/{NO_ID}/roles", {"roles": "system_user"})
    assert (nobody.status, json.loads(nobody.body)["id"]) == (400, "app.user.missing_account.const")
