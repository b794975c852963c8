"""A Mattermost to test against: the stand-in, or a real server given on the command line."""

import json
import os
import secrets
import urllib.request
from dataclasses import dataclass
from typing import Any

from gateway.standin.process import StandInProcess


@dataclass(frozen=True)
class Server:
    """A Mattermost with two users and a channel of which only the first is a member."""

    url: str
    user: dict[str, Any]
    """``id``, ``username``, ``password``, ``token``."""
    other_user: dict[str, Any]
    channel_id: str
    team_id: str

    def stored(self, file_id: str) -> bytes:
        """What the server has stored under ``file_id``, asked of it directly."""
        request = urllib.request.Request(
            f"{self.url}/api/v4/files/{file_id}",
            headers={"Authorization": f"Bearer {self.user['token']}"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            content: bytes = response.read()
            return content


def new_member(stand_in: StandInProcess) -> dict[str, Any]:
    """One more user of the stand-in in its channel: ``id``, ``username``, ``token``."""
    url, admin = stand_in.url, stand_in.admin_token
    name = f"user{secrets.token_hex(6)}"
    password = f"Gateway-{secrets.token_hex(8)}"
    account = {"username": name, "email": f"{name}@example.test", "password": password}
    user = call(url, admin, "users", account)
    team, channel = stand_in.team_id, stand_in.channel_id
    call(url, admin, f"teams/{team}/members", {"team_id": team, "user_id": user["id"]})
    call(url, admin, f"channels/{channel}/members", {"user_id": user["id"]})
    return {**user, "token": login(url, name, password)}


def from_stand_in(stand_in: StandInProcess) -> Server:
    return Server(
        stand_in.url,
        stand_in.ready["user"],
        stand_in.ready["other_user"],
        stand_in.channel_id,
        stand_in.team_id,
    )


def on_real_mattermost(url: str) -> Server:
    """Make users, a team and a channel as the administrator named in the environment.

    ``MATTERMOST_ADMIN_USERNAME`` and ``MATTERMOST_ADMIN_PASSWORD`` are that login.
    """
    url = url.rstrip("/")
    admin = login(
        url, os.environ["MATTERMOST_ADMIN_USERNAME"], os.environ["MATTERMOST_ADMIN_PASSWORD"]
    )
    suffix = secrets.token_hex(4)
    team = call(
        url, admin, "teams", {"name": f"gw{suffix}", "display_name": "Gateway", "type": "O"}
    )
    channel = call(
        url,
        admin,
        "channels",
        {"team_id": team["id"], "name": f"gw{suffix}", "display_name": "G", "type": "O"},
    )
    users = []
    for name in ("alice", "bob"):
        password = f"Gateway-{secrets.token_hex(8)}"
        user = call(
            url,
            admin,
            "users",
            {
                "username": f"{name}{suffix}",
                "email": f"{name}{suffix}@example.test",
                "password": password,
            },
        )
        token = login(url, user["username"], password)
        users.append({**user, "password": password, "token": token})
    member = {"team_id": team["id"], "user_id": users[0]["id"]}
    call(url, admin, f"teams/{team['id']}/members", member)
    call(url, admin, f"channels/{channel['id']}/members", {"user_id": users[0]["id"]})
    return Server(url, users[0], users[1], channel["id"], team["id"])


def login(url: str, username: str, password: str) -> str:
    """A new session's token."""
    body = json.dumps({"login_id": username, "password": password}).encode()
    request = urllib.request.Request(f"{url}/api/v4/users/login", data=body)
    with urllib.request.urlopen(request, timeout=30) as response:
        return str(response.headers["Token"])


def call(url: str, token: str, path: str, document: object) -> dict[str, Any]:
    """POST ``document`` to Mattermost's API at ``url``."""
    request = urllib.request.Request(
        f"{url}/api/v4/{path}",
        data=json.dumps(document).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.loads(response.read())
        return answer
