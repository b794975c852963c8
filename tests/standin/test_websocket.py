"""The WebSocket says what the recorded one said."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gateway.standin.process import StandInProcess

from .wire import exchange

CONVERSATIONS: dict[str, list[list[str]]] = {
    conversation["name"]: conversation["frames"]
    for conversation in json.loads(
        (Path(__file__).parent.parent / "recordings" / "websocket.json").read_text()
    )["conversations"]
}
VOLATILE = re.compile(r"connection_id|server_time|\w+_at|id|channel_(display_)?name|sender_name")


def open_socket(mattermost: StandInProcess, **headers: str) -> ClientConnection:
    url = mattermost.url.replace("http", "ws") + "/api/v4/websocket"
    return connect(url, additional_headers=headers, open_timeout=30, proxy=None)


def bearer(mattermost: StandInProcess) -> dict[str, str]:
    return {"Authorization": f"Bearer {mattermost.admin_token}"}


def say(mattermost: StandInProcess, message: str, **more: object) -> None:
    post = {"channel_id": mattermost.channel_id, "message": message} | more
    body = json.dumps(post).encode()
    headers = bearer(mattermost) | {"Content-Length": str(len(body))}
    answer = exchange(mattermost.port, "POST", "/api/v4/posts", headers, body)
    assert answer.status == 201


def replay(mattermost: StandInProcess, socket: ClientConnection, name: str) -> None:
    """Say what the client said, and expect what the server said."""
    for who, text in CONVERSATIONS[name]:
        if who == "client":
            socket.send(text.replace("PERSONAL_ACCESS_TOKEN", mattermost.admin_token))
        elif who == "server":
            if '"event":"posted"' in text:
                say(mattermost, "over the socket")
            assert masked(mattermost, str(socket.recv(30))) == masked(mattermost, text)


def masked(mattermost: StandInProcess, text: str) -> Any:
    assert text.endswith("}\n")
    names = {
        "ADMIN_USER_ID": mattermost.ready["admin"]["id"],
        "CHANNEL_ID": mattermost.channel_id,
        "TEAM_ID": mattermost.team_id,
    }
    for name, value in names.items():
        text = text.replace(name, value)
    return mask(json.loads(text))


def mask(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return [(key, mask(inner, key)) for key, inner in value.items()]
    if name == "post":
        return mask(json.loads(value))
    # The recorded challenge overlapped with the end of an earlier conversation.
    if name == "status" and value in ("online", "offline"):
        return "status"
    return type(value).__name__ if VOLATILE.fullmatch(name) else value


def iter_until_closed(socket: ClientConnection) -> Iterator[str]:
    while True:
        try:
            yield str(socket.recv(30))
        except ConnectionClosed:
            return


def test_authorized_by_header(mattermost: StandInProcess) -> None:
    with open_socket(mattermost, **bearer(mattermost)) as socket:
        replay(mattermost, socket, "authorized by header")


def test_authorized_by_challenge(mattermost: StandInProcess) -> None:
    with open_socket(mattermost) as socket:
        replay(mattermost, socket, "authorized by challenge")


def test_challenge_with_an_unknown_token_ends_without_a_closing_frame(
    mattermost: StandInProcess,
) -> None:
    with open_socket(mattermost) as socket:
        _, challenge = CONVERSATIONS["challenge with an unknown token"][0]
        socket.send(challenge)
        with pytest.raises(ConnectionClosedError) as caught:
            socket.recv(30)
    assert caught.value.rcvd is None


def test_whoever_does_not_introduce_himself_is_dropped(mattermost: StandInProcess) -> None:
    with open_socket(mattermost) as socket:
        socket.send('{"seq":1,"action":"ping"}')
        with pytest.raises(ConnectionClosedError) as caught:
            socket.recv(30)
    assert caught.value.rcvd is None


def test_only_members_of_the_channel_hear_of_a_post(mattermost: StandInProcess) -> None:
    stranger = {"Authorization": f"Bearer {mattermost.other_user_token}"}
    with open_socket(mattermost, **stranger) as outside:
        with open_socket(mattermost, Cookie=f"MMAUTHTOKEN={mattermost.user_token}") as inside:
            heard = [json.loads(inside.recv(30))["event"] for _ in range(2)]
            say(mattermost, "for members")
            heard.append(json.loads(inside.recv(30))["event"])
        outside.send('{"seq":1,"action":"user_typing"}')
        heard_outside = [json.loads(outside.recv(30)) for _ in range(3)]
    assert heard == ["hello", "status_change", "posted"]
    assert heard_outside[2] == {"status": "OK", "seq_reply": 1}


def test_an_unknown_action_and_a_malformed_request(mattermost: StandInProcess) -> None:
    with open_socket(mattermost, **bearer(mattermost)) as socket:
        for _ in range(2):
            socket.recv(30)
        socket.send(b'{"seq":7,"action":"dance"}')
        reply = json.loads(socket.recv(30))
        assert (reply["status"], reply["seq_reply"]) == ("FAIL", 7)
        socket.send("no JSON")
        with pytest.raises(ConnectionClosed):
            socket.recv(30)


def test_another_sites_page_may_not_connect(mattermost: StandInProcess) -> None:
    with pytest.raises(InvalidStatus) as caught:
        open_socket(mattermost, Origin="http://evil.example")
    assert caught.value.response.status_code == 403


def test_too_long_a_message_ends_the_conversation(mattermost: StandInProcess) -> None:
    with open_socket(mattermost, **bearer(mattermost)) as socket:
        socket.send('{"seq":1,"action":"' + "x" * 8192 + '"}')
        heard = list(iter_until_closed(socket))
    assert (len(heard), socket.close_code) == (2, 1009)
