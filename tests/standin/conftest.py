from collections.abc import Iterator

import pytest

from gateway.standin.process import StandInProcess

from .wire import FilesApi

MAX_FILE_SIZE = 128 * 2**20


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInProcess]:
    data = tmp_path_factory.mktemp("mattermost")
    with StandInProcess(data, max_file_size=MAX_FILE_SIZE) as mattermost:
        yield mattermost


@pytest.fixture
def mattermost(_shared: StandInProcess) -> StandInProcess:
    """One for all tests, without faults; files of earlier tests are still there."""
    _shared.reset()
    return _shared


@pytest.fixture
def files(mattermost: StandInProcess) -> FilesApi:
    return FilesApi(mattermost)
