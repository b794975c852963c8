"""Which methods are on; and a gateway that serves nothing but uploads."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.configuration import checked_settings
from gateway.settings import SettingsError
from gateway.standin.process import StandInProcess
from tests.machines.support import create
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.wire import Client


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("methods") / "keys.toml"


@pytest.fixture(scope="module")
def key(keys_file: Path) -> str:
    return create(keys_file, "only", "--allow", "posts:create")


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, keys_file: Path, key: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """For machines only, in two workers."""
    with GatewayProcess(
        stand_in.url,
        tmp_path_factory.mktemp("gateway"),
        auth="api-key",
        mode="uploads",
        workers="2",
        api_keys_file=str(keys_file),
        account_token=new_member(stand_in)["token"],
    ) as running:
        yield running


def test_a_key_and_nothing_else(
    mattermost: StandInProcess, gateway: GatewayProcess, key: str
) -> None:
    machine = Client(gateway.address, key, mattermost.channel_id)
    (info,) = machine.raw("a.txt", b"hello").json()["file_infos"]
    post = {"channel_id": machine.channel_id, "message": "Done.", "file_ids": [info["id"]]}
    assert machine.request("POST", "/api/v4/posts", body=json.dumps(post).encode()).status == 201
    person = Client(gateway.address, new_member(mattermost)["token"], mattermost.channel_id)
    mattermost.reset()
    response = person.raw("a.txt", b"hello")
    assert response.json()["id"] == "api.context.session_expired.app_error"
    assert person.request("POST", "/api/v4/posts", body=b"{}").status == 404
    assert mattermost.state()["requests"] == {}


def test_a_key_where_keys_are_off(
    mattermost: StandInProcess, shared_gateway: GatewayProcess, key: str
) -> None:
    """It is refused, and Mattermost does not get to see it."""
    client = Client(shared_gateway.address, key, mattermost.channel_id)
    mattermost.reset()
    for response in (client.raw("a.txt", b"hello"), client.request("GET", "/api/v4/users/me")):
        assert response.json()["id"] == "gateway.credential_refused"
    assert mattermost.state()["requests"] == {}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"auth": "api-key"}, "GATEWAY_API_KEYS_FILE is required, since GATEWAY_AUTH has api-key"),
        ({"auth": "oidc"}, "GATEWAY_OIDC_FILE is required, since GATEWAY_AUTH has oidc"),
        ({"api_keys_file": "{file}"}, "GATEWAY_AUTH does not have api-key"),
        ({"auth": "api-key", "api_keys_file": "{file}"}, "this is no TOML"),
        ({"auth": "api-key", "api_keys_file": "/nowhere"}, "/nowhere cannot be read"),
        ({"auth": "oidc", "oidc_file": "{file}"}, "this is no TOML"),
        ({"accounts_dir": "/nowhere"}, "GATEWAY_ACCOUNTS_DIR=/nowhere: this is no folder"),
        ({"auth": "api-keys"}, "GATEWAY_AUTH='api-keys'"),
        ({"auth": "api-key,api-key"}, "a method is there twice"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, str], problem: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text("[")
    given = {"upstream_url": "http://127.0.0.1:9", **settings}
    environment = {
        f"GATEWAY_{name.upper()}": value.format(file=file) for name, value in given.items()
    }
    with pytest.raises(SettingsError, match=re.escape(problem)):
        checked_settings(environment)
