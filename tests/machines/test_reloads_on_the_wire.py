"""Whether the newest versions of the files of API keys and of issuers are in force can be seen."""

import os
import signal
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.machines.support import create, keys
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client
from tests.test_serving import children

RELOADS = "upload_gateway_credential_reloads_total"
STALE = "upload_gateway_credentials_stale"
ISSUERS = """
[issuers.forge]
url = "https://forge.example.com"
audience = ["uploads"]
[[issuers.forge.rules]]
name = "app"
claims = { repository = "acme/app" }
"""
SECONDS = 40
"""Until several workers are there, on a machine that has much else to do."""
READY = (200, {"status": "ready"})


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("file", ["api_keys", "oidc"])
def test_a_file_that_goes_wrong_shows(
    file: str, workers: str, mattermost: StandInProcess, tmp_path: Path
) -> None:
    """Also while nobody comes with a key or a token."""
    keys_file, issuers_file, count = tmp_path / "keys.toml", tmp_path / "oidc.toml", int(workers)
    issuers_file.write_text(ISSUERS)
    key = create(keys_file, "ci")
    with GatewayProcess(
        mattermost.url,
        tmp_path,
        workers=workers,
        auth="mattermost,api-key,oidc",
        api_keys_file=str(keys_file),
        oidc_file=str(issuers_file),
        account_token=mattermost.user_token,
    ) as gateway:
        path = {"api_keys": keys_file, "oidc": issuers_file}[file]
        right = path.read_text()
        gateway.wait_for(lambda: gateway.ready() == READY)
        assert gateway.metric(STALE) == 0

        path.write_text(right + "wrong = 1\n")
        gateway.wait_for(lambda: gateway.metric(STALE, file=file) == count, SECONDS)
        assert gateway.metric(STALE) == count
        assert gateway.metric(RELOADS, file=file, result="failed") >= count
        status, body = gateway.ready()
        assert (status, body["status"]) == (200, "ready")
        assert body["details"] == {
            file: "the version before is in force, since the present one is wrong: the log says how"
        }
        client = Client(gateway.address, key, mattermost.channel_id)
        assert client.raw("a.txt", b"hello").status == 201

        path.write_text(right + "\n")
        gateway.wait_for(lambda: gateway.metric(STALE) == 0, SECONDS)
        assert gateway.metric(RELOADS, file=file, result="loaded") >= count
        assert gateway.ready() == READY


def test_a_file_that_is_gone_shows(mattermost: StandInProcess, tmp_path: Path) -> None:
    keys_file = tmp_path / "keys.toml"
    key = create(keys_file, "ci")
    with GatewayProcess(
        mattermost.url,
        tmp_path,
        auth="mattermost,api-key",
        api_keys_file=str(keys_file),
        account_token=mattermost.user_token,
    ) as gateway:
        keys_file.unlink()
        gateway.wait_for(lambda: gateway.metric(STALE, file="api_keys") == 1)
        client = Client(gateway.address, key, mattermost.channel_id)
        assert client.raw("a.txt", b"hello").status == 201
        create(keys_file, "other")
        gateway.wait_for(lambda: client.raw("a.txt", b"hello").status == 401)
        assert gateway.metric(STALE) == 0
        assert keys(keys_file, "revoke", "other").status == 0


def test_a_worker_that_starts_while_the_file_is_bad_has_the_keys_before(
    mattermost: StandInProcess, tmp_path: Path
) -> None:
    keys_file = tmp_path / "keys.toml"
    key = create(keys_file, "ci")
    with GatewayProcess(
        mattermost.url,
        tmp_path,
        workers="2",
        auth="mattermost,api-key",
        api_keys_file=str(keys_file),
        account_token=mattermost.user_token,
    ) as gateway:
        client = Client(gateway.address, key, mattermost.channel_id)
        keys_file.write_text("?")
        gateway.wait_for(lambda: gateway.metric(STALE, file="api_keys") == 2, SECONDS)
        for worker in children(gateway.pid):
            os.kill(worker, signal.SIGKILL)
        gateway.wait_for(lambda: _deaths(gateway) == 2, SECONDS)
        gateway.wait_for(lambda: gateway.metric(STALE, file="api_keys") == 2, SECONDS)
        assert client.raw("a.txt", b"hello").status == 201


def _deaths(gateway: GatewayProcess) -> int:
    return sum(line["event"] == "worker_died" for line in gateway.log())
