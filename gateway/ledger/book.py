"""What one process holds and owes between its transactions. Decisions only, no I/O.

A ledger file keeps for each account and window what is stored, and for each process what it holds
for running uploads: bytes, files or uploads, as the key says; what of it is due apart from the
rest. Only the process itself changes what it holds, so this book is the truth about it, and
writing the file twice writes the same.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from gateway.ledger.quotas import Amount, Claim, QuotaExceeded, Reservation, Unit, Usage

Slot = tuple[int, int, str]
"""An account in a window: end and start of the window, and the key."""


def slot_of(claim: Claim) -> Slot:
    return claim.window.end, claim.window.start, claim.key


class _Hold(NamedTuple):
    """How something is held."""

    shares: Sequence[tuple[Slot, Unit, int]]
    """What of each claim's unit."""
    due: bool
    since_granted: bool = True
    """Whether it has been held so since it was claimed, so that the file says so."""


class Settled(Enum):
    """What came of settling a reservation."""

    BEFORE = "before"
    """It was settled before, and nothing has changed."""
    ALIKE = "alike"
    """What the file has of it counts as much as what is owed instead: now, and at the end of this
    process, however that comes."""
    TO_WRITE = "to write"
    """The file has to be told before anybody relies on it."""


class Book:
    """Open reservations, and what the file has not been told yet."""

    def __init__(self) -> None:
        self._open: dict[Reservation, _Hold] = {}
        self._held: dict[Slot, int] = {}
        self._due: dict[Slot, int] = {}
        self._owed: dict[Slot, int] = {}
        self._changed: set[Slot] = set()
        self._due_changed: set[Slot] = set()
        self._ended: dict[str, tuple[int, int]] = {}

    @property
    def changed(self) -> bool:
        """Whether the file must be written."""
        return bool(self._due_changed or self._changed or self._ended)

    @property
    def owing(self) -> bool:
        """Whether something was stored that the file has not been told of."""
        return bool(self._owed) or any(stored or files for stored, files in self._ended.values())

    def usage(self, slot: Slot, others: Usage) -> Usage:
        """``others``, which is what the file says without this process, and this book."""
        held = self._held.get(slot, 0) + self._due.get(slot, 0)
        return Usage(others.used + self._owed.get(slot, 0), others.reserved + held)

    def grant(
        self, claims: Sequence[Claim], others: Callable[[Slot], Usage], *, due: bool
    ) -> Reservation | QuotaExceeded:
        """All of ``claims`` or none; ``others`` is as for :meth:`usage`.

        Of several quotas that are used up, the one that lasts longest is told.
        """
        exceeded: QuotaExceeded | None = None
        all_taken, shares = [], []
        for claim in claims:
            _, window, amount, quota = claim
            slot = slot_of(claim)
            taken = sum(others(slot)) + self._held.get(slot, 0) + self._due.get(slot, 0)
            taken += self._owed.get(slot, 0)
            all_taken.append(taken + amount)
            shares.append((slot, quota.unit, amount))
            if taken + amount > quota.limit and (
                exceeded is None or exceeded.claim.window.end < window.end
            ):
                exceeded = QuotaExceeded(claim, taken)
        if exceeded is not None:
            return exceeded
        reservation = Reservation(tuple(claims), tuple(all_taken))
        self._take(reservation, _Hold(shares, due))
        return reservation

    def settle(self, reservation: Reservation, stored: int, files: int) -> Settled:
        """Owe ``stored`` bytes in ``files`` files in place of what was held."""
        hold = self._give(reservation)
        if hold is None:
            return Settled.BEFORE
        booked = Amount(stored, files)
        alike = hold.due and hold.since_granted
        for slot, unit, held in hold.shares:
            amount = booked.of(unit)
            if amount:
                self._owed[slot] = self._owed.get(slot, 0) + amount
            if amount != held or unit == "uploads":
                alike = False
        return Settled.ALIKE if alike else Settled.TO_WRITE

    def leave_due(self, reservation: Reservation, amount: Amount) -> bool:
        """Hold ``amount`` in place of what was claimed, and let it be due.

        False if it was settled before.
        """
        hold = self._give(reservation)
        if hold is None:
            return False
        shares = [
            (slot, unit, held if unit == "uploads" else amount.of(unit))
            for slot, unit, held in hold.shares
        ]
        self._take(reservation, _Hold(shares, due=True, since_granted=False))
        return True

    def hand_over(self, reservation: Reservation) -> bool:
        """Somebody else holds it from now on, and to settle it does nothing any more.

        False if it was settled before.
        """
        return self._give(reservation) is not None

    def take_back(self, reservation: Reservation) -> None:
        """It was not handed over after all."""
        shares = [(slot_of(claim), claim.quota.unit, claim.amount) for claim in reservation.claims]
        self._take(reservation, _Hold(shares, due=False))

    def _take(self, reservation: Reservation, hold: _Hold) -> None:
        self._open[reservation] = hold
        self._add(hold, 1)

    def _give(self, reservation: Reservation) -> _Hold | None:
        """None if it is not open."""
        hold = self._open.pop(reservation, None)
        if hold is not None:
            self._add(hold, -1)
        return hold

    def _add(self, hold: _Hold, sign: int) -> None:
        shares, due, _ = hold
        for slot, unit, amount in shares:
            if due and unit != "uploads":
                held, changed = self._due, self._due_changed
            else:
                held, changed = self._held, self._changed
            total = held.get(slot, 0) + sign * amount
            if total:
                held[slot] = total
            else:
                held.pop(slot, None)
            changed.add(slot)

    def holds(self, reservation: Reservation) -> bool:
        return reservation in self._open

    def end_session(self, session_id: str, stored: int, files: int) -> None:
        """Owe them in place of what the session holds, unless it ended before."""
        self._ended.setdefault(session_id, (stored, files))

    def release_all(self) -> None:
        """Nothing is held any more but what is due; to settle now does nothing."""
        self._open.clear()
        self._changed.update(self._held)
        self._held.clear()

    def hold_again(self) -> None:
        """The file no longer knows what this process holds: all of it is to be written."""
        self._changed.update(self._held)
        self._due_changed.update(self._due)

    def owed(self) -> list[tuple[Slot, int]]:
        """Amounts to add to what is stored."""
        return list(self._owed.items())

    def ended(self) -> list[tuple[str, int, int]]:
        """Sessions to end, and the bytes and files that each one stored."""
        return [(session_id, *amounts) for session_id, amounts in self._ended.items()]

    def held(self) -> list[tuple[Slot, int]]:
        """What the file must say that this process holds, where it may say otherwise."""
        return [(slot, self._held.get(slot, 0)) for slot in self._changed]

    def due(self) -> list[tuple[Slot, int]]:
        """The same for what it holds that is due."""
        return [(slot, self._due.get(slot, 0)) for slot in self._due_changed]

    def written(self) -> None:
        """The file has been told everything."""
        self._owed.clear()
        self._changed.clear()
        self._due_changed.clear()
        self._ended.clear()
