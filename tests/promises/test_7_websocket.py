"""Promise 7: the WebSocket passes, as Mattermost and its clients speak it."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection as AsyncConnection
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from gateway.standin.process import StandInProcess
from tests.promises.support import program, text
from tests.standin.test_websocket import CONVERSATIONS, bearer, replay, say
from tests.support.gateway import GatewayProcess
from tests.support.server import from_stand_in
from tests.support.websocket import PATH, SECONDS, open_socket
from tests.support.wire import Client

MANY = 400
OPEN = "upload_gateway_websockets_open"


def events(socket: Any, count: int) -> list[str]:
    return [json.loads(socket.recv(SECONDS))["event"] for _ in range(count)]


# What was recorded with a real Mattermost.


def test_authorized_by_header(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    with open_socket(gateway, additional_headers=bearer(mattermost)) as socket:
        replay(mattermost, socket, "authorized by header")


def test_authorized_by_challenge(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    with open_socket(gateway) as socket:
        replay(mattermost, socket, "authorized by challenge")


def test_a_challenge_with_an_unknown_token(gateway: GatewayProcess) -> None:
    """Mattermost breaks off without a closing frame, and so it looks to the client."""
    with open_socket(gateway) as socket:
        _, challenge = CONVERSATIONS["challenge with an unknown token"][0]
        socket.send(challenge)
        with pytest.raises(ConnectionClosedError) as caught:
            socket.recv(SECONDS)
    assert caught.value.rcvd is None


def test_authorized_by_cookie(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    """As browsers are, on the page of the same host."""
    cookie = {"Cookie": f"a=b; MMAUTHTOKEN={mattermost.user_token}"}
    with open_socket(gateway, additional_headers=cookie, origin=gateway.url) as socket:
        assert events(socket, 2) == ["hello", "status_change"]
        say(mattermost, "through the gateway")
        posted = json.loads(socket.recv(SECONDS))
    assert posted["event"] == "posted"
    assert json.loads(posted["data"]["post"])["message"] == "through the gateway"


def test_another_sites_page_may_not_connect(gateway: GatewayProcess) -> None:
    with pytest.raises(InvalidStatus) as caught:
        open_socket(gateway, origin="http://evil.example")
    assert caught.value.response.status_code == 403


def test_too_long_a_message_is_mattermosts_to_refuse(
    mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    with open_socket(gateway, additional_headers=bearer(mattermost)) as socket:
        socket.send('{"seq":1,"action":"' + "x" * 8192 + '"}')
        with pytest.raises(ConnectionClosed):
            events(socket, 10)
    assert socket.close_code == 1009


def test_an_upload_is_heard_of(
    mattermost: StandInProcess, gateway: GatewayProcess, client: Client
) -> None:
    """The whole way of a message with a file, over one gateway."""
    with open_socket(gateway, additional_headers=bearer(mattermost)) as socket:
        events(socket, 2)
        (file,) = client.raw("a.txt", b"hello").json()["file_infos"]
        post = {"channel_id": client.channel_id, "message": "look", "file_ids": [file["id"]]}
        header = ("Content-Type", "application/json")
        body = json.dumps(post).encode()
        assert client.request("POST", "/api/v4/posts", header, body=body).status == 201
        posted = json.loads(socket.recv(SECONDS))
    assert json.loads(posted["data"]["post"])["file_ids"] == [file["id"]]


# Elsewhere.


def test_under_a_subpath(tmp_path: Path) -> None:
    with (
        StandInProcess(tmp_path / "stand-in", subpath="/chat") as mattermost,
        GatewayProcess(mattermost.url, tmp_path / "gateway") as gateway,
    ):
        headers = {"Authorization": f"Bearer {mattermost.user_token}"}
        for path in (f"/chat{PATH}", "/chat/api/v4/%77ebsocket"):
            with open_socket(gateway, path, additional_headers=headers) as socket:
                assert events(socket, 2) == ["hello", "status_change"]
        for path in (f"/chat/{PATH}", f"/x/../chat{PATH}", f"/chat/%2e{PATH}"):
            with pytest.raises(InvalidStatus) as caught:
                open_socket(gateway, path, additional_headers=headers)
            assert caught.value.response.status_code == 400


# Many.


@pytest.fixture(params=["1", "2"], ids=["one worker", "two workers"], scope="module")
def workers(
    request: pytest.FixtureRequest,
    stand_in: StandInProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("many")
    with GatewayProcess(stand_in.url, folder, workers=request.param) as running:
        yield running


async def ping(socket: AsyncConnection, seq: int) -> None:
    await socket.send(json.dumps({"seq": seq, "action": "ping"}))
    async with asyncio.timeout(60):
        while json.loads(await socket.recv()).get("seq_reply") != seq:
            pass


async def open_many(stack: AsyncExitStack, url: str, token: str) -> list[AsyncConnection]:
    headers = {"Authorization": f"Bearer {token}"}
    sockets = []
    for _ in range(MANY // 50):
        opening = [
            connect(
                url, additional_headers=headers, open_timeout=60, ping_interval=None, proxy=None
            )
            for _ in range(50)
        ]
        sockets += await asyncio.gather(*(stack.enter_async_context(one) for one in opening))
    return sockets


async def test_many_that_are_idle(mattermost: StandInProcess, workers: GatewayProcess) -> None:
    """All of them work afterwards, and uploads work beside them."""
    server = from_stand_in(mattermost)
    client = Client(workers.address, server.user["token"], server.channel_id)
    url = workers.url.replace("http", "ws", 1) + PATH
    async with AsyncExitStack() as stack:
        sockets = await open_many(stack, url, server.other_user["token"])
        await asyncio.to_thread(workers.wait_for, lambda: workers.metric(OPEN) == MANY)
        assert await asyncio.to_thread(workers.metric, "upload_gateway_requests_in_flight") == 0
        for size in (10, 100_000, 3_000_000):
            answer = await asyncio.to_thread(client.raw, "a.txt", text(size))
            assert answer.status == 201
        answer = await asyncio.to_thread(client.raw, "a.pdf", program(1000))
        assert answer.status == 415
        await asyncio.gather(*(ping(socket, seq) for seq, socket in enumerate(sockets, 1)))
    await asyncio.to_thread(workers.wait_for, lambda: workers.metric(OPEN) == 0)
    lines = [line for line in workers.requests() if line["endpoint"] == "websocket"]
    assert len(lines) == MANY
    assert {(line["status"], line["outcome"]) for line in lines} == {(101, "accepted")}
