"""Gateways with rules, and who sends them files."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, WireResponse


@contextmanager
def gateway_with(
    rules: str, mattermost: StandInProcess, folder: Path, **settings: str
) -> Iterator[GatewayProcess]:
    """``rules`` are the text of its policy file, ``policy.toml`` in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "policy.toml"
    path.write_text(rules)
    with GatewayProcess(mattermost.url, folder, policy_file=str(path), **settings) as running:
        yield running


def client_of(gateway: GatewayProcess, mattermost: StandInProcess, who: str = "user") -> Client:
    """As somebody whom the stand-in was seeded with, into the channel ``town``."""
    token = mattermost.ready[who]["token"]
    return Client(gateway.address, token, mattermost.channel_id)


def said(response: WireResponse) -> str:
    """The status, or the last word of the refusal's id."""
    if response.status < 300:
        return str(response.status)
    return str(response.json()["id"]).removeprefix("gateway.")


def stored(mattermost: StandInProcess) -> list[dict[str, Any]]:
    """Files that Mattermost has, in the order of their arrival."""
    files: list[dict[str, Any]] = mattermost.state()["files"]
    return files


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def logged(gateway: GatewayProcess, response: WireResponse) -> dict[str, Any]:
    """What the log line of the request that was answered so says of its last file."""
    line = gateway.wait_for_log("request", request_id=response.header("x-request-id"))
    file: dict[str, Any] = line["files"][-1]
    return file
