"""Everything here runs on asyncio's own event loop and on uvloop, which is used in production."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.support.valkey import ValkeyCluster, ValkeyServer

from .support import Clock, Make, NewLedger, opener, redis_maker, sqlite_maker


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    del config, item
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    with ValkeyCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
def engine() -> str:
    """One of ENGINES; modules that are about several override it."""
    return "sqlite"


@pytest.fixture
def make(engine: str, path: Path, clock: Clock, request: pytest.FixtureRequest) -> Make[Any]:
    """Makes ledgers of the engine on empty data."""
    if engine == "sqlite":
        return sqlite_maker(path, clock)
    name = "valkey" if engine == "redis" else "valkey_cluster"
    server: ValkeyServer | ValkeyCluster = request.getfixturevalue(name)
    server.command("FLUSHALL")
    return redis_maker(server.url, clock)


@pytest.fixture
async def new_ledger(make: Make[Any]) -> AsyncIterator[NewLedger[Any]]:
    async with opener(make) as new:
        yield new
