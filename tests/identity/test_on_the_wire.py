"""Identification, through a gateway and a stand-in."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess
from tests.support.server import call, new_member
from tests.support.wire import Client, Wire, WireResponse

ME = "GET /api/v4/users/me"


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(stand_in.url, folder, session_negative_ttl="100ms") as running:
        yield running


@pytest.fixture
def client(mattermost: StandInProcess, gateway: GatewayProcess) -> Client:
    """Somebody whom the gateway has not seen yet."""
    token = new_member(mattermost)["token"]
    mattermost.reset()
    return Client(gateway.address, token, mattermost.channel_id)


def test_parallel_first_requests_make_one_call(client: Client, mattermost: StandInProcess) -> None:
    mattermost.control(endpoint=ME, delay=0.3)
    with ThreadPoolExecutor(8) as threads:
        uploads = [threads.submit(client.raw, "a.txt", b"hello") for _ in range(8)]
        assert [upload.result().status for upload in uploads] == [201] * 8
    assert mattermost.state()["requests"] == {ME: 1, "POST /api/v4/files": 8}


def test_a_known_caller_is_not_asked_about_again(
    client: Client, mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    before = gateway.metric("upload_gateway_session_lookups_total", result="hit")
    for _ in range(3):
        assert client.raw("a.txt", b"hello").status == 201
    assert mattermost.state()["requests"][ME] == 1
    assert gateway.metric("upload_gateway_session_lookups_total", result="hit") - before == 2


def test_a_rejected_caller_is_asked_about_again_after_a_moment(
    client: Client, mattermost: StandInProcess
) -> None:
    """So a token that was made a moment too late works soon."""
    mattermost.control(endpoint=ME, times=1, status=401, body="{}")
    response = client.raw("a.txt", b"hello")
    assert response.status == 401
    assert response.json()["id"] == "api.context.session_expired.app_error"
    deadline = time.monotonic() + 10
    while client.raw("a.txt", b"hello").status != 201:
        assert time.monotonic() < deadline, "still rejected"
        time.sleep(0.02)


def test_a_personal_access_token(client: Client, mattermost: StandInProcess) -> None:
    path = f"users/{mattermost.ready['admin']['id']}/tokens"
    answer = call(mattermost.url, mattermost.admin_token, path, {"description": "for a bot"})
    bot = Client(client.address, answer["token"], client.channel_id)
    assert bot.raw("a.txt", b"hello").status == 201


def upload_with(client: Client, *headers: tuple[str, str]) -> WireResponse:
    """An upload with ``headers`` in place of the client's own credential."""
    with Wire(client.address) as wire:
        wire.send_head("POST", client.target("a.txt"), [*headers, ("Content-Length", "5")])
        wire.send(b"hello")
        return wire.response()


@pytest.mark.parametrize("scheme", ["Bearer", "BEARER", "bearer", "Token", "token"])
def test_the_scheme_may_be_written_in_any_way(scheme: str, client: Client) -> None:
    header = ("Authorization", f"{scheme} {client.token}")
    assert upload_with(client, header).status == 201


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"status": 500, "body": "{}"}, 502),
        ({"status": 200, "body": "no JSON"}, 502),
        ({"status": 200, "body": "{}"}, 502),
        ({"status": 200, "body": '{"id": "", "username": "a", "roles": ""}'}, 502),
        ({"status": 302, "headers": {"Location": "/login"}}, 502),
        ({"garbage": "hello\r\n\r\n"}, 502),
        ({"close_after": 0}, 502),
        ({"cut_answer": 3}, 502),
        ({"status": 403, "body": '{"id": "api.context.mfa", "message": "MFA."}'}, 403),
    ],
)
def test_an_answer_that_identifies_nobody(
    fault: dict[str, object], status: int, client: Client, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint=ME, **fault)
    response = client.raw("a.txt", b"hello")
    assert response.status == status
    assert response.json()["status_code"] == status
    assert mattermost.state()["uploads"] == []
    # It was not taken for an answer about the token.
    mattermost.reset()
    if status == 502:
        assert client.raw("a.txt", b"hello").status == 201


def test_a_cleared_cookie_is_passed_on(client: Client) -> None:
    """Mattermost tells a browser to forget the cookie of a session that it does not know."""
    cookie = ("Cookie", f"MMAUTHTOKEN={'q' * 26}")
    response = upload_with(client, cookie, ("X-Requested-With", "XMLHttpRequest"))
    assert response.status == 401
    assert "MMAUTHTOKEN=" in (response.header("set-cookie") or "")
