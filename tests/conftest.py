"""The servers that tests share, and the choice between the stand-in and a real Mattermost."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess
from tests.support.server import Server, from_stand_in, on_real_mattermost
from tests.support.wire import Client

GIB = 2**30


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--mattermost",
        metavar="URL",
        help="run the end-to-end tests on this Mattermost instead of the stand-in; an "
        "administrator's login is in MATTERMOST_ADMIN_USERNAME and MATTERMOST_ADMIN_PASSWORD",
    )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Of test processes. They wait as often as they compute; a real server is used by one."""
    return 0 if config.getoption("--mattermost") else (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--mattermost``, only the tests that can run on a real server are run."""
    if config.getoption("--mattermost"):
        chosen = [item for item in items if "end_to_end" in item.path.parts]
        left_out = [item for item in items if item not in chosen]
        config.hook.pytest_deselected(items=left_out)
        items[:] = chosen


def pytest_collection_finish() -> None:
    """All tests, and what they are made of, stay to the end: nobody looks for garbage in them."""
    gc.freeze()


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInProcess]:
    """One stand-in for all tests that do not disturb it; see ``mattermost``."""
    folder = tmp_path_factory.mktemp("stand-in")
    with StandInProcess(folder, max_file_size=2 * GIB) as running:
        yield running


@pytest.fixture
def mattermost(stand_in: StandInProcess) -> Iterator[StandInProcess]:
    """The shared stand-in with nothing recorded and no faults."""
    stand_in.reset()
    yield stand_in
    stand_in.reset()


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The Mattermost of the end-to-end tests."""
    url = request.config.getoption("--mattermost")
    if url:
        with on_real_mattermost(str(url)) as real:
            yield real
    else:
        yield from_stand_in(request.getfixturevalue("stand_in"))


@pytest.fixture(scope="session")
def shared_gateway(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """One gateway with default settings in front of ``server``."""
    with GatewayProcess(server.url, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def client(server: Server, shared_gateway: GatewayProcess) -> Client:
    """Uploads by hand to the shared gateway, as its first user."""
    return Client(shared_gateway.address, server.user["token"], server.channel_id, server.subpath)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for a gateway of the test's own."""
    return tmp_path / "gateway"
