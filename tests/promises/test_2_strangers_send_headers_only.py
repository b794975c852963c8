"""Promise 2: who is not authenticated gets the 401 before a byte of the body is read."""

from dataclasses import dataclass

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.support import BOUNDARY, ME, text
from tests.support.gateway import GatewayProcess
from tests.support.server import call, login
from tests.support.wire import Client, Wire, field, file_part, form_body

UNKNOWN = "y" * 26
LARGE = 40 * 1024 * 1024
"""Bytes; more than all buffers between a client and the gateway hold."""
CSRF = ("X-Requested-With", "XMLHttpRequest")

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Stranger:
    """A request's credentials, or what it has in their place."""

    headers: Headers
    query: str = ""
    questions: int = 0
    """How often Mattermost is asked about them."""


def strangers(token: str, revoked: str) -> dict[str, Stranger]:
    """``token`` is good, ``revoked`` was."""
    return {
        "nothing": Stranger([]),
        "an empty token": Stranger([("Authorization", "Bearer ")]),
        "another scheme": Stranger([("Authorization", f"Basic {token}")]),
        "an unknown token": Stranger([("Authorization", f"Bearer {UNKNOWN}")], questions=1),
        "a revoked token": Stranger([("Authorization", f"Bearer {revoked}")], questions=1),
        "an empty cookie": Stranger([("Cookie", "MMAUTHTOKEN="), CSRF]),
        "an empty cookie before a good header": Stranger(
            [("Cookie", "MMAUTHTOKEN="), CSRF, ("Authorization", f"Bearer {token}")]
        ),
        "an unknown cookie": Stranger([("Cookie", f"MMAUTHTOKEN={UNKNOWN}"), CSRF], questions=1),
        "a cookie without the header against forgery": Stranger(
            [("Cookie", f"MMAUTHTOKEN={token}")], questions=1
        ),
        "a session's token in the query": Stranger([], f"&access_token={token}", questions=1),
    }


def head_of(way: str, channel_id: str, stranger: Stranger, length: int) -> tuple[str, Headers]:
    """Target and headers of an upload of ``length`` bytes."""
    target = f"/api/v4/files?channel_id={channel_id}&filename=novel.txt{stranger.query}"
    headers = [*stranger.headers, ("Content-Length", str(length))]
    if way == "form":
        headers.append(("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"))
    return target, headers


def new_session(mattermost: StandInProcess) -> str:
    """A token."""
    user = mattermost.ready["user"]
    return login(mattermost.url, user["username"], user["password"])


def logout(mattermost: StandInProcess, token: str) -> None:
    call(mattermost.url, token, "users/logout", {})


@pytest.fixture
def revoked(mattermost: StandInProcess) -> str:
    """A token that was good until a moment ago, and that the gateway has never seen."""
    token = new_session(mattermost)
    logout(mattermost, token)
    mattermost.reset()
    return token


@pytest.mark.parametrize("way", ["raw", "form"])
@pytest.mark.parametrize("kind", strangers("", ""))
def test_the_401_comes_while_the_body_is_unsent(
    kind: str,
    way: str,
    mattermost: StandInProcess,
    gateway: GatewayProcess,
    revoked: str,
) -> None:
    stranger = strangers(mattermost.user_token, revoked)[kind]
    with Wire(gateway.address) as wire:
        wire.send_head("POST", *head_of(way, mattermost.channel_id, stranger, LARGE))
        response = wire.response()
        assert response.status == 401
        assert response.json()["status_code"] == 401
        assert response.header("connection") == "close"
        assert wire.at_end()
    state = mattermost.state()
    assert state["uploads"] == []
    assert set(state["requests"]) <= {ME}
    # A rejected credential is remembered for a moment, so a later case may ask no more.
    assert state["requests"].get(ME, 0) <= stranger.questions


@pytest.mark.parametrize("way", ["raw", "form"])
@pytest.mark.parametrize("kind", strangers("", ""))
def test_a_stranger_is_not_asked_to_send_the_body(
    kind: str,
    way: str,
    mattermost: StandInProcess,
    gateway: GatewayProcess,
    revoked: str,
) -> None:
    stranger = strangers(mattermost.user_token, revoked)[kind]
    target, headers = head_of(way, mattermost.channel_id, stranger, LARGE)
    with Wire(gateway.address) as wire:
        wire.send_head("POST", target, [*headers, ("Expect", "100-continue")])
        assert wire.interim() == 401


def test_somebody_known_is_asked_to_send_the_body(client: Client) -> None:
    with Wire(client.address) as wire:
        headers = client.head(("Content-Length", "5"), ("Expect", "100-continue"))
        wire.send_head("POST", client.target("a.txt"), headers)
        assert wire.interim() == 100
        wire.send(b"hello")
        assert wire.response().status == 201


def test_who_declares_too_large_a_file_is_not_asked_to_send_it(client: Client) -> None:
    with Wire(client.address) as wire:
        headers = client.head(("Content-Length", str(2**40)), ("Expect", "100-continue"))
        wire.send_head("POST", client.target("a.txt"), headers)
        assert wire.interim() == 413


@pytest.mark.parametrize("way", ["raw", "form"])
def test_a_cookie_with_the_header_against_forgery_is_good(
    way: str, mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    owner = Stranger([("Cookie", f"a=b; MMAUTHTOKEN={mattermost.user_token}; c=d"), CSRF])
    body = text(1000)
    if way == "form":
        body = form_body(field("channel_id", mattermost.channel_id), file_part("a.txt", body))
    with Wire(gateway.address) as wire:
        wire.send_head("POST", *head_of(way, mattermost.channel_id, owner, len(body)))
        wire.send(body)
        assert wire.response().status == 201


@pytest.mark.parametrize(
    ("way", "headers", "size", "status"),
    [
        ("raw", [], LARGE, 401),
        ("form", [], LARGE, 401),
        ("raw", [("Authorization", f"Bearer {UNKNOWN}")], LARGE, 401),
        ("form", [("Authorization", f"Bearer {UNKNOWN}")], LARGE, 401),
        ("raw", None, 2**40, 413),
    ],
)
def test_a_client_that_sends_on_regardless_can_read_the_answer(
    way: str, headers: Headers | None, size: int, status: int, client: Client
) -> None:
    """Were the connection closed at once, a reset would take the answer away from the client."""
    stranger = Stranger(client.head() if headers is None else headers)
    block = bytes(2**20)
    with Wire(client.address) as wire:
        wire.send_head("POST", *head_of(way, client.channel_id, stranger, size))
        for _ in range(LARGE // len(block)):
            wire.send(block)
        assert wire.response().status == status
        assert wire.at_end()


def test_a_session_that_ends_while_it_is_remembered(
    client: Client, mattermost: StandInProcess
) -> None:
    token = new_session(mattermost)
    known = Client(client.address, token, client.channel_id)
    assert known.raw("a.txt", b"hello").status == 201
    logout(mattermost, token)
    mattermost.reset()
    # Nobody has told the gateway, so Mattermost refuses the upload itself.
    assert known.raw("a.txt", b"hello").status == 401
    assert set(mattermost.state()["requests"]) == {"POST /api/v4/files"}
    # Now it is forgotten: the next time Mattermost is asked before the body is read.
    mattermost.reset()
    with Wire(client.address) as wire:
        wire.send_head("POST", known.target("a.txt"), known.head(("Content-Length", str(LARGE))))
        assert wire.response().status == 401
    assert mattermost.state()["requests"] == {ME: 1}


def test_mattermost_cannot_be_asked(client: Client, mattermost: StandInProcess) -> None:
    """Who cannot be identified is not let in, and sends no body either."""
    mattermost.control(endpoint=ME, close_after=0)
    token = new_session(mattermost)
    with Wire(client.address) as wire:
        stranger = Stranger([("Authorization", f"Bearer {token}")])
        wire.send_head("POST", *head_of("raw", client.channel_id, stranger, LARGE))
        assert wire.response().status == 502
    assert mattermost.state()["uploads"] == []
