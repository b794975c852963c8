"""Failed attempts: so many in a minute from one place, and the memory of them bounded."""

import pytest

from gateway.identity.attempts import Attempts
from gateway.refusals import Refusal, Refused, session_expired
from gateway.values import Credential, CredentialKind, Identity

ALICE = Identity("a" * 26, "alice", frozenset())


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def waits(attempts: Attempts, address: str) -> int | None:
    """Seconds that ``address`` is told to wait."""
    try:
        attempts.check(address)
    except Refused as refused:
        return refused.refusal.retry_after
    return None


def fail(attempts: Attempts, address: str, times: int) -> None:
    for _ in range(times):
        attempts.failed(address)


def test_as_many_as_are_allowed(clock: Clock) -> None:
    attempts = Attempts(60, clock=clock)
    fail(attempts, "10.0.0.1", 59)
    assert waits(attempts, "10.0.0.1") is None
    fail(attempts, "10.0.0.1", 1)
    assert waits(attempts, "10.0.0.1") == 1
    assert waits(attempts, "10.0.0.2") is None


def test_they_come_back_one_by_one(clock: Clock) -> None:
    attempts = Attempts(6, clock=clock)
    fail(attempts, "10.0.0.1", 6)
    assert waits(attempts, "10.0.0.1") == 10
    clock.now += 10
    assert waits(attempts, "10.0.0.1") is None
    fail(attempts, "10.0.0.1", 1)
    assert waits(attempts, "10.0.0.1") == 10
    clock.now += 60
    fail(attempts, "10.0.0.1", 5)
    assert waits(attempts, "10.0.0.1") is None


def test_what_a_client_can_choose_freely_is_one_place(clock: Clock) -> None:
    attempts = Attempts(4, clock=clock)
    for number in range(4):
        attempts.failed(f"2001:db8:1:2:{number}::1")
    assert waits(attempts, "2001:db8:1:2:ffff::9")
    assert waits(attempts, "2001:db8:1:3::1") is None
    assert waits(attempts, "no address") is None


def test_the_memory_is_bounded(clock: Clock) -> None:
    attempts = Attempts(1, size=3, clock=clock)
    for number in range(100):
        attempts.failed(f"10.0.0.{number}")
    assert [n for n in range(100) if waits(attempts, f"10.0.0.{n}")] == [97, 98, 99]
    attempts.failed("10.0.0.97")
    attempts.failed("10.0.0.1")
    assert waits(attempts, "10.0.0.97")
    assert waits(attempts, "10.0.0.98") is None


def test_no_limit(clock: Clock) -> None:
    attempts = Attempts(0, clock=clock)
    fail(attempts, "10.0.0.1", 1000)
    assert waits(attempts, "10.0.0.1") is None


async def test_a_question_that_is_guarded(clock: Clock) -> None:
    asked = []

    async def ask(credential: Credential, headers: object) -> Identity | Refusal:
        asked.append(credential.token)
        return ALICE if credential.token == "good" else session_expired()

    guarded = Attempts(2, clock=clock).guard(ask)
    good, bad = (Credential(CredentialKind.HEADER, token) for token in ("good", "bad"))
    here, there = ([(b"host", b"a"), (b"x-real-ip", b"10.0.0.%d" % n)] for n in (1, 2))
    for _ in range(3):
        assert await guarded(good, here) == ALICE
    for _ in range(2):
        assert isinstance(await guarded(bad, here), Refusal)
    for credential in (bad, good):
        with pytest.raises(Refused):
            await guarded(credential, here)
    assert await guarded(good, there) == ALICE
    assert asked == ["good"] * 3 + ["bad"] * 2 + ["good"]
