"""A Mattermost to test against: the stand-in, or a real server given on the command line."""

import json
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gateway.standin.process import StandInProcess
from tests.support.wire import file_part, form_body


@dataclass(frozen=True)
class Server:
    """A Mattermost with two users and a channel of which only the first is a member."""

    url: str
    admin: dict[str, Any]
    """``username``, ``password``, ``token``."""
    user: dict[str, Any]
    """``id``, ``username``, ``password``, ``token``."""
    other_user: dict[str, Any]
    channel_id: str
    team_id: str

    @property
    def subpath(self) -> str:
        """Where the site lives below the host: empty, or such as ``/chat``."""
        return urlsplit(self.url).path

    def stored(self, file_id: str) -> bytes:
        """What the server has stored under ``file_id``, asked of it directly."""
        return self.get(f"files/{file_id}")

    def get(self, path: str) -> bytes:
        """What the server answers to its first user, asked directly. Raises HTTPError."""
        return send(self.url, self.user["token"], path)

    def remove_team(self, team_id: str) -> None:
        remove(self.url, self.admin["token"], f"teams/{team_id}")

    @contextmanager
    def brand_image_restored(self) -> Iterator[None]:
        """There is one for all; in the end it is what it was."""
        before = self.brand_image()
        try:
            yield
        finally:
            if self.brand_image() != before:
                self.set_brand_image(before)

    def brand_image(self) -> bytes | None:
        """None if there is none."""
        try:
            return self.get("brand/image")
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 404:
                    raise
            return None

    def set_brand_image(self, image: bytes | None) -> None:
        token, path = self.admin["token"], "brand/image"
        if image is None:
            remove(self.url, token, path)
        else:
            form = form_body(file_part("brand.png", image, "image"))
            kind = "multipart/form-data; boundary=XboundaryX"
            send(self.url, token, path, form, {"Content-Type": kind})


def new_member(stand_in: StandInProcess) -> dict[str, Any]:
    """One more user of the stand-in in its channel: ``id``, ``username``, ``token``."""
    url, admin = stand_in.url, stand_in.admin_token
    user = new_user(url, admin, f"user{secrets.token_hex(6)}")
    join(url, admin, user["id"], stand_in.team_id, stand_in.channel_id)
    return user


def from_stand_in(stand_in: StandInProcess) -> Server:
    return Server(
        stand_in.url,
        stand_in.ready["admin"],
        stand_in.ready["user"],
        stand_in.ready["other_user"],
        stand_in.channel_id,
        stand_in.team_id,
    )


@contextmanager
def on_real_mattermost(url: str) -> Iterator[Server]:
    """Make users, a team and a channel as the administrator named in the environment.

    ``MATTERMOST_ADMIN_USERNAME`` and ``MATTERMOST_ADMIN_PASSWORD`` are that login. In the end
    the team is archived and the users are deactivated, which is all that Mattermost allows unless
    it is configured to.
    """
    url = url.rstrip("/")
    username = os.environ["MATTERMOST_ADMIN_USERNAME"]
    password = os.environ["MATTERMOST_ADMIN_PASSWORD"]
    admin = login(url, username, password)
    suffix = secrets.token_hex(4)
    named = {"name": f"gw{suffix}", "display_name": "Gateway", "type": "O"}
    made: list[str] = []
    try:
        team = call(url, admin, "teams", named)
        made.append(f"teams/{team['id']}")
        channel = call(url, admin, "channels", {"team_id": team["id"], **named})
        users = []
        for name in ("alice", "bob"):
            users.append(new_user(url, admin, f"{name}{suffix}"))
            made.append(f"users/{users[-1]['id']}")
        join(url, admin, users[0]["id"], team["id"], channel["id"])
        known = {"username": username, "password": password, "token": admin}
        yield Server(url, known, users[0], users[1], channel["id"], team["id"])
    finally:
        for path in made:
            remove(url, admin, path)
        send(url, admin, "users/logout", b"")


def new_user(url: str, admin: str, name: str) -> dict[str, Any]:
    """``id``, ``username``, ``password``, ``token``."""
    password = f"Gateway-{secrets.token_hex(8)}"
    account = {"username": name, "email": f"{name}@example.test", "password": password}
    user = call(url, admin, "users", account)
    return {**user, "password": password, "token": login(url, name, password)}


def join(url: str, admin: str, user_id: str, team_id: str, channel_id: str) -> None:
    call(url, admin, f"teams/{team_id}/members", {"team_id": team_id, "user_id": user_id})
    call(url, admin, f"channels/{channel_id}/members", {"user_id": user_id})


def login(url: str, username: str, password: str) -> str:
    """A new session's token."""
    body = json.dumps({"login_id": username, "password": password}).encode()
    request = urllib.request.Request(f"{url}/api/v4/users/login", data=body)
    with urllib.request.urlopen(request, timeout=30) as response:
        return str(response.headers["Token"])


def call(url: str, token: str, path: str, document: object) -> dict[str, Any]:
    """POST ``document`` to Mattermost's API at ``url``."""
    body, headers = json.dumps(document).encode(), {"Content-Type": "application/json"}
    answer: dict[str, Any] = json.loads(send(url, token, path, body, headers))
    return answer


def remove(url: str, token: str, path: str) -> None:
    """DELETE what Mattermost's API has there."""
    send(url, token, path, method="DELETE")


def send(
    url: str,
    token: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    *,
    method: str | None = None,
) -> bytes:
    """The answer's body; GET without a body of its own, POST with one. Raises HTTPError."""
    request = urllib.request.Request(
        f"{url}/api/v4/{path}",
        data=body,
        headers={"Authorization": f"Bearer {token}", **(headers or {})},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        content: bytes = response.read()
        return content
