"""Upload sessions: what one process reserved, any process can go on with, and one of them books."""

import asyncio

import pytest

from gateway.ledger.engine import Ledger
from gateway.ledger.quotas import LedgerUnavailable, QuotaExceeded, Usage
from gateway.ledger.windows import window

from .support import DAY, ENGINES, LEASE, NOON, TODAY, AnyLedger, Clock, claim, eventually


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


TTL = 3600.0


async def opened(ledger: Ledger, amount: int = 600, *, note: str = "new", ttl: float = TTL) -> None:
    """A session called ``s``."""
    reservation = await ledger.reserve([claim(amount)])
    await ledger.open_session("s", reservation, note=note, ttl=ttl)


async def test_a_session_holds_what_was_reserved(new_ledger: AnyLedger) -> None:
    one, other = await new_ledger(), await new_ledger()
    await opened(one)
    for ledger in (one, other):
        assert await ledger.usage("user:ada", TODAY) == Usage(used=0, reserved=600)
        with pytest.raises(QuotaExceeded):
            await ledger.reserve([claim(401)])
    assert await other.reserve([claim(400)])


async def test_sessions_of_one_user_hold_together(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    for number, amount in enumerate((100, 200, 300)):
        reservation = await ledger.reserve([claim(amount)])
        await ledger.open_session(f"s{number}", reservation, note="", ttl=TTL)
    await ledger.end_session("s1", 150)
    assert await ledger.usage("user:ada", TODAY) == Usage(150, 400)


async def test_the_reservation_of_a_session_is_not_settled_any_more(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    reservation = await ledger.reserve([claim(600)])
    await ledger.open_session("s", reservation, note="", ttl=TTL)
    await ledger.settle(reservation, 500)
    assert await ledger.usage("user:ada", TODAY) == Usage(0, 600)


async def test_a_reservation_that_was_settled_leaves_a_session_nothing(
    new_ledger: AnyLedger,
) -> None:
    ledger = await new_ledger()
    reservation = await ledger.reserve([claim(600)])
    await ledger.settle(reservation, 500)
    await ledger.open_session("s", reservation, note="n", ttl=TTL)
    assert await ledger.usage("user:ada", TODAY) == Usage(500, 0)
    await ledger.end_session("s", 600)
    assert await ledger.usage("user:ada", TODAY) == Usage(500, 0)


async def test_what_is_asked_in_one_transaction_sees_the_session(new_ledger: AnyLedger) -> None:
    """The usage that was read before it began is not what counts after it."""
    ledger = await new_ledger()
    reservation = await ledger.reserve([claim(600)])
    outcomes = await asyncio.gather(
        ledger.reserve([claim(300)]),
        ledger.open_session("s", reservation, note="", ttl=TTL),
        ledger.reserve([claim(101)]),
        ledger.usage("user:ada", TODAY),
        return_exceptions=True,
    )
    assert isinstance(outcomes[2], QuotaExceeded)
    assert outcomes[3] == Usage(0, 900)


async def test_an_id_that_comes_again_begins_anew(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await opened(ledger, 600, note="first")
    await opened(ledger, 100, note="second")
    assert await ledger.session("s") == "second"
    assert await ledger.usage("user:ada", TODAY) == Usage(0, 100)


# Any process goes on.


async def test_any_process_finds_the_note(new_ledger: AnyLedger) -> None:
    one, other = await new_ledger(), await new_ledger()
    await opened(one, note='{"user": "ada"}')
    assert await other.session("s") == '{"user": "ada"}'
    assert await other.session("t") is None


async def test_a_note_is_replaced_by_one_of_those_who_read_it(new_ledger: AnyLedger) -> None:
    ledgers = [await new_ledger(), await new_ledger()]
    await opened(ledgers[0], note="0")
    kept = await asyncio.gather(
        *(ledger.keep_session("s", name, was="0") for name in "abc" for ledger in ledgers)
    )
    assert kept.count(True) == 1
    note = await ledgers[1].session("s")
    assert note == "aabbcc"[kept.index(True)]


async def test_an_unknown_session_is_not_kept(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    assert not await ledger.keep_session("s", "note", was="note")
    assert await ledger.session("s") is None


async def test_any_process_ends_it_and_once(new_ledger: AnyLedger) -> None:
    ledgers = [await new_ledger(), await new_ledger()]
    await opened(ledgers[0])
    await asyncio.gather(*(ledger.end_session("s", 250) for ledger in ledgers * 3))
    for ledger in ledgers:
        await ledger.end_session("s", 600)
        assert await ledger.usage("user:ada", TODAY) == Usage(250, 0)
        assert await ledger.session("s") is None


async def test_of_two_ends_told_together_the_first_counts(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await opened(ledger)
    await asyncio.gather(ledger.end_session("s", 250), ledger.end_session("s", 600))
    assert await ledger.usage("user:ada", TODAY) == Usage(250, 0)


async def test_to_end_with_nothing_releases(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await opened(ledger)
    await ledger.end_session("s", 0)
    assert await ledger.usage("user:ada", TODAY) == Usage(0, 0)


async def test_less_than_nothing_cannot_be_stored(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    with pytest.raises(ValueError, match="nobody can store -1 bytes"):
        await ledger.end_session("s", -1)


async def test_several_claims_are_held_and_booked_together(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    reservation = await ledger.reserve([claim(300), claim(300, user="bob")])
    await ledger.open_session("s", reservation, note="", ttl=TTL)
    await ledger.end_session("s", 200)
    for user in ("ada", "bob"):
        assert await ledger.usage(f"user:{user}", TODAY) == Usage(200, 0)


async def test_it_is_charged_to_the_day_on_which_it_was_reserved(
    new_ledger: AnyLedger, clock: Clock
) -> None:
    ledger = await new_ledger()
    await opened(ledger, ttl=2 * DAY)
    clock.now = NOON + DAY
    assert await ledger.keep_session("s", "new", was="new")
    await ledger.end_session("s", 500)
    assert await ledger.usage("user:ada", TODAY) == Usage(500, 0)
    assert await ledger.usage("user:ada", window("day", NOON + DAY)) == Usage(0, 0)


async def test_without_quotas_a_session_is_kept_all_the_same(
    new_ledger: AnyLedger, clock: Clock
) -> None:
    one, other = await new_ledger(), await new_ledger()
    await one.open_session("s", await one.reserve([]), note="0", ttl=TTL)
    assert await other.keep_session("s", "1", was="0")
    assert await one.session("s") == "1"
    await other.end_session("s", 600)
    assert await one.session("s") is None
    await one.open_session("s", await one.reserve([]), note="0", ttl=TTL)
    clock.now += TTL
    assert await other.session("s") is None


# Ends of processes.


async def test_a_session_survives_the_process_that_opened_it(
    new_ledger: AnyLedger, clock: Clock
) -> None:
    dead, living = await new_ledger(), await new_ledger()
    await opened(dead)
    await dead.reserve([claim(300)])
    clock.now += LEASE
    assert await living.usage("user:ada", TODAY) == Usage(0, 600)
    assert await living.session("s") == "new"
    await living.end_session("s", 600)
    assert await living.usage("user:ada", TODAY) == Usage(600, 0)


async def test_a_session_survives_when_all_processes_end(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await opened(ledger)
    await ledger.close()
    again = await new_ledger()
    assert await again.session("s") == "new"
    assert await again.usage("user:ada", TODAY) == Usage(0, 600)


async def test_a_closed_ledger_opens_and_ends_no_session(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await opened(ledger)
    await ledger.close()
    with pytest.raises(LedgerUnavailable, match="closed"):
        await ledger.end_session("s", 600)
    with pytest.raises(LedgerUnavailable, match="closed"):
        await ledger.session("s")
    assert await (await new_ledger()).usage("user:ada", TODAY) == Usage(0, 600)


# Expiry.


async def test_a_session_that_nobody_keeps_is_released(new_ledger: AnyLedger, clock: Clock) -> None:
    dead, living = await new_ledger(), await new_ledger()
    await opened(dead)
    clock.now += TTL - 1
    await living.check()
    assert await living.session("s") == "new"
    assert await living.usage("user:ada", TODAY) == Usage(0, 600)
    clock.now += 1
    assert await living.session("s") is None
    assert not await living.keep_session("s", "later", was="new")
    await living.check()
    assert await living.usage("user:ada", TODAY) == Usage(0, 0)


async def test_to_keep_a_session_renews_it(new_ledger: AnyLedger, clock: Clock) -> None:
    ledger = await new_ledger()
    await opened(ledger)
    for _ in range(3):
        clock.now += TTL - 1
        assert await ledger.keep_session("s", "new", was="new")
    clock.now += TTL - 1
    assert not await ledger.keep_session("s", "other", was="else")
    clock.now += 1
    assert await ledger.session("s") is None


async def test_a_session_in_use_does_not_expire(new_ledger: AnyLedger, clock: Clock) -> None:
    ledger, other = await new_ledger(), await new_ledger()
    await opened(ledger)
    with ledger.session_in_use("s"):
        with ledger.session_in_use("s"):
            pass
        for _ in range(3):
            clock.now += TTL - 1
            await ledger.check()
        assert await other.session("s") == "new"
    clock.now += TTL - 1
    await ledger.check()
    assert await other.session("s") == "new"
    clock.now += 1
    await ledger.check()
    assert await other.usage("user:ada", TODAY) == Usage(0, 0)


async def test_what_was_stored_is_booked_even_if_it_expired(
    new_ledger: AnyLedger, clock: Clock
) -> None:
    slept, other = await new_ledger(), await new_ledger()
    await opened(slept)
    clock.now += TTL
    await other.check()
    assert await other.reserve([claim(700)])
    for ledger in (slept, other):
        await ledger.end_session("s", 600)
        assert await other.usage("user:ada", TODAY) == Usage(600, 700)


async def test_what_may_be_stored_is_booked_when_it_expires(
    new_ledger: AnyLedger, clock: Clock
) -> None:
    one, other = await new_ledger(), await new_ledger()
    await opened(one)
    assert await one.keep_session("s", "a", was="new", due=500)
    assert await other.keep_session("s", "b", was="a")
    clock.now += TTL
    for ledger in (other, one):
        await ledger.check()
        await ledger.end_session("s", 600)
        assert await ledger.usage("user:ada", TODAY) == Usage(500, 0)


async def test_what_was_due_is_not_booked_besides_what_was_stored(
    new_ledger: AnyLedger, clock: Clock
) -> None:
    ledger = await new_ledger()
    await opened(ledger)
    assert await ledger.keep_session("s", "new", was="new", due=500)
    await ledger.end_session("s", 600)
    clock.now += TTL
    await ledger.check()
    assert await ledger.usage("user:ada", TODAY) == Usage(600, 0)


async def test_a_session_that_expired_and_ends_before_that_was_noticed(
    new_ledger: AnyLedger, clock: Clock
) -> None:
    ledger = await new_ledger()
    await opened(ledger)
    clock.now += TTL
    await ledger.end_session("s", 600)
    await ledger.check()
    assert await ledger.usage("user:ada", TODAY) == Usage(600, 0)


async def test_a_clock_put_back_makes_no_session_longer(
    new_ledger: AnyLedger, clock: Clock
) -> None:
    ledger = await new_ledger()
    await opened(ledger)
    clock.now -= DAY
    await ledger.check()
    assert await ledger.session("s") == "new"
    clock.now += TTL
    assert await ledger.session("s") is None


# Cancellation.


async def test_a_cancelled_opening_is_whole_or_nothing(new_ledger: AnyLedger) -> None:
    """Cancelled after each number of turns that the loop can take until it is open."""
    ledger, other = await new_ledger(), await new_ledger()
    seen = set()
    for turns in range(20):
        reservation = await ledger.reserve([claim(600)])
        task = asyncio.create_task(ledger.open_session("s", reservation, note=str(turns), ttl=TTL))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await ledger.settle(reservation, 0)
        note = await other.session("s")
        held = 0 if note is None else 600
        assert note in (None, str(turns))
        assert await other.usage("user:ada", TODAY) == Usage(0, held)
        seen.add(held)
        await ledger.end_session("s", 0)
    assert seen == {0, 600}


async def test_a_cancelled_end_is_booked(new_ledger: AnyLedger) -> None:
    ledger, other = await new_ledger(), await new_ledger()
    for turns in range(1, 15):
        await opened(ledger, 50)
        task = asyncio.create_task(ledger.end_session("s", 50))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        async def booked(turns: int = turns) -> bool:
            return await other.usage("user:ada", TODAY) == Usage(50 * turns, 0)

        await eventually(booked)
