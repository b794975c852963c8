"""Gateways that several promises are tested on."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.endpoints import RULES
from gateway.settings import size_setting
from gateway.standin.process import StandInProcess
from tests.promises.tricks import LIMIT, Scene
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.wire import Client


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway for one module, with default settings; modules that need others override it."""
    with GatewayProcess(stand_in.url, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def client(mattermost: StandInProcess, gateway: GatewayProcess) -> Client:
    """Uploads by hand to the module's gateway, as a member of the channel."""
    return Client(gateway.address, mattermost.user_token, mattermost.channel_id)


@pytest.fixture
def user(mattermost: StandInProcess) -> dict[str, Any]:
    """Somebody who has used nothing of their quota."""
    return new_member(mattermost)


@pytest.fixture(scope="module")
def unused_port() -> Iterator[int]:
    """A port of this machine where nobody listens, and nobody will."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A gateway that lets small files pass, and a stand-in that is asked for its state so often
    that it has to hold few files."""
    folder = tmp_path_factory.mktemp("tricks")
    sizes = {size_setting(rule): str(LIMIT) for rule in RULES}
    with (
        StandInProcess(folder / "stand-in") as mattermost,
        GatewayProcess(mattermost.url, folder / "gateway", remote_cluster="on", **sizes) as gateway,
    ):
        yield Scene(mattermost, gateway)
