"""Promise 4: the books are exact when clients, gateways and the ledger's server die.

Each upload goes to a channel of its own, so that the accounts of channels tell one by one what is
booked of it. A file whose gateway is killed between its last byte and its booking is booked whether
Mattermost stored it or not: nobody is left who knows. Of such files, which got no answer, more may
be booked than is stored; of no other, and never less.
"""

import asyncio
import itertools
import random
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.ledger.engines import ledger_from
from gateway.ledger.quotas import Usage
from gateway.standin.process import StandInProcess
from tests.promises.support import form_head, settled, stored
from tests.support.gateway import GatewayProcess
from tests.support.server import call, new_member
from tests.support.valkey import ValkeyServer
from tests.support.wire import Client, Wire, file_part, form_body
from tests.support.wire import field as form_field

LIMITS = {"user": 1_500_000, "channel": 110_000, "team": 4_000_000, "everyone": 3_900_000}
FILES_OF_USER = 60
QUOTAS = (
    f"user {LIMITS['user']}/day, user {FILES_OF_USER} files/day, user 3 at once, "
    f"channel {LIMITS['channel']}/day, team {LIMITS['team']}/day, "
    f"everyone {LIMITS['everyone']} total"
)
GATEWAYS, THREADS, USERS, LARGEST, KILLS = 4, 6, 3, 60_000, 3

T = TypeVar("T")
Files = dict[str, int]
"""Bytes by name."""


@dataclass
class Upload:
    """What one client sent to one channel."""

    name: str
    """With which the names of its files begin."""
    channel_id: str
    user_id: str
    files: Files = field(default_factory=dict)
    """Those that were sent whole."""
    status: int = 0
    """0 if it was not answered."""


class Uploads:
    """What clients do until they are stopped."""

    def __init__(
        self, mattermost: StandInProcess, gateways: list[GatewayProcess], users: list[Any]
    ) -> None:
        self._mattermost = mattermost
        self._gateways = gateways
        self._users = users
        self.stopped = threading.Event()
        self.all: list[Upload] = []
        self.ways: Counter[str] = Counter()

    def send(self, thread: int) -> None:
        dice = random.Random(thread)
        ways = [self._raw, self._form, self._in_two_halves, self._abort]
        for number in itertools.count():
            if self.stopped.is_set():
                return
            name, user = f"t{thread}-{number}", dice.choice(self._users)
            client, upload = self._begin(name, user, dice)
            (way,) = dice.choices(ways, weights=[4, 2, 2, 2])
            try:
                upload.status = way(client, upload, name, dice)
                self.ways[way.__name__] += 1
            except (OSError, EOFError):
                time.sleep(0.02)

    def _begin(self, name: str, user: Any, dice: random.Random) -> tuple[Client, Upload]:
        named = {"name": name, "display_name": name, "type": "O"}
        place = {"team_id": self._mattermost.team_id, **named}
        channel = call(self._mattermost.url, user["token"], "channels", place)
        upload = Upload(name, channel["id"], user["id"])
        self.all.append(upload)
        return Client(dice.choice(self._gateways).address, user["token"], channel["id"]), upload

    def _raw(self, client: Client, upload: Upload, name: str, dice: random.Random) -> int:
        body = bytes(dice.randrange(1, LARGEST))
        with Wire(client.address) as wire:
            upload.files[name] = len(body)
            wire.send_head("POST", client.target(name), _length(client, len(body)))
            wire.send(body)
            return wire.response().status

    def _form(self, client: Client, upload: Upload, name: str, dice: random.Random) -> int:
        """Of two files."""
        sizes = dice.sample(range(1, LARGEST), 2)
        files = {f"{name}.{n}": size for n, size in enumerate(sizes)}
        parts = [file_part(file, bytes(size)) for file, size in files.items()]
        body = form_body(form_field("channel_id", client.channel_id), *parts)
        with Wire(client.address) as wire:
            upload.files |= files
            wire.send_head("POST", "/api/v4/files", form_head(client, len(body)))
            wire.send(body)
            return wire.response().status

    def _in_two_halves(self, client: Client, upload: Upload, name: str, dice: random.Random) -> int:
        """What is on its way for longer, so that gateways die half-way."""
        half = bytes(dice.randrange(LARGEST // 4, LARGEST // 2))
        with Wire(client.address) as wire:
            wire.send_head("POST", client.target(name), _length(client, 2 * len(half)))
            wire.send(half)
            time.sleep(0.1)
            if select.select([wire.socket], [], [], 0)[0]:  # it is refused, or its gateway dead
                return wire.response().status
            upload.files[name] = 2 * len(half)
            wire.send(half)
            return wire.response().status

    def _abort(self, client: Client, upload: Upload, name: str, dice: random.Random) -> int:
        body = bytes(dice.randrange(1, LARGEST))
        with Wire(client.address) as wire:
            wire.send_head("POST", client.target(name), _length(client, len(body) + 1))
            wire.send(body)
        return 0


def _length(client: Client, length: int) -> list[tuple[str, str]]:
    return client.head(("Content-Length", str(length)))


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


def books_without_reservations(url: str) -> Counter[str]:
    """When all leases of the dead have run out, and what is owed is booked."""
    deadline = time.monotonic() + 20
    while True:
        found = asyncio.run(entries(url))
        if not any(usage.reserved for usage in found.values()):
            return Counter({key: usage.used for key, usage in found.items()})
        assert time.monotonic() < deadline, f"still reserved: {found}"
        time.sleep(0.1)


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
        uploads = Uploads(mattermost, gateways, users)
        with sending(uploads):
            for kill in range(KILLS):
                time.sleep(0.6)
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
    assert len(uploads.all) > 100
    assert all(uploads.ways[way] > 5 for way in ("_raw", "_form", "_in_two_halves", "_abort"))
    assert {upload.status for upload in uploads.all} >= {0, 201, 429}
    outcomes = [_outcome(upload, files, books) for upload in uploads.all]
    together = url.startswith("sqlite")
    for account, concerns in _accounts(users, mattermost.team_id).items():
        _assert_exact(books, account, [o for o in outcomes if concerns(o.upload)], together)
    for key, used in books.items():
        assert used <= LIMITS.get(key.partition(":")[0], FILES_OF_USER)
    assert not any(used for key, used in books.items() if key.startswith("uploads#"))


@dataclass(frozen=True)
class Outcome:
    """The files of an upload, with their sizes, by what became of them."""

    upload: Upload
    stored: Files
    unconfirmed: Files
    """Booked to the channel, and not stored."""
    lost: Files
    """Sent whole and never answered, but neither stored nor booked to the channel."""


def _outcome(upload: Upload, files: list[dict[str, Any]], books: Counter[str]) -> Outcome:
    """What the channel's account tells of an upload, which it identifies."""
    found = {f["name"]: f["size"] for f in files if f["name"].partition(".")[0] == upload.name}
    assert found.items() <= upload.files.items(), "what was not sent whole is stored"
    booked = books[f"channel:{upload.channel_id}"]
    if upload.status:
        assert booked == sum(found.values()), f"{upload} has its answer, but not its booking"
        assert upload.status != 201 or found == upload.files
        return Outcome(upload, found, {}, {})
    missing = {name: size for name, size in upload.files.items() if name not in found}
    for some in _subsets(missing.items()):
        unconfirmed = dict(some)
        if booked == sum(found.values()) + sum(unconfirmed.values()):
            lost = {name: size for name, size in missing.items() if name not in unconfirmed}
            return Outcome(upload, found, unconfirmed, lost)
    raise AssertionError(f"{booked} bytes are booked of {upload}, of which {found} is stored")


Concerns = Callable[[Upload], bool]


def _accounts(users: list[dict[str, Any]], team_id: str) -> dict[str, Concerns]:
    """All but the channels', and which uploads they are charged for."""
    accounts: dict[str, Concerns] = {"everyone": lambda _: True, f"team:{team_id}": lambda _: True}
    for user in users:
        accounts[f"user:{user['id']}"] = partial(_is_of, user["id"])
    return accounts


def _is_of(user_id: str, upload: Upload) -> bool:
    return upload.user_id == user_id


def _assert_exact(
    books: Counter[str], account: str, outcomes: list[Outcome], together: bool
) -> None:
    """What is stored is booked, and of the rest only what is unconfirmed.

    Where several accounts are not charged ``together``, a gateway that is killed when one of them
    has just refused an upload leaves it booked to the others.
    """
    certain = [size for o in outcomes for size in o.stored.values()]
    unconfirmed = [size for o in outcomes for size in o.unconfirmed.values()]
    lost = [size for o in outcomes for size in o.lost.values()]
    more = books[account] - sum(certain)
    more_files = books[f"files#{account}"] - len(certain)
    if together:
        assert more == sum(unconfirmed)
        assert not account.startswith("user:") or more_files == len(unconfirmed)
    else:
        assert more in {sum(some) for some in _subsets([*unconfirmed, *lost])}
        assert not account.startswith("user:") or 0 <= more_files <= len([*unconfirmed, *lost])


def _subsets(items: Iterable[T]) -> Iterator[tuple[T, ...]]:
    known = list(items)
    for count in range(len(known) + 1):
        yield from itertools.combinations(known, count)
