"""Two processes on one ledger, against a model that is simple enough to believe."""

import asyncio
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.ledger.engine import Ledger
from gateway.ledger.quotas import (
    Amount,
    Claim,
    QuotaExceeded,
    Reservation,
    Unit,
    Usage,
    charge,
)
from tests.support.valkey import ValkeyCluster, ValkeyServer

from .support import DAY, LEASE, AnyLedger, Clock, Make, claim, opener, redis_maker, sqlite_maker

USERS = ("ada", "bob")
LIMIT = 10
UNITS: tuple[Unit, ...] = ("bytes", "files", "uploads")
processes = st.integers(0, 1)
units = st.sampled_from(UNITS)
amounts = st.integers(0, LIMIT)
names = st.sampled_from(["s", "t"])
notes = st.sampled_from(["new", "a", "b"])
TTL = 3 * LEASE

_T = TypeVar("_T")


@dataclass
class ModelSession:
    claims: tuple[Claim, ...]
    note: str
    renewed: float
    due: int = 0
    released: bool = False
    """Its time was over when somebody looked after the ledger."""

    def alive(self, now: float) -> bool:
        return not self.released and now < self.renewed + TTL


@dataclass
class ModelHold:
    claims: tuple[Claim, ...]
    due: bool = False
    amount: Amount | None = None
    """In place of what was claimed."""

    def holds(self, claim: Claim) -> int:
        if self.amount is None or claim.quota.unit == "uploads":
            return claim.amount
        return self.amount.of(claim.quota.unit)

    def leaves(self) -> Iterator[tuple[Claim, int]]:
        """What is booked of it when its process is dead."""
        for c in self.claims:
            if self.due and c.quota.unit != "uploads":
                yield c, self.holds(c)


@dataclass
class Model:
    """Owners by number; an owner without a lease is not known to the file."""

    leases: dict[int, float] = field(default_factory=dict)
    """When each was renewed."""
    held: dict[int, dict[Reservation, ModelHold]] = field(default_factory=dict)
    used: dict[tuple[str, int], int] = field(default_factory=dict)
    sessions: dict[str, ModelSession] = field(default_factory=dict)

    def is_fine(self, owner: int, now: float) -> bool:
        leases = self.leases.values()
        return owner in self.leases and all(at <= now < at + LEASE for at in leases)

    def renews(self, owner: int, now: float) -> None:
        renewed = {other: min(at, now) for other, at in self.leases.items()}
        living = {other: at for other, at in renewed.items() if now < at + LEASE}
        for dead in self.leases.keys() - living.keys() - {owner}:
            self.leaves(dead)
        if owner not in self.leases:
            self.leaves(owner, -1)  # it lives, and holds that again
        self.leases = {**living, owner: now}
        self.held.setdefault(owner, {})
        for name, session in list(self.sessions.items()):
            session.renewed = min(session.renewed, now)
            if session.alive(now):
                continue
            if session.due and not session.released:
                self.books(self.sessions.pop(name).claims, session.due)
            session.released = True

    def leaves(self, owner: int, sign: int = 1) -> None:
        """What is due from it is booked."""
        for hold in self.held.get(owner, {}).values():
            for c, amount in hold.leaves():
                slot = (c.key, c.window.end)
                self.used[slot] = self.used.get(slot, 0) + sign * amount

    def ends(self, owner: int) -> None:
        """By itself: what it still held is nobody's."""
        self.leaves(owner)
        del self.leases[owner], self.held[owner]

    def holding(self) -> Iterator[tuple[Claim, int]]:
        for owner in self.leases:
            for hold in self.held[owner].values():
                yield from ((c, hold.holds(c)) for c in hold.claims)
        for session in self.sessions.values():
            if not session.released:
                yield from ((c, c.amount) for c in session.claims)

    def usage(self, key: str, end: int) -> Usage:
        reserved = [held for c, held in self.holding() if (c.key, c.window.end) == (key, end)]
        return Usage(self.used.get((key, end), 0), sum(reserved))

    def fits(self, claim: Claim) -> bool:
        usage = self.usage(claim.key, claim.window.end)
        return usage.used + usage.reserved + claim.amount <= claim.limit

    def settles(self, owner: int, reservation: Reservation, stored: int, files: int) -> None:
        self.books(self.held[owner].pop(reservation).claims, stored, files)

    def books(self, claims: tuple[Claim, ...], stored: int, files: int | None = None) -> None:
        for c in claims:
            slot = (c.key, c.window.end)
            amount = charge(c.key, stored, min(stored, 1) if files is None else files)
            self.used[slot] = self.used.get(slot, 0) + amount


class Processes(RuleBasedStateMachine):
    looks_at_leases: ClassVar[bool] = True
    """Whether each of them looks at all leases whenever it acts; else when it has reason to."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.model = Model()
        self.owners = 0
        self.owner: dict[int, int] = {}
        self.ledgers: dict[int, Ledger] = {}
        self.settled: list[tuple[Ledger, Reservation]] = []

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        self.stack = AsyncExitStack()
        self.new_ledger: AnyLedger = self.run(self.stack.enter_async_context(opener(self.maker())))
        for process in (0, 1):
            self.starts(process)

    def maker(self) -> Make[Ledger]:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        return sqlite_maker(Path(folder) / "ledger.db", self.clock)

    def starts(self, process: int) -> None:
        self.owners += 1
        self.owner[process] = self.owners
        self.ledgers[process] = self.run(self.new_ledger())
        self.model.renews(self.owners, self.clock.now)

    def acts(self, process: int) -> tuple[Ledger, int]:
        ledger, owner = self.ledgers[process], self.owner[process]
        if not self.model.is_fine(owner, self.clock.now):
            self.model.renews(owner, self.clock.now)
            if not self.looks_at_leases:
                self.run(ledger.check())
        return ledger, owner

    @rule(
        process=processes,
        charged=st.lists(st.tuples(st.sampled_from(USERS), units), min_size=1, unique=True),
        amount=amounts,
        due=st.booleans(),
    )
    def reserve(
        self, *, process: int, charged: list[tuple[str, Unit]], amount: int, due: bool
    ) -> None:
        ledger, owner = self.acts(process)
        now = self.clock.now
        claims = [claim(amount, user=u, limit=LIMIT, now=now, unit=unit) for u, unit in charged]
        if not all(map(self.model.fits, claims)):
            with pytest.raises(QuotaExceeded) as caught:
                self.run(ledger.reserve(claims, due=due))
            usage = self.model.usage(caught.value.claim.key, caught.value.claim.window.end)
            assert caught.value.used == usage.used + usage.reserved
        else:
            reservation = self.run(ledger.reserve(claims, due=due))
            self.model.held[owner][reservation] = ModelHold(tuple(claims), due)

    def reservations(self, *, due: bool = True) -> list[tuple[int, Reservation]]:
        """With their processes; those that are ``due``, too, or the others only."""
        return [
            (process, reservation)
            for process, owner in self.owner.items()
            for reservation, hold in self.model.held[owner].items()
            if due or not hold.due
        ]

    def draw_reservation(self, data: st.DataObject, *, due: bool = True) -> tuple[int, Reservation]:
        return data.draw(st.sampled_from(self.reservations(due=due)), label="reservation")

    @precondition(lambda self: self.reservations())
    @rule(data=st.data(), stored=amounts, files=st.integers(0, 3))
    def leave_due(self, data: st.DataObject, stored: int, files: int) -> None:
        process, reservation = self.draw_reservation(data)
        ledger, owner = self.acts(process)
        self.run(ledger.leave_due(reservation, stored, files))
        hold = self.model.held[owner][reservation]
        hold.due, hold.amount = True, Amount(stored, files)

    @precondition(lambda self: self.reservations())
    @rule(data=st.data(), stored=amounts, files=st.integers(0, 3))
    def settle(self, data: st.DataObject, stored: int, files: int) -> None:
        process, reservation = self.draw_reservation(data)
        ledger, owner = self.acts(process)
        self.run(ledger.settle(reservation, stored, files))
        self.model.settles(owner, reservation, stored, files)
        self.settled.append((ledger, reservation))

    @precondition(lambda self: self.settled)
    @rule(data=st.data())
    def settle_again(self, data: st.DataObject) -> None:
        ledger, reservation = data.draw(st.sampled_from(self.settled), label="settled")
        self.run(ledger.settle(reservation, LIMIT))

    @precondition(lambda self: self.reservations(due=False))
    @rule(data=st.data(), name=names)
    def open_session(self, data: st.DataObject, name: str) -> None:
        process, reservation = self.draw_reservation(data, due=False)
        ledger, owner = self.acts(process)
        self.run(ledger.open_session(name, reservation, note="new", ttl=TTL))
        claims = self.model.held[owner].pop(reservation).claims
        self.model.sessions[name] = ModelSession(claims, "new", self.clock.now)
        self.settled.append((ledger, reservation))

    @rule(
        process=processes,
        name=names,
        note=st.sampled_from(["a", "b"]),
        was=notes,
        due=st.none() | amounts,
    )
    def keep_session(
        self, *, process: int, name: str, note: str, was: str, due: int | None
    ) -> None:
        ledger, _ = self.acts(process)
        kept = self.run(ledger.keep_session(name, note, was=was, due=due))
        session = self.model.sessions.get(name)
        assert kept == bool(session and session.alive(self.clock.now) and session.note == was)
        if session and kept:
            session.note, session.renewed = note, self.clock.now
            session.due = session.due if due is None else due

    @rule(process=processes, name=names)
    def read_session(self, process: int, name: str) -> None:
        ledger, _ = self.acts(process)
        session = self.model.sessions.get(name)
        known = session.note if session and session.alive(self.clock.now) else None
        assert self.run(ledger.session(name)) == known

    @rule(process=processes, name=names, stored=amounts)
    def end_session(self, process: int, name: str, stored: int) -> None:
        ledger, _ = self.acts(process)
        self.run(ledger.end_session(name, stored))
        session = self.model.sessions.pop(name, None)
        if session:
            self.model.books(session.claims, stored)

    @rule(process=processes)
    def is_killed_and_restarted(self, process: int) -> None:
        self.starts(process)

    @rule(process=processes)
    def ends_and_is_restarted(self, process: int) -> None:
        ledger, owner = self.acts(process)
        self.run(ledger.close())
        self.model.ends(owner)
        self.starts(process)

    @rule(process=processes)
    def renews_its_lease(self, process: int) -> None:
        self.run(self.ledgers[process].check())
        self.model.renews(self.owner[process], self.clock.now)

    @rule(step=st.sampled_from([1, LEASE / 3, LEASE, DAY, -1, -LEASE, -DAY]))
    def time_passes_or_jumps(self, step: float) -> None:
        self.clock.now += step

    @rule(process=processes, user=st.sampled_from(USERS), unit=units)
    def usage(self, process: int, user: str, unit: Unit) -> None:
        ledger, _ = self.acts(process)
        account = claim(0, user=user, now=self.clock.now, unit=unit)
        used = self.run(ledger.usage(account.key, account.window))
        assert used == self.model.usage(account.key, account.window.end)

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.run(self.stack.aclose())
        self.runner.close()


EXAMPLES = settings(
    max_examples=50,
    stateful_step_count=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink one takes minutes
)


def test_processes_on_sqlite() -> None:
    run_state_machine_as_test(Processes, settings=EXAMPLES)


def test_processes_on_redis(valkey: ValkeyServer) -> None:
    on_servers(valkey)


def test_processes_on_a_cluster_of_three(valkey_cluster: ValkeyCluster) -> None:
    on_servers(valkey_cluster, examples=15)  # each of which takes longer


def on_servers(servers: ValkeyServer | ValkeyCluster, *, examples: int = 50) -> None:
    class OnServers(Processes):
        looks_at_leases = False

        def maker(self) -> Make[Ledger]:
            servers.command("FLUSHALL")
            return redis_maker(servers.url, self.clock)

    run_state_machine_as_test(OnServers, settings=settings(EXAMPLES, max_examples=examples))
