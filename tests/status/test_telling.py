"""What processes tell each other: boards, publishers, and who puts it together."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.accounting import Account, FileAccount
from gateway.ledger.engine import NoticeBoard
from gateway.ledger.quotas import LedgerUnavailable
from gateway.ledger.standings import Standing
from gateway.refusals import Refusal as Rejected
from gateway.refusals import session_expired
from gateway.status.boards import FolderBoard, MemoryBoard
from gateway.status.observing import Observer
from gateway.status.publishing import LONG, SHORT, WATCHED, Notice, Publisher
from gateway.status.recent import RecentRefusals, UserName, UserNames
from gateway.status.values import GatewayState, Refusal, RunningUpload, read, written
from gateway.values import Credential, CredentialKind, Identity, Outcome


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class BrokenBoard:
    """A ledger that is not there."""

    async def post(self, name: str, text: str, ttl: float) -> None:
        raise LedgerUnavailable("it is not there")

    async def notices(self, prefix: str) -> dict[str, str]:
        raise LedgerUnavailable("it is not there")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "folder"])
def board(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> NoticeBoard:
    return MemoryBoard(clock) if request.param == "memory" else FolderBoard(tmp_path, clock)


async def test_boards_of_a_gateway_do_what_ledgers_do(board: NoticeBoard, clock: Clock) -> None:
    await board.post("running/a", "before", 15)
    await board.post("running/a", "\u202e after\n", 15)
    await board.post("hour/a", "third", 3600)
    assert await board.notices("running/") == {"running/a": "\u202e after\n"}
    clock.now += 15
    assert await board.notices("") == {"hour/a": "third"}


def telling(text: str) -> Callable[[bool], Any]:
    async def tell(_: bool) -> str:
        return text

    return tell


def publisher(*boards: NoticeBoard, now: str = "[1]", hour: str = "[2]") -> Publisher:
    notices = {"running": Notice(SHORT, telling(now)), "hour": Notice(LONG, telling(hour))}
    return Publisher("p", boards, notices)


async def test_who_watches_hears_of_everything() -> None:
    own, shared = MemoryBoard(), MemoryBoard()
    await publisher(own, shared).publish(watched=True)
    for board in (own, shared):
        assert await board.notices("") == {"running/p": "[1]", "hour/p": "[2]"}


async def test_unwatched_only_what_lasts_leaves_the_gateway() -> None:
    own, shared = MemoryBoard(), MemoryBoard()
    await publisher(own, shared).publish()
    assert await own.notices("") == {"running/p": "[1]", "hour/p": "[2]"}
    assert await shared.notices("") == {"hour/p": "[2]"}


async def test_nothing_is_not_told_until_there_was_something() -> None:
    own = MemoryBoard()
    await publisher(own, now="[]", hour="[]").publish(watched=True)
    assert await own.notices("") == {}


async def test_what_is_the_same_is_put_up_again_in_time() -> None:
    class Counting(MemoryBoard):
        posts = 0

        async def post(self, name: str, text: str, ttl: float) -> None:
            self.posts += 1
            await super().post(name, text, ttl)

    own, clock = Counting(), Clock()
    notices = {"running": Notice(SHORT, telling("[1]"))}
    telling_it = Publisher("p", [own], notices, clock)
    for _ in range(5):
        await telling_it.publish()
    assert own.posts == 1
    clock.now += SHORT / 3
    await telling_it.publish()
    assert own.posts == 2


async def test_without_the_ledger_the_gateway_still_tells_itself() -> None:
    own = MemoryBoard()
    await publisher(own, BrokenBoard()).publish(watched=True)
    assert set(await own.notices("")) == {"running/p", "hour/p"}
    running = asyncio.create_task(publisher(own, BrokenBoard()).run())
    await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()


def upload(id_: str, seconds: float = 1.0) -> RunningUpload:
    return RunningUpload(
        id_, "a.pdf", "u1", "", "c", "::1", "files", "forward", 10, 5, 1.0, seconds
    )


def refusal(id_: str, time: float) -> Refusal:
    return Refusal(
        id_, time, "a", "u1", "", "c", "::1", "files", 403, "refused", "r", "settings", "t", None
    )


async def nobody() -> list[Standing]:
    return []


async def test_all_that_is_told_is_put_together() -> None:
    own, shared = MemoryBoard(), MemoryBoard()
    await own.post("running/a", written([upload("1", 1.0), upload("2", 9.0)]), 15)
    await shared.post("running/a", written([upload("1", 0.5)]), 15)
    await shared.post("running/b", written([upload("3", 5.0)]), 15)
    await shared.post("refusals/a", written([refusal("1", 10), refusal("2", 20)]), 15)
    await own.post("names/a", written([UserName("u1", "ada")]), 15)
    await shared.post("gateway/g", written([GatewayState("g", "h", "1", 2, 0, {}, {})]), 15)
    activity = await Observer("me", (own, shared), nobody).activity()
    # What this gateway says of itself is newer than what it told others.
    assert [(u.id, u.seconds) for u in activity.running] == [("2", 9.0), ("3", 5.0), ("1", 1.0)]
    assert [r.id for r in activity.refusals] == ["2", "1"]
    assert activity.names == {"u1": "ada"}
    assert [gateway.host for gateway in activity.gateways] == ["h"]
    assert activity.ledger_problem == ""
    assert set(await shared.notices(WATCHED)) == {"watched/me"}


async def test_who_looks_is_told_that_the_ledger_is_not_there() -> None:
    own = MemoryBoard()
    await own.post("running/a", written([upload("1")]), 15)

    async def unavailable() -> list[Standing]:
        raise LedgerUnavailable("it is not there")

    activity = await Observer("me", (own, BrokenBoard()), unavailable).activity()
    assert [u.id for u in activity.running] == ["1"]
    assert activity.ledger_problem == activity.standings_problem == "it is not there"


async def test_many_who_look_are_one_look() -> None:
    looks = 0

    async def counted() -> list[Standing]:
        nonlocal looks
        looks += 1
        return []

    observer = Observer("me", (MemoryBoard(),), counted)
    found = await asyncio.gather(*(observer.activity() for _ in range(20)))
    assert looks == 1
    assert all(activity is found[0] for activity in found)


@pytest.mark.parametrize(
    "text", ["", "[", "{}", "[1]", '[{"id": "1"}]', '[{"id": "1", "colour": "red"}]', "null"]
)
def test_what_another_version_says_is_left_out(text: str) -> None:
    assert read(RunningUpload, [text, written([upload("1")])]) == [upload("1")]


# What a process remembers.


def closed(
    outcome: Outcome, id_: str, *, is_upload: bool = True, name: str | None = None
) -> Account:
    account = Account()
    account.client, account.request_id = "::1", id_
    account.outcome, account.is_upload = outcome, is_upload
    account.reason, account.status, account.endpoint = "type_denied", 415, "files"
    account.user_id, account.machine = "u1", {"api_key": "ci"}
    if name is not None:
        file = FileAccount(
            name, 7, "text/plain", outcome=outcome, reason="type_denied", rule="guests"
        )
        account.files.append(file)
    return account


def test_refusals_are_remembered_with_rule_and_reason() -> None:
    refusals = RecentRefusals(lambda: 5.0)
    refusals.close(closed(Outcome.REFUSED, "1", name="a\udcff" * 300))
    refusals.close(closed(Outcome.ABORTED, "2", name="b"))
    refusals.close(closed(Outcome.REFUSED, "3", is_upload=False))
    refusals.close(closed(Outcome.FAILED, "4"))
    one, other = refusals.look()
    assert (one.rule, one.reason, one.time, one.machine) == ("guests", "type_denied", 5.0, "ci")
    assert one.name == ("a?" * 300)[:255]
    assert (other.id, other.name, other.outcome) == ("4", "", "failed")
    assert read(Refusal, [written([one, other])]) == [one, other]


def test_the_latest_are_remembered() -> None:
    refusals = RecentRefusals()
    for number in range(80):
        refusals.close(closed(Outcome.REFUSED, str(number)))
    assert [refusal.id for refusal in refusals.look()] == [str(n) for n in range(30, 80)]


async def test_names_are_those_of_whom_mattermost_was_asked_about() -> None:
    names = UserNames()
    credential = Credential(CredentialKind.HEADER, "t")
    answers: list[Identity | Rejected] = [
        *[Identity(f"u{n:04}", f"user{n}", frozenset()) for n in range(600)],
        Identity("u0599", "renamed", frozenset()),
        session_expired(),
    ]

    async def ask(_: Credential, __: Any) -> Identity | Rejected:
        return answers.pop(0)

    heard = names.hear(ask)
    while answers:
        await heard(credential, [])
    found = names.look()
    assert len(found) == 500
    assert (found[0], found[-1]) == (UserName("u0100", "user100"), UserName("u0599", "renamed"))
