"""Sessions: asked for once, remembered for a while, never under their token."""

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable
from typing import Any

import pytest

from gateway.identity.sessions import Sessions
from gateway.refusals import Refusal, Refused, session_expired
from gateway.upstream.connection import Unreachable
from gateway.values import Credential, CredentialKind, Identity
from tests.identity.support import Clock, reachable

TTL, NEGATIVE_TTL, SIZE = 60.0, 5.0, 3

Headers = list[tuple[bytes, bytes]]


def bearer(token: str) -> Credential:
    return Credential(CredentialKind.HEADER, token)


def identity(token: str) -> Identity:
    return Identity(f"id of {token}", f"name of {token}", frozenset({"system_user"}))


class Mattermost:
    """Knows the tokens that begin with ``good``; counts questions, and can be made to wait."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.headers: list[Headers] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.down = False
        self.good = "good"

    async def me(self, credential: Credential, headers: Headers) -> Identity | Refusal:
        self.asked[credential.token] += 1
        self.headers.append(headers)
        await self.may_answer.wait()
        if self.down:
            raise Unreachable("down")
        if credential.token.startswith(self.good):
            return identity(credential.token)
        return session_expired()


@pytest.fixture
def mattermost() -> Mattermost:
    return Mattermost()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts() -> Counter[str]:
    return Counter()


@pytest.fixture
def sessions(mattermost: Mattermost, clock: Clock, counts: Counter[str]) -> Sessions:
    def count(result: str) -> None:
        counts[result] += 1

    return Sessions(
        mattermost.me, ttl=TTL, negative_ttl=NEGATIVE_TTL, size=SIZE, count=count, clock=clock
    )


async def refusal_of(asking: Awaitable[Identity]) -> Refusal:
    with pytest.raises(Refused) as refused:
        await asking
    return refused.value.refusal


@pytest.mark.parametrize("credential", [None, bearer("")])
async def test_without_a_token_nobody_is_asked(
    credential: Credential | None, sessions: Sessions, mattermost: Mattermost
) -> None:
    refusal = await refusal_of(sessions.identify(credential, []))
    assert (refusal.status, refusal.reason) == (401, "unauthenticated")
    assert not mattermost.asked


async def test_a_good_token_is_asked_for_once(
    sessions: Sessions, mattermost: Mattermost, counts: Counter[str]
) -> None:
    for _ in range(3):
        assert await sessions.identify(bearer("good"), []) == identity("good")
    assert mattermost.asked == {"good": 1}
    assert counts == {"miss": 1, "hit": 2}


async def test_the_headers_go_along(sessions: Sessions, mattermost: Mattermost) -> None:
    await sessions.identify(bearer("good"), [(b"x-request-id", b"1")])
    assert mattermost.headers == [[(b"x-request-id", b"1")]]


async def test_a_good_answer_is_believed_for_a_while(
    sessions: Sessions, mattermost: Mattermost, clock: Clock
) -> None:
    await sessions.identify(bearer("good"), [])
    clock.now += TTL - 0.1
    await sessions.identify(bearer("good"), [])
    assert mattermost.asked["good"] == 1
    clock.now += 0.2  # since the first asking: to be used does not make it younger
    await sessions.identify(bearer("good"), [])
    assert mattermost.asked["good"] == 2


async def test_a_bad_answer_is_believed_for_a_shorter_while(
    sessions: Sessions, mattermost: Mattermost, clock: Clock, counts: Counter[str]
) -> None:
    for _ in range(2):
        assert (await refusal_of(sessions.identify(bearer("bad"), []))).status == 401
    assert mattermost.asked["bad"] == 1
    assert counts == {"miss": 1, "hit_rejected": 1}
    clock.now += NEGATIVE_TTL + 0.1
    mattermost.good = "bad"
    assert await sessions.identify(bearer("bad"), []) == identity("bad")
    clock.now += NEGATIVE_TTL + 0.1
    assert await sessions.identify(bearer("bad"), []) == identity("bad")
    assert mattermost.asked["bad"] == 2


async def test_a_token_that_went_bad(
    sessions: Sessions, mattermost: Mattermost, clock: Clock
) -> None:
    await sessions.identify(bearer("good"), [])
    clock.now += TTL + 0.1
    mattermost.good = "another"
    await refusal_of(sessions.identify(bearer("good"), []))
    await refusal_of(sessions.identify(bearer("good"), []))
    assert mattermost.asked["good"] == 2


async def test_mattermosts_own_refusal_is_passed_on(clock: Clock) -> None:
    own = Refusal("api.context.mfa_required.app_error", 403, "unauthenticated", "MFA.")

    async def me(credential: Credential, headers: Headers) -> Identity | Refusal:
        return own

    sessions = Sessions(me, ttl=TTL, negative_ttl=NEGATIVE_TTL, size=SIZE, clock=clock)
    for _ in range(2):
        assert await refusal_of(sessions.identify(bearer("good"), [])) is own


async def test_the_same_token_in_another_place_is_another_credential(
    sessions: Sessions, mattermost: Mattermost
) -> None:
    """Mattermost takes a token from one place and not from another."""
    for kind in CredentialKind:
        await sessions.identify(Credential(kind, "good"), [])
    assert mattermost.asked["good"] == len(CredentialKind)


async def test_a_failure_is_not_remembered(
    sessions: Sessions, mattermost: Mattermost, counts: Counter[str]
) -> None:
    mattermost.down = True
    for _ in range(2):
        with pytest.raises(Unreachable):
            await sessions.identify(bearer("good"), [])
    assert mattermost.asked["good"] == 2
    mattermost.down = False
    await sessions.identify(bearer("good"), [])
    assert counts == {"error": 2, "miss": 1}


async def test_what_is_remembered_outlasts_a_mattermost_that_is_down(
    sessions: Sessions, mattermost: Mattermost, clock: Clock
) -> None:
    await sessions.identify(bearer("good"), [])
    mattermost.down = True
    assert await sessions.identify(bearer("good"), []) == identity("good")
    clock.now += TTL + 0.1
    with pytest.raises(Unreachable):
        await sessions.identify(bearer("good"), [])


async def test_a_rejected_upload_drops_the_entry(
    sessions: Sessions, mattermost: Mattermost
) -> None:
    await sessions.identify(bearer("good"), [])
    await sessions.identify(bearer("good too"), [])
    sessions.forget(bearer("good"))
    sessions.forget(bearer("never seen"))
    mattermost.good = "another"
    await refusal_of(sessions.identify(bearer("good"), []))
    assert await sessions.identify(bearer("good too"), []) == identity("good too")


# Many at once.


async def all_waiting(sessions: Sessions, mattermost: Mattermost, token: str, number: int) -> Any:
    """Tasks that ask for ``token`` while Mattermost does not answer."""
    mattermost.may_answer.clear()
    tasks = [
        asyncio.create_task(sessions.identify(bearer(token), [(b"number", b"%d" % i)]))
        for i in range(number)
    ]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_all_who_ask_at_once_share_one_question(
    sessions: Sessions, mattermost: Mattermost, counts: Counter[str]
) -> None:
    tasks = await all_waiting(sessions, mattermost, "good", 50)
    mattermost.may_answer.set()
    assert set(await asyncio.gather(*tasks)) == {identity("good")}
    assert mattermost.asked == {"good": 1}
    assert counts == {"joined": 49, "miss": 1}


async def test_different_tokens_do_not_wait_for_each_other(
    sessions: Sessions, mattermost: Mattermost
) -> None:
    one = await all_waiting(sessions, mattermost, "good one", 1)
    two = await all_waiting(sessions, mattermost, "good two", 1)
    assert mattermost.asked == {"good one": 1, "good two": 1}
    mattermost.may_answer.set()
    await asyncio.gather(*one, *two)


async def test_all_hear_of_a_failure_and_the_next_asks_again(
    sessions: Sessions, mattermost: Mattermost
) -> None:
    tasks = await all_waiting(sessions, mattermost, "good", 5)
    mattermost.down = True
    mattermost.may_answer.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Unreachable] * 5
    mattermost.down = False
    assert await sessions.identify(bearer("good"), []) == identity("good")


@pytest.mark.parametrize("leaving", [[0], [1], [0, 1, 2]])
async def test_who_leaves_takes_the_answer_from_nobody(
    leaving: list[int], sessions: Sessions, mattermost: Mattermost
) -> None:
    tasks = await all_waiting(sessions, mattermost, "good", 4)
    for number in leaving:
        tasks[number].cancel()
    await asyncio.sleep(0)
    mattermost.may_answer.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    expected = [asyncio.CancelledError if number in leaving else Identity for number in range(4)]
    assert [type(result) for result in results] == expected
    assert mattermost.asked == {"good": 1}


async def test_a_failure_that_everybody_has_left_bothers_nobody(
    sessions: Sessions, mattermost: Mattermost
) -> None:
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    tasks = await all_waiting(sessions, mattermost, "good", 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    mattermost.down = True
    mattermost.may_answer.set()
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()
    assert problems == []


# Bounds.


async def test_at_most_so_many_are_remembered(sessions: Sessions, mattermost: Mattermost) -> None:
    tokens = [f"good {number}" for number in range(SIZE + 1)]
    for token in tokens:
        await sessions.identify(bearer(token), [])
    for token in reversed(tokens):  # the newest are still known
        await sessions.identify(bearer(token), [])
    assert mattermost.asked == {tokens[0]: 2, **dict.fromkeys(tokens[1:], 1)}


async def test_a_flood_of_bad_tokens_pushes_out_no_good_one(
    sessions: Sessions, mattermost: Mattermost
) -> None:
    await sessions.identify(bearer("good"), [])
    for number in range(100):
        await refusal_of(sessions.identify(bearer(f"bad {number}"), []))
    await sessions.identify(bearer("good"), [])
    assert mattermost.asked["good"] == 1
    assert len(sessions._memory._known) + len(sessions._memory._refused) <= 2 * SIZE


async def test_who_is_asked_for_again_is_not_the_oldest_any_more(
    sessions: Sessions, mattermost: Mattermost, clock: Clock
) -> None:
    tokens = [f"good {number}" for number in range(SIZE)]
    for token in tokens:
        await sessions.identify(bearer(token), [])
    clock.now += TTL + 0.1
    await sessions.identify(bearer(tokens[0]), [])
    await sessions.identify(bearer("good new"), [])
    await sessions.identify(bearer(tokens[0]), [])
    assert mattermost.asked[tokens[0]] == 2


# Secrets.


async def test_no_token_is_kept(clock: Clock) -> None:
    token = "good-" + "secret" * 4  # made here, so that it is no constant of this module

    async def me(credential: Credential, headers: Headers) -> Identity | Refusal:
        if credential.token.startswith("good"):
            return Identity("id", "name", frozenset())
        return session_expired()

    sessions = Sessions(me, ttl=TTL, negative_ttl=NEGATIVE_TTL, size=SIZE, clock=clock)
    tokens = [f"{token}-{number}" for number in range(2)] + [f"bad-{token}"]
    for each in tokens:
        for kind in CredentialKind:
            try:
                await sessions.identify(Credential(kind, each), [])
            except Refused:
                continue
    await asyncio.sleep(0)
    assert len(sessions._memory._known) + len(sessions._memory._refused) == 6
    held = reachable(sessions.__dict__)
    for item in held:
        if isinstance(item, str):
            assert "secret" not in item
        elif isinstance(item, bytes | bytearray):
            assert b"secret" not in item
    assert "secret" not in repr(sessions.__dict__)


async def test_the_keys_of_two_processes_have_nothing_in_common(mattermost: Mattermost) -> None:
    known = []
    for _ in range(2):
        sessions = Sessions(mattermost.me, ttl=TTL, negative_ttl=NEGATIVE_TTL, size=SIZE)
        await sessions.identify(bearer("good"), [])
        known.append(set(sessions._memory._known))
    assert not known[0] & known[1]


async def test_another_server_is_known_by_its_id_and_its_token() -> None:
    """The same token under another id is another question."""
    asked: list[str] = []

    async def ask(credential: Credential, _: object) -> Identity | Refusal:
        asked.append(credential.remote_id)
        return Identity(credential.remote_id, "", frozenset())

    sessions = Sessions(ask, ttl=60, negative_ttl=5, size=10)
    for remote_id in ("one", "two", "one"):
        credential = Credential(CredentialKind.SERVER, "token", remote_id)
        assert (await sessions.identify(credential, [])).user_id == remote_id
    assert asked == ["one", "two"]
