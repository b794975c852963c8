"""The notice board, by which processes tell each other what they do, on every engine."""

import asyncio

import pytest

from .support import ENGINES, AnyLedger, Clock


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def test_all_read_what_one_posts(new_ledger: AnyLedger) -> None:
    one, other = await new_ledger(), await new_ledger()
    await one.post("running/a", "first", 15)
    await other.post("running/b", "second", 15)
    await other.post("hour/b", "third", 15)
    for ledger in (one, other):
        assert await ledger.notices("running/") == {"running/a": "first", "running/b": "second"}
        assert await ledger.notices("hour/") == {"hour/b": "third"}
        assert await ledger.notices("names/") == {}


async def test_the_latest_counts(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await ledger.post("running/a", "before", 15)
    await ledger.post("running/a", "after", 15)
    assert await ledger.notices("") == {"running/a": "after"}


async def test_a_notice_has_its_time(new_ledger: AnyLedger, clock: Clock) -> None:
    ledger = await new_ledger()
    await ledger.post("running/a", "short", 15)
    await ledger.post("hour/a", "long", 3600)
    clock.now += 14
    assert len(await ledger.notices("")) == 2
    clock.now += 1
    assert await ledger.notices("") == {"hour/a": "long"}
    await ledger.post("running/a", "again", 15)
    assert await ledger.notices("running/") == {"running/a": "again"}


async def test_it_outlives_who_posted_it(new_ledger: AnyLedger) -> None:
    one = await new_ledger()
    await one.post("hour/a", "all that was", 3600)
    await one.close()
    assert await (await new_ledger()).notices("hour/") == {"hour/a": "all that was"}


async def test_any_text_comes_back(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    text = '{"name": "a\\nb \u202e %d \x00 “ü” \U0001f4c4"}\n' + "x" * 60_000
    await ledger.post("hour/a", text, 60)
    assert await ledger.notices("hour/") == {"hour/a": text}


async def test_many_at_once(new_ledger: AnyLedger) -> None:
    ledger = await new_ledger()
    await asyncio.gather(*(ledger.post(f"running/{n}", str(n), 15) for n in range(50)))
    assert len(await ledger.notices("running/")) == 50
