"""Mattermost behind TLS: the same bytes arrive, and nobody else's server gets any."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from gateway.standin.process import StandInProcess
from tests.promises.support import WAYS, Send, stored, text
from tests.support.gateway import GatewayProcess
from tests.support.tls import TlsFront, server_context
from tests.support.wire import Client, Wire

MIB = 2**20
SIZES = [1, 20_000, 4 * MIB]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def front(stand_in: StandInProcess, ca: trustme.CA) -> Iterator[TlsFront]:
    """The stand-in behind TLS."""
    with TlsFront(stand_in.port, server_context(ca, "localhost", "127.0.0.1")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    front: TlsFront, ca_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(
        f"https://localhost:{front.port}",
        tmp_path_factory.mktemp("gateway"),
        upstream_ca_file=str(ca_file),
        quotas="user 10GiB/day",
    ) as running:
        yield running


@pytest.fixture
def client(gateway: GatewayProcess, mattermost: StandInProcess) -> Client:
    return Client(gateway.address, mattermost.user_token, mattermost.channel_id)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_an_upload(way: Send, size: int, client: Client, mattermost: StandInProcess) -> None:
    content = text(size)
    response = way(client, "novel.txt", content)
    assert response.status == 201
    target = f"/api/v4/files/{response.json()['file_infos'][0]['id']}"
    direct = Client(("127.0.0.1", mattermost.port), client.token, client.channel_id)
    assert direct.request("GET", target).body == content
    assert client.request("GET", target).body == content


def test_connections_are_kept(client: Client, front: TlsFront) -> None:
    assert client.raw("a.txt", b"hello").status == 201
    before = front.connections
    for size in (5, 300_000, 3_000_000):
        assert client.raw("a.txt", text(size)).status == 201
        assert client.request("GET", "/api/v4/users/me").status == 200
    assert front.connections == before


def test_an_early_answer(client: Client, mattermost: StandInProcess) -> None:
    body = '{"id":"api.full","message":"no","detailed_error":"","status_code":507}'
    mattermost.control(
        endpoint="POST /api/v4/files", times=1, status=507, body=body, stop_reading=True
    )
    response = client.raw("a.txt", text(40 * MIB))
    assert (response.status, response.json()["id"]) == (507, "api.full")


def test_a_client_that_leaves(client: Client, gateway: GatewayProcess) -> None:
    with Wire(client.address) as wire:
        length = ("Content-Length", str(9 * MIB))
        wire.send_head("POST", client.target("a.txt"), client.head(length))
        wire.send(text(2 * MIB))
    assert gateway.wait_for_log("request", outcome="aborted")["reason"] == "client_gone"


def test_mattermost_is_well(gateway: GatewayProcess) -> None:
    assert gateway.ready() == (200, {"status": "ready"})


# Whom to trust.


def test_what_the_system_trusts(
    front: TlsFront,
    ca_file: Path,
    mattermost: StandInProcess,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As OpenSSL finds it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    with GatewayProcess(f"https://127.0.0.1:{front.port}", folder) as gateway:
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        assert client.raw("a.txt", b"hello").status == 201
        assert gateway.ready()[0] == 200


def assert_that_nobody_is_trusted(gateway: GatewayProcess, mattermost: StandInProcess) -> None:
    client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
    before = stored(mattermost)
    for response in (
        client.raw("a.txt", b"hello"),
        client.request("GET", "/api/v4/users/me"),
    ):
        assert (response.status, response.json()["id"]) == (503, "gateway.upstream_unreachable")
        assert response.header("retry-after") is not None
    status, document = gateway.ready()
    assert status == 503
    assert document["problems"] == {"mattermost": "its certificate is not trusted"}
    assert "localhost" in gateway.wait_for_log("not_ready")["detail"]
    assert stored(mattermost) == before
    assert mattermost.state()["recent"] == []


def test_nobody_is_trusted_without_a_reason(
    front: TlsFront, mattermost: StandInProcess, folder: Path
) -> None:
    with GatewayProcess(f"https://localhost:{front.port}", folder) as gateway:
        assert_that_nobody_is_trusted(gateway, mattermost)


def another_name(ca: trustme.CA) -> ssl.SSLContext:
    return server_context(ca, "elsewhere.example")


def another_authority(ca: trustme.CA) -> ssl.SSLContext:
    return server_context(trustme.CA(), "localhost")


@pytest.mark.parametrize("context", [another_name, another_authority])
def test_somebody_else_is_not_trusted(
    context: Callable[[trustme.CA], ssl.SSLContext],
    ca: trustme.CA,
    ca_file: Path,
    mattermost: StandInProcess,
    folder: Path,
) -> None:
    with (
        TlsFront(mattermost.port, context(ca)) as front,
        GatewayProcess(
            f"https://localhost:{front.port}", folder, upstream_ca_file=str(ca_file)
        ) as gateway,
    ):
        assert_that_nobody_is_trusted(gateway, mattermost)


def test_a_server_without_tls(mattermost: StandInProcess, ca_file: Path, folder: Path) -> None:
    url = f"https://localhost:{mattermost.port}"
    with GatewayProcess(url, folder, upstream_ca_file=str(ca_file)) as gateway:
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        assert client.raw("a.txt", b"hello").status == 503
        assert gateway.ready()[1]["problems"] == {"mattermost": "not available"}
