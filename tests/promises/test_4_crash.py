"""Promise 4: the books are exact when clients, gateways and the ledger's server die.

A file whose gateway is killed between its last byte and its booking may be stored and not booked;
these are the only ones of which the books may differ, and whoever sent them got no answer.
"""

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from gateway.ledger.engines import ledger_from
from gateway.ledger.quotas import Usage
from gateway.standin.process import StandInProcess
from tests.promises.support import settled, stored
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.valkey import ValkeyServer
from tests.support.wire import Client, Wire

LIMIT = 1_500_000
QUOTAS = (
    f"user {LIMIT}/day, user 200 files/day, user 3 at once, channel 1GiB/day, "
    "team 1GiB/day, everyone 1GiB total"
)
GATEWAYS, THREADS, USERS, LARGEST, KILLS = 4, 6, 3, 60_000, 3


class Uploads:
    """What clients sent, by name, and how they were answered."""

    def __init__(self, clients: list[list[Client]]) -> None:
        self._clients = clients
        self.stopped = threading.Event()
        self.statuses: dict[str, int] = {}
        """0 for those that were not answered."""
        self.aborted = 0

    def send(self, thread: int) -> None:
        dice = random.Random(thread)
        for number in itertools.count():
            if self.stopped.is_set():
                return
            name = f"t{thread}-{number}.bin"
            client = dice.choice(dice.choice(self._clients))
            body = bytes(dice.randrange(1, LARGEST))
            try:
                if dice.random() < 0.2:
                    self._abort(client, name, body)
                else:
                    self.statuses[name] = client.raw(name, body).status
            except (OSError, EOFError):
                self.statuses[name] = 0
                time.sleep(0.02)

    def _abort(self, client: Client, name: str, body: bytes) -> None:
        with Wire(client.address) as wire:
            head = client.head(("Content-Length", str(len(body) + 1)))
            wire.send_head("POST", client.target(name), head)
            wire.send(body)
        self.aborted += 1


@contextmanager
def sending(uploads: Uploads) -> Iterator[None]:
    threads = [threading.Thread(target=uploads.send, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        uploads.stopped.set()
        for thread in threads:
            thread.join(60)


async def entries(url: str) -> dict[str, Usage]:
    ledger = ledger_from(url, lease=60, timeout=5)
    await ledger.open()
    try:
        return {entry.key: entry.usage for entry in await ledger.entries()}
    finally:
        await ledger.close()


def books_without_reservations(url: str) -> dict[str, int]:
    """When all leases of the dead have run out, and what is owed is booked."""
    deadline = time.monotonic() + 20
    while True:
        found = asyncio.run(entries(url))
        if not any(usage.reserved for usage in found.values()):
            return {key: usage.used for key, usage in found.items()}
        assert time.monotonic() < deadline, f"still reserved: {found}"
        time.sleep(0.1)


def sums(numbers: list[int]) -> set[int]:
    found = {0}
    for number in numbers:
        found |= {number + other for other in found}
    return found


def _is_ready(gateway: GatewayProcess) -> bool:
    return gateway.ready()[0] == 200


Restart = Callable[[], None]


@pytest.fixture(params=["sqlite", "redis"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Restart]]:
    """Its address, and how its server is stopped and started."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}", lambda: None
        return
    with ValkeyServer(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:

        def restart() -> None:
            server.kill()
            time.sleep(0.3)
            server.start()

        yield server.url, restart


def test_the_books_are_exact_whoever_dies(ledger: tuple[str, Restart], tmp_path: Path) -> None:
    url, restart_ledger = ledger
    dice = random.Random(6)
    with ExitStack() as stack:
        mattermost = stack.enter_context(StandInProcess(tmp_path / "stand-in"))
        settings = {"quotas": QUOTAS, "ledger_url": url, "ledger_lease": "1s"}
        gateways = [
            stack.enter_context(GatewayProcess(mattermost.url, tmp_path / str(n), **settings))
            for n in range(GATEWAYS)
        ]
        users = [new_member(mattermost) for _ in range(USERS)]
        uploads = Uploads(
            [
                [Client(gateway.address, user["token"], mattermost.channel_id) for user in users]
                for gateway in gateways
            ]
        )
        with sending(uploads):
            for kill in range(KILLS):
                time.sleep(0.5)
                gateway = dice.choice(gateways)
                gateway.kill()
                gateway.start()
                if kill == KILLS // 2:
                    restart_ledger()
                    # What was owed meanwhile is booked, before one is killed that owes.
                    for running in gateways:
                        running.wait_for(partial(_is_ready, running), 20)
                    time.sleep(1)
        settled(mattermost)
        files = stored(mattermost).files
        books = books_without_reservations(url)
    assert len(uploads.statuses) > 100
    assert uploads.aborted > 20
    assert set(uploads.statuses.values()) >= {0, 201, 429}
    assert books[f"team:{mattermost.team_id}"] == books["everyone"]
    _assert_exact(books, files, uploads, [user["id"] for user in users], mattermost.channel_id)


def _assert_exact(
    books: dict[str, int],
    files: list[dict[str, object]],
    uploads: Uploads,
    users: list[str],
    channel_id: str,
) -> None:
    for user in users:
        theirs = {str(f["name"]): int(str(f["size"])) for f in files if f["user_id"] == user}
        certain = [name for name in theirs if uploads.statuses.get(name) == 201]
        doubtful = [size for name, size in theirs.items() if name not in certain]
        booked, sure = books[f"user:{user}"], sum(theirs[name] for name in certain)
        assert booked - sure in sums(doubtful)
        assert len(certain) <= books[f"files#user:{user}"] <= len(theirs)
        unbooked = sum(theirs.values()) - booked
        assert sum(theirs.values()) <= LIMIT + unbooked
        assert booked <= LIMIT
    # What is of one is of all.
    everyone = sum(books[f"user:{user}"] for user in users)
    assert books[f"channel:{channel_id}"] == books["everyone"] == everyone
    assert not any(used for key, used in books.items() if key.startswith("uploads#"))
    # Nobody was told that a file is stored which is not.
    names = {str(file["name"]) for file in files}
    assert {name for name, status in uploads.statuses.items() if status == 201} <= names
