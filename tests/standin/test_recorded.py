"""Every exchange recorded with a real Mattermost, replayed in order against the stand-in."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.standin.process import StandInProcess

from .wire import Answer, exchange, form

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "recordings" / "exchanges.json").read_text()
)["exchanges"]

# Answers whose values depend on the day, the accounts and the machine.
VOLATILE = {
    "create_at",
    "email",
    "last_password_update",
    "last_picture_update",
    "last_post_at",
    "last_update_at",
    "last_viewed_at",
    "request_id",
    "update_at",
    "username",
}
ANY_ID = re.compile(r"[a-z0-9]{26}|FILE_ID|UPLOAD_ID\w*")
VOLATILE_HEADERS = {"content-length", "etag", "last-modified", "x-request-id"}
# Set by the recording client's own requests (Connection: close, Accept-Encoding: gzip), or by all.
IGNORED_HEADERS = {"connection", "content-encoding", "date"}

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


class Replay:
    """Recorded placeholders, and what they stand for here."""

    def __init__(self, mattermost: StandInProcess, port: int | None = None) -> None:
        """``port``: where the recorded requests go, if not to the stand-in itself."""
        self._port = mattermost.port
        self._replay_port = port or mattermost.port
        self.answers: dict[str, Answer] = {}
        self.names = {
            "PERSONAL_ACCESS_TOKEN": mattermost.admin_token,
            "ADMIN_USER_ID": mattermost.ready["admin"]["id"],
            "SESSION_TOKEN": self._log_in("admin", mattermost.ready["admin"]["password"]),
            "TEAM_ID": mattermost.team_id,
        }
        user = {"username": "user1", "email": "u1@x.test", "password": "Passw0rd!"}
        self.names["USER_ID"] = self._create("/users", user)
        self.names["USER_SESSION_TOKEN"] = self._log_in("user1", "Passw0rd!")
        channel = {"name": "chan1", "display_name": "C", "type": "O", "team_id": "TEAM_ID"}
        self.names["CHANNEL_ID"] = self._create("/channels", channel)
        for _ in range(2):
            self._create("/posts", {"channel_id": "CHANNEL_ID", "message": "hello"})
        picture = form(('name="image"; filename="a.png"', PNG))
        self._send("POST", "/api/v4/users/ADMIN_USER_ID/image", picture, FORM)

    def run(self) -> None:
        before: dict[str, Callable[[], None]] = {
            "get file link": self._post_the_file,
            "upload session data as multipart": self._begin_a_second_upload,
        }
        after: dict[str, Callable[[Any], None]] = {
            "upload raw": lambda answer: self._name("FILE_ID", answer["file_infos"][0]["id"]),
            "create upload session": lambda answer: self._name("UPLOAD_ID", answer["id"]),
            "get file link": lambda answer: self._name("HASH", answer["link"].partition("h=")[2]),
        }
        for recorded in RECORDED:
            name = recorded["name"]
            before.get(name, lambda: None)()
            answer = self.answers[name] = self._replay(name, recorded["request"])
            if name in after and answer.status < 300:
                after[name](json.loads(answer.body))

    def _replay(self, name: str, request: dict[str, Any]) -> Answer:
        target = request["target"]
        if name == "get public file":
            target = re.sub("h=.*", "h=HASH", target)
        headers = dict(request["headers"])
        body = _body(name, request, headers)
        return self._send(request["method"], target, body, headers, self._replay_port)

    def _post_the_file(self) -> None:
        post = {"channel_id": "CHANNEL_ID", "message": "", "file_ids": ["FILE_ID"]}
        self._name("POST_ID", self._create("/posts", post))

    def _begin_a_second_upload(self) -> None:
        upload = {"channel_id": "CHANNEL_ID", "filename": "s.txt", "file_size": 10}
        document = json.dumps(upload).encode()
        # Where its data goes: a gateway lets nobody continue what was begun past it.
        answer = self._send("POST", "/api/v4/uploads", document, BEARER, self._replay_port)
        self._name("UPLOAD_ID_2", json.loads(answer.body)["id"])

    def _name(self, placeholder: str, value: str) -> None:
        self.names[placeholder] = value

    def _create(self, path: str, document: object) -> str:
        answer = self._send("POST", f"/api/v4{path}", json.dumps(document).encode(), BEARER)
        return str(json.loads(answer.body)["id"])

    def _log_in(self, login_id: str, password: str) -> str:
        document = json.dumps({"login_id": login_id, "password": password}).encode()
        answer = exchange(
            self._port,
            "POST",
            "/api/v4/users/login",
            {"Content-Length": str(len(document))},
            document,
        )
        return answer.header("token") or ""

    def _send(
        self,
        method: str,
        target: str,
        body: bytes,
        headers: dict[str, str],
        port: int | None = None,
    ) -> Answer:
        body = self.localise(body.decode("latin-1")).encode("latin-1")
        headers = {name: self.localise(value) for name, value in headers.items()}
        headers.setdefault("content-length", str(len(body)))
        if "transfer-encoding" in headers:
            del headers["content-length"]
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        return exchange(port or self._port, method, self.localise(target), headers, body)

    def localise(self, text: str) -> str:
        """What the placeholders in a recording stand for here, longest names first."""
        for name in sorted(self.names, key=len, reverse=True):
            text = text.replace(name, self.names[name])
        return text

    def delocalise(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(value, name)
        return text


BEARER = {"authorization": "Bearer PERSONAL_ACCESS_TOKEN"}
FORM = BEARER | {"content-type": "multipart/form-data; boundary=XX"}


def _body(name: str, request: dict[str, Any], headers: dict[str, str]) -> bytes:
    """As recorded; where only the size was kept, something of the kind."""
    if name == "upload raw chunked":
        return b"abcdef"
    if "text" in request["body"]:
        return str(request["body"]["text"]).encode().decode("utf-8").encode("utf-8")
    if "multipart" not in headers.get("content-type", ""):
        return bytes(request["body"]["size"])
    headers |= {"content-type": FORM["content-type"]}
    del headers["content-length"]
    fields = [('name="image"; filename="a.png"', PNG)]
    if name == "create emoji":
        emoji = {"name": "rec1795377769", "creator_id": "ADMIN_USER_ID"}
        fields.append(('name="emoji"', json.dumps(emoji).encode()))
    return form(*fields)


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    with StandInProcess(tmp_path_factory.mktemp("mattermost")) as mattermost:
        replay = Replay(mattermost)
        replay.run()
        yield replay


@pytest.mark.parametrize("recorded", RECORDED, ids=[e["name"] for e in RECORDED])
def test_answers_as_recorded(replay: Replay, recorded: dict[str, Any]) -> None:
    answer, expected = replay.answers[recorded["name"]], recorded["response"]
    assert answer.status == expected["status"], answer.body
    assert _headers(answer.headers, replay) == _headers(expected["headers"].items(), replay)
    text = answer.body.decode()
    if expected["body"]["text"].startswith(("{", "[")):
        assert masked(json.loads(replay.delocalise(text))) == masked(
            json.loads(expected["body"]["text"])
        )
    elif not expected["body"]["text"].startswith("<"):
        assert text == expected["body"]["text"]


def _headers(headers: Any, replay: Replay) -> dict[str, str]:
    lowered = {name.lower(): replay.delocalise(value) for name, value in headers}
    return {
        name: "…" if name in VOLATILE_HEADERS else value
        for name, value in lowered.items()
        if name not in IGNORED_HEADERS
    }


def masked(value: object, name: str = "") -> object:
    """The document with the type in place of each value that may differ; key order counts."""
    if isinstance(value, dict):
        return [(key, masked(inner, key)) for key, inner in value.items()]
    if isinstance(value, list):
        return [masked(inner, name) for inner in value]
    if name in VOLATILE or (isinstance(value, str) and ANY_ID.fullmatch(value)):
        return type(value).__name__
    if name == "link":
        return re.sub(r"//[^/]*|h=.*", "", str(value))
    return value
