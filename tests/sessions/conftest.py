"""A gateway with a quota, and somebody who has used nothing of theirs."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.books import Books
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.wire import Client

from .support import Uploader


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(
        stand_in.url, tmp_path_factory.mktemp("gateway"), quotas="user 40MiB/day", ledger_lease="1s"
    ) as running:
        yield running


@pytest.fixture
def user(mattermost: StandInProcess) -> dict[str, Any]:
    """The test's own."""
    user = new_member(mattermost)
    mattermost.reset()
    return user


@pytest.fixture
def uploader(gateway: GatewayProcess, mattermost: StandInProcess, user: dict[str, Any]) -> Uploader:
    return Uploader(Client(gateway.address, user["token"], mattermost.channel_id))


@pytest.fixture
def admin(gateway: GatewayProcess, mattermost: StandInProcess) -> Uploader:
    return Uploader(Client(gateway.address, mattermost.admin_token, mattermost.channel_id))


@pytest.fixture
def books(gateway: GatewayProcess, mattermost: StandInProcess, user: dict[str, Any]) -> Books:
    return Books(mattermost, gateway.folder, user)
