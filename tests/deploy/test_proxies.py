"""The gateway behind the proxies that people have, each with its example from deploy/."""

import http.client
import json
import re
import select
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from websockets.sync.client import connect

from gateway.endpoints import ENDPOINTS
from gateway.standin.process import StandInProcess
from tests.deploy.proxies import DEPLOY, PROXIES, running
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire, field, file_part, form_body

MIB = 2**20
SECONDS = 30.0
PATTERN = re.compile(r"\^?/\(api/v4/\(files\|.*(?:\)\(/\|\$\)|\(/\.\*\)\?)")
EXAMPLES = [proxy.example for proxy in PROXIES.values()]


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(
        stand_in.url,
        tmp_path_factory.mktemp("gateway"),
        trusted_proxies="127.0.0.1",
        max_file_size="300MiB",
    ) as running:
        yield running


@pytest.fixture(params=[*PROXIES])
def name(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if name == "haproxy" and shutil.which(name) is None:
        pytest.skip("haproxy is not installed")
    return name


def uploads_large_file(client: Client, mattermost: StandInProcess) -> None:
    """200 MiB arrive while they are still being sent: nobody holds them in between."""
    with Wire(client.address, SECONDS) as wire:
        length = ("Content-Length", str(200 * MIB))
        wire.send_head("POST", client.target("large.bin"), client.head(length))
        for _ in range(50):
            wire.send(bytes(MIB))
        mattermost.wait_for(
            lambda state: any(
                upload["body_bytes"] > 20 * MIB
                for upload in state["uploads"]
                if "large.bin" in upload["target"]
            )
        )
        for _ in range(150):
            wire.send(bytes(MIB))
        response = wire.response()
    assert response.status == 201
    assert response.json()["file_infos"][0]["size"] == 200 * MIB


def is_told_refusals(client: Client) -> None:
    """Whatever refuses, its JSON comes to the client, before the body is sent or after."""
    response = client.raw("setup.exe", b"hello")
    assert (response.status, response.json()["id"]) == (403, "gateway.extension_denied")
    with Wire(client.address, SECONDS) as wire:
        length = ("Content-Length", str(301 * MIB))
        wire.send_head("POST", client.target("a.bin"), client.head(length))
        send_until_it_answers(wire)
        response = wire.response()
    assert (response.status, response.json()["id"]) == (413, "gateway.file_too_large")
    stranger = Client(client.address, "nobody", client.channel_id)
    assert stranger.raw("a.txt", bytes(MIB)).status == 401


def send_until_it_answers(wire: Wire) -> None:
    """Caddy sends a head on only with what follows, Traefik an answer only when more comes."""
    for _ in range(int(SECONDS * 20)):
        wire.send(bytes(64 * 2**10))
        if select.select([wire.socket], [], [], 0.05)[0]:
            return
    pytest.fail("there was no answer")


def keeps_a_websocket(client: Client) -> None:
    url = f"ws://{client.address[0]}:{client.address[1]}/api/v4/websocket"
    with connect(url, additional_headers=dict(client.head()), proxy=None) as websocket:
        assert json.loads(websocket.recv(SECONDS))["event"] == "hello"


def reads(client: Client) -> None:
    response = client.request("GET", "/api/v4/users/me")
    assert response.json()["username"] == "alice"
    response = client.request("HEAD", "/api/v4/users/me")
    assert (response.status, response.body) == (404, b"")  # Mattermost's routes have GET only


def test_all_passes_the_gateway(
    name: str, mattermost: StandInProcess, gateway: GatewayProcess, tmp_path: Path
) -> None:
    before = len(gateway.requests())
    with running(
        name, tmp_path / name, gateway=gateway.address[1], mattermost=mattermost.port
    ) as address:
        client = Client(address, mattermost.user_token, mattermost.channel_id)
        uploads_large_file(client, mattermost)
        is_told_refusals(client)
        keeps_a_websocket(client)
        reads(client)
        form = client.form(field("channel_id", client.channel_id), file_part("a.txt", b"hello"))
        assert form.status == 201
    gateway.wait_for(lambda: len(gateway.requests()) == before + 8)
    lines = gateway.requests()[before:]
    assert {line["path"] for line in lines} == {
        "/api/v4/files",
        "/api/v4/users/me",
        "/api/v4/websocket",
    }


def test_the_gateway_believes_the_proxy_and_the_proxy_no_client(
    name: str, mattermost: StandInProcess, gateway: GatewayProcess, tmp_path: Path
) -> None:
    before = len(gateway.requests())
    with running(name, tmp_path / name, gateway=gateway.address[1], mattermost=mattermost.port) as (
        host,
        port,
    ):
        connection = http.client.HTTPConnection(
            host, port, timeout=SECONDS, source_address=("127.0.0.2", 0)
        )
        lies = {"X-Forwarded-For": "192.0.2.6", "X-Request-Id": "mine", "Host": "chat.example"}
        connection.request("GET", "/api/v4/system/ping", headers=lies)
        assert connection.getresponse().status == 200
        connection.close()
    gateway.wait_for(lambda: len(gateway.requests()) > before)
    line = gateway.requests()[-1]
    assert line["client"] == "127.0.0.2"
    # The gateway's own are no UUIDs and shorter.
    made_by_the_proxy = re.fullmatch(r"[0-9a-f]{32}|[0-9a-f-]{36}", line["request_id"])
    assert bool(made_by_the_proxy) == (name != "traefik")
    assert line["request_id"] != "mine"
    entry = next(
        entry for entry in mattermost.state()["recent"] if entry["endpoint"].endswith("/ping")
    )
    headers = {key.lower(): value for key, value in entry["headers"]}
    assert headers["x-request-id"] == line["request_id"]
    assert headers["x-forwarded-host"] == "chat.example"
    assert headers["x-forwarded-proto"] in ("http", "https")


ODD = (
    "/api/v4/%66iles",
    "//api/v4/files",
    "/api//v4/files",
    "/./api/v4/files",
    "/x/../api/v4/files",
    "/api/v4/x/%2e%2e/files",
    "/api/v4/files/",
    "/api%2fv4%2ffiles",
    "/plugins/com.example.wiki/upload",
)


def test_only_uploads_pass_the_gateway(
    name: str, mattermost: StandInProcess, gateway: GatewayProcess, tmp_path: Path
) -> None:
    before = len(gateway.requests())
    with running(
        name,
        tmp_path / name,
        gateway=gateway.address[1],
        mattermost=mattermost.port,
        only_uploads=True,
    ) as address:
        client = Client(address, mattermost.user_token, mattermost.channel_id)
        keeps_a_websocket(client)
        reads(client)
        assert client.raw("a.txt", b"hello").status == 201
        mattermost.reset()
        body = form_body(field("channel_id", client.channel_id), file_part("setup.exe", b"MZ"))
        form = ("Content-Type", "multipart/form-data; boundary=XboundaryX")
        for path in ODD:
            status = client.request("POST", path, form, body=body).status
            assert status >= 300, path
    gateway.wait_for(lambda: len(gateway.requests()) > before)
    assert mattermost.state()["uploads"] == []
    assert not [key for key in mattermost.state()["requests"] if key.startswith("POST ")]


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_row_of_the_guard_table_is_an_upload(example: str) -> None:
    (found,) = PATTERN.findall((DEPLOY / example).read_text())
    pattern = re.compile(found)
    for row in ENDPOINTS:
        if row.rule:
            path = row.path.replace("{id}", "a" * 26)
            assert pattern.match(path), path
    for path in ("/api/v4/users/me", "/api/v4/posts", "/api/v4/filesystem", "/"):
        assert not (pattern.fullmatch(path) if found.endswith("?") else pattern.match(path)), path


def test_the_parts_of_traefiks_example_fit_together() -> None:
    http = yaml.safe_load((DEPLOY / "traefik.yml").read_text())["http"]
    assert set(http) == {"routers", "middlewares", "services"}
    uploads, others = http["routers"]["uploads"], http["routers"]["others"]
    assert uploads["priority"] > others["priority"]
    assert {uploads["service"], others["service"], "mattermost"} <= set(http["services"])
