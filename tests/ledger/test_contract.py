"""What every engine of the ledger does."""

import asyncio
from functools import partial

import pytest

from gateway.ledger.engine import Ledger
from gateway.ledger.quotas import LedgerUnavailable, QuotaExceeded, Reservation, Usage
from gateway.ledger.windows import window

from .support import DAY, ENGINES, LEASE, NOON, TODAY, AnyLedger, Clock, claim, eventually


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def test_a_reservation_counts_until_it_is_settled(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    reservation = await ledger.reserve([claim(600)])
    assert await ledger.usage("user:ada", TODAY) == Usage(used=0, reserved=600)
    await ledger.settle(reservation, 250)
    assert await ledger.usage("user:ada", TODAY) == Usage(used=250, reserved=0)


async def test_settling_nothing_releases(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await ledger.settle(await ledger.reserve([claim(600)]), 0)
    assert await ledger.usage("user:ada", TODAY) == Usage(0, 0)


async def test_a_reservation_is_settled_once(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    reservation = await ledger.reserve([claim(600)])
    await asyncio.gather(*(ledger.settle(reservation, 250) for _ in range(3)))
    await ledger.settle(reservation, 600)
    assert await ledger.usage("user:ada", TODAY) == Usage(250, 0)


async def test_more_than_was_reserved_is_booked_too(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await ledger.settle(await ledger.reserve([claim(1000)]), 1200)
    assert await ledger.usage("user:ada", TODAY) == Usage(1200, 0)
    with pytest.raises(QuotaExceeded) as caught:
        await ledger.reserve([claim(0)])
    assert caught.value.remaining == 0


async def test_less_than_nothing_cannot_be_stored(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    reservation = await ledger.reserve([claim(600)])
    with pytest.raises(ValueError, match="nobody can store -1 bytes"):
        await ledger.settle(reservation, -1)


async def test_the_limit_can_be_reached_and_not_passed(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await ledger.settle(await ledger.reserve([claim(400)]), 400)
    await ledger.reserve([claim(500)])
    with pytest.raises(QuotaExceeded) as caught:
        await ledger.reserve([claim(101)])
    assert (caught.value.claim, caught.value.used, caught.value.remaining) == (claim(101), 900, 100)
    await ledger.reserve([claim(100)])
    await ledger.reserve([claim(0)])
    with pytest.raises(QuotaExceeded):
        await ledger.reserve([claim(1)])


async def test_users_do_not_share(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await ledger.reserve([claim(1000)])
    await ledger.reserve([claim(1000, user="bob")])
    assert await ledger.usage("user:bob", TODAY) == Usage(0, 1000)


async def test_several_claims_are_granted_together_or_not(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await ledger.settle(await ledger.reserve([claim(800, user="bob")]), 800)
    with pytest.raises(QuotaExceeded) as caught:
        await ledger.reserve([claim(300), claim(300, user="bob")])
    assert caught.value.claim.key == "user:bob"
    assert await ledger.usage("user:ada", TODAY) == Usage(0, 0)
    both = await ledger.reserve([claim(200), claim(200, user="bob")])
    await ledger.settle(both, 150)
    assert await ledger.usage("user:ada", TODAY) == Usage(150, 0)
    assert await ledger.usage("user:bob", TODAY) == Usage(950, 0)


async def test_of_several_exceeded_the_last_to_end_is_told(new_ledger: AnyLedger) -> None:
    """So that who comes back when told to is not refused again."""
    ledger = await new_ledger()
    today, tomorrow = claim(2000), claim(2000, now=NOON + DAY)
    for order in ([today, tomorrow], [tomorrow, today]):
        with pytest.raises(QuotaExceeded) as caught:
            await ledger.reserve(order)
        assert caught.value.claim == tomorrow


async def test_without_quotas_nothing_is_counted(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    reservation = await ledger.reserve([])
    assert reservation.claims == ()
    await ledger.settle(reservation, 100)


async def test_a_new_day_begins_at_nothing(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    yesterday = await ledger.reserve([claim(1000)])
    tomorrow = window("day", NOON + DAY)
    await ledger.reserve([claim(700, now=NOON + DAY)])
    assert await ledger.usage("user:ada", tomorrow) == Usage(0, 700)
    # An upload that runs over midnight is charged to the day on which it was reserved.
    await ledger.settle(yesterday, 900)
    assert await ledger.usage("user:ada", TODAY) == Usage(900, 0)
    assert await ledger.usage("user:ada", tomorrow) == Usage(0, 700)


async def test_many_at_once_reach_the_limit_exactly(new_ledger: AnyLedger) -> None:
    ledgers = [await new_ledger(), await new_ledger()]

    async def upload(number: int) -> int:
        ledger = ledgers[number % 2]
        try:
            reservation = await ledger.reserve([claim(7, limit=1001)])
        except QuotaExceeded:
            return 0
        await asyncio.sleep(0)
        await ledger.settle(reservation, 7)
        return 7

    stored = await asyncio.gather(*(upload(number) for number in range(400)))
    assert sum(stored) == 1001
    assert await ledgers[0].usage("user:ada", TODAY) == Usage(1001, 0)


async def test_processes_see_what_the_others_do(new_ledger: AnyLedger) -> None:
    one, other = await new_ledger(), await new_ledger()
    first = await one.reserve([claim(600)])
    await other.reserve([claim(300)])
    await one.settle(first, 500)
    for ledger in (one, other):
        assert await ledger.usage("user:ada", TODAY) == Usage(500, 300)
        with pytest.raises(QuotaExceeded):
            await ledger.reserve([claim(201)])


async def test_a_reservation_of_another_process_is_not_ours_to_settle(
    new_ledger: AnyLedger,
) -> None:
    one, other = await new_ledger(), await new_ledger()
    reservation = await one.reserve([claim(600)])
    await other.settle(reservation, 600)
    assert await other.usage("user:ada", TODAY) == Usage(0, 600)


# Ends of processes.


async def test_usage_survives_a_restart(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await ledger.settle(await ledger.reserve([claim(600)]), 600)
    await ledger.reserve([claim(300)])
    await ledger.close()
    assert await (await new_ledger()).usage("user:ada", TODAY) == Usage(600, 0)


async def test_a_closed_ledger_is_unavailable(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    reservation = await ledger.reserve([claim(600)])
    await ledger.close()
    await ledger.close()
    with pytest.raises(LedgerUnavailable, match="closed"):
        await ledger.reserve([claim(1)])
    with pytest.raises(LedgerUnavailable, match="closed"):
        await ledger.check()
    await ledger.settle(reservation, 600)
    assert await (await new_ledger()).usage("user:ada", TODAY) == Usage(0, 0)


async def test_a_closed_ledger_can_be_opened_again(new_ledger: AnyLedger, clock: Clock) -> None:
    ledger, other = await new_ledger(lease=0.06), await new_ledger()
    await ledger.close()
    await ledger.open()
    await ledger.reserve([claim(600)])
    clock.now += 0.05
    await some_thirds_of_the_lease()
    clock.now += 0.05
    assert await other.usage("user:ada", TODAY) == Usage(0, 600)


async def some_thirds_of_the_lease() -> None:
    """On the real clock, and some turns of the loop, however slow they are."""
    for _ in range(20):
        await asyncio.sleep(0.005)


async def test_what_is_asked_together_with_the_end_is_answered(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    reservation = await ledger.reserve([claim(600)])
    settling = asyncio.create_task(ledger.settle(reservation, 500))
    reserving = asyncio.create_task(ledger.reserve([claim(100)]))
    await asyncio.sleep(0)
    await ledger.close()
    await settling
    assert isinstance(await reserving, Reservation)
    assert await (await new_ledger()).usage("user:ada", TODAY) == Usage(500, 0)


async def test_a_closing_ledger_takes_nothing_new(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    closing = asyncio.create_task(ledger.close())
    await asyncio.sleep(0)
    with pytest.raises(LedgerUnavailable, match="closed"):
        await ledger.reserve([claim(1)])
    await closing


async def test_what_a_dead_process_held_is_released_with_its_lease(
    new_ledger: AnyLedger, clock: Clock
) -> None:
    dead, living = await new_ledger(), await new_ledger()
    await dead.settle(await dead.reserve([claim(100)]), 100)
    await dead.reserve([claim(900)])
    clock.now += LEASE - 1
    with pytest.raises(QuotaExceeded):
        await living.reserve([claim(1)])
    clock.now += 1
    assert await living.reserve([claim(900)])
    assert await living.usage("user:ada", TODAY) == Usage(100, 900)


async def test_a_lease_that_is_renewed_holds(new_ledger: AnyLedger, clock: Clock) -> None:
    uploading, other = await new_ledger(), await new_ledger()
    await uploading.reserve([claim(600)])
    for _ in range(5):
        clock.now += LEASE - 1
        await uploading.check()
        assert await other.usage("user:ada", TODAY) == Usage(0, 600)


async def test_leases_are_renewed_by_themselves(new_ledger: AnyLedger, clock: Clock) -> None:
    uploading, other = await new_ledger(lease=0.06), await new_ledger()
    await uploading.reserve([claim(600)])
    for _ in range(5):
        clock.now += 0.05
        await some_thirds_of_the_lease()
        assert await other.usage("user:ada", TODAY) == Usage(0, 600)


async def test_who_lost_its_lease_holds_again_and_settles_once(
    new_ledger: AnyLedger, clock: Clock
) -> None:
    slept, other = await new_ledger(), await new_ledger()
    reservation = await slept.reserve([claim(600)])
    clock.now += LEASE
    assert await other.usage("user:ada", TODAY) == Usage(0, 0)
    await slept.check()
    assert await other.usage("user:ada", TODAY) == Usage(0, 600)
    for _ in range(2):
        await slept.settle(reservation, 500)
        assert await other.usage("user:ada", TODAY) == Usage(500, 0)


async def test_who_lost_its_lease_books_what_it_stored(new_ledger: AnyLedger, clock: Clock) -> None:
    slept, other = await new_ledger(), await new_ledger()
    reservation = await slept.reserve([claim(600)])
    clock.now += LEASE
    assert await other.reserve([claim(1000)])
    await slept.settle(reservation, 500)
    assert await slept.usage("user:ada", TODAY) == Usage(500, 1000)
    assert await other.usage("user:ada", TODAY) == Usage(500, 1000)


async def test_a_clock_put_back_makes_no_lease_longer(new_ledger: AnyLedger, clock: Clock) -> None:
    dead, living = await new_ledger(), await new_ledger()
    await dead.reserve([claim(600)])
    clock.now -= 3600
    assert await living.usage("user:ada", TODAY) == Usage(0, 600)
    clock.now += LEASE
    assert await living.usage("user:ada", TODAY) == Usage(0, 0)


# Cancellation.


async def says(ledger: Ledger, usage: Usage) -> bool:
    return await ledger.usage("user:ada", TODAY) == usage


async def test_a_cancelled_reservation_holds_nothing(new_ledger: AnyLedger) -> None:
    """Cancelled after each number of turns that the loop can take until it is granted."""
    ledger, other = await new_ledger(), await new_ledger()
    finished = False
    for turns in (*range(20), 50, 2000):
        task = asyncio.create_task(ledger.reserve([claim(600)]))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            reservation = await task
        except asyncio.CancelledError:
            await eventually(partial(says, other, Usage(0, 0)))
        else:
            finished = True
            await ledger.settle(reservation, 0)
    assert finished


async def test_one_cancelled_while_it_is_refused_holds_nothing(new_ledger: AnyLedger) -> None:
    """Another account has granted its part by then."""
    ledger, other = await new_ledger(lease=0.3), await new_ledger()
    await other.reserve([claim(1000, user="bob")])
    for turns in (*range(0, 60, 2), 2000):
        task = asyncio.create_task(ledger.reserve([claim(600), claim(1, user="bob")], due=True))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises((asyncio.CancelledError, QuotaExceeded)):
            await task
        await eventually(partial(says, other, Usage(0, 0)))
    with pytest.raises(QuotaExceeded):
        await ledger.reserve([claim(600), claim(1, user="bob")])


async def test_a_cancelled_settlement_is_booked(new_ledger: AnyLedger) -> None:
    ledger, other = await new_ledger(), await new_ledger()
    for turns in range(1, 20):
        task = asyncio.create_task(ledger.settle(await ledger.reserve([claim(50)]), 50))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await eventually(partial(says, other, Usage(50 * turns, 0)))


async def test_cancelling_one_leaves_those_who_came_with_it(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    tasks = [asyncio.create_task(ledger.reserve([claim(400)])) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert [type(outcome) for outcome in outcomes[1:]] == [Reservation, Reservation]
    assert await ledger.usage("user:ada", TODAY) == Usage(0, 800)


# Units and windows.


async def test_each_unit_is_counted_by_itself(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    wanted = [claim(600), claim(2, unit="files"), claim(1, unit="uploads")]
    reservation = await ledger.reserve(wanted)
    assert reservation.taken == (600, 2, 1)
    for want in wanted:
        assert await ledger.usage(want.key, want.window) == Usage(0, want.amount)
    await ledger.settle(reservation, 500, 2)
    found = [await ledger.usage(want.key, want.window) for want in wanted]
    assert found == [Usage(500, 0), Usage(2, 0), Usage(0, 0)]


async def test_an_empty_file_is_a_file(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    files = claim(1, unit="files")
    await ledger.settle(await ledger.reserve([files]), 0, 1)
    assert await ledger.usage(files.key, files.window) == Usage(1, 0)


async def test_uploads_at_once(new_ledger: AnyLedger) -> None:
    ledgers = [await new_ledger(), await new_ledger()]
    upload = claim(1, unit="uploads", limit=3)
    running = [await ledgers[number % 2].reserve([upload]) for number in range(3)]
    for ledger in ledgers:
        with pytest.raises(QuotaExceeded) as caught:
            await ledger.reserve([upload])
        assert caught.value.used == 3
    await ledgers[0].settle(running[0], 500, 1)
    assert await ledgers[1].reserve([upload])


async def test_what_is_taken_counts_what_others_take(new_ledger: AnyLedger) -> None:
    one, other = await new_ledger(), await new_ledger()
    await one.settle(await one.reserve([claim(300)]), 250)
    await other.reserve([claim(100)])
    assert (await one.reserve([claim(40)])).taken == (390,)


async def test_large_numbers_are_exact(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    limit = 2**52
    await ledger.settle(await ledger.reserve([claim(limit - 7, limit=limit)]), limit - 7)
    await ledger.reserve([claim(6, limit=limit)])
    with pytest.raises(QuotaExceeded) as caught:
        await ledger.reserve([claim(2, limit=limit)])
    assert caught.value.remaining == 1
    await ledger.reserve([claim(1, limit=limit)])
    assert await ledger.usage("user:ada", TODAY) == Usage(limit - 7, 7)


# For administrators.


async def test_what_is_in_the_ledger(new_ledger: AnyLedger, clock: Clock) -> None:
    ledger, dead = await new_ledger(), await new_ledger()
    yesterday = claim(1, now=NOON - DAY)
    await ledger.settle(await ledger.reserve([yesterday]), 1)
    await ledger.settle(await ledger.reserve([claim(600), claim(1, unit="files")]), 500, 2)
    await dead.reserve([claim(70, user="key:with/odd:\n name")])
    clock.now += LEASE / 2
    await ledger.check()
    await ledger.reserve([claim(1, user="bob", unit="uploads")])
    found = {entry.key: entry.usage for entry in await ledger.entries()}
    assert found == {
        "user:ada": Usage(500, 0),
        "files#user:ada": Usage(2, 0),
        "user:key:with/odd:\n name": Usage(0, 70),
        "uploads#user:bob": Usage(0, 1),
    }
    clock.now += LEASE / 2
    entries = await ledger.entries()
    assert {entry.key for entry in entries if any(entry.usage)} == {
        "user:ada",
        "files#user:ada",
        "uploads#user:bob",
    }


async def test_what_is_used_can_be_corrected(new_ledger: AnyLedger) -> None:
    ledger, other = await new_ledger(), await new_ledger()
    await ledger.settle(await ledger.reserve([claim(600)]), 600)
    running = await ledger.reserve([claim(300)])
    await other.correct("user:ada", TODAY, 100)
    assert await ledger.usage("user:ada", TODAY) == Usage(100, 300)
    await ledger.settle(running, 300)
    assert await other.usage("user:ada", TODAY) == Usage(400, 0)
    await other.correct("user:bob", TODAY, 7)
    assert await ledger.usage("user:bob", TODAY) == Usage(7, 0)
