"""The quota ledger in Redis or Valkey, alone, behind Sentinel or in a cluster.

Each script touches one key, so that accounts spread over a cluster's nodes. What claims from
several accounts takes from all of them at once, and gives back what it got if one refuses.

Each open ledger is an owner with a number and a lease, renewed by one write however many uploads
run. What a dead owner held counts until somebody needs the room: whoever is refused looks who
still lives, releases what the others hold there, and books what of it was due.

A reservation has an id, and a field by that name for as long as it is not settled. So settling
can be sent again whenever an answer is lost. Reserving is never sent again: who does not know
what became of what it sent takes another number, which holds all that is known to be open; what
may still arrive under the former number belongs to a dead owner. Since that could be due, a
reservation of which something may still arrive is settled for good: nothing holds by its id again.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gateway.ledger import redis_scripts as scripts
from gateway.ledger.book import Slot, slot_of
from gateway.ledger.engine import Entry, Lapsed
from gateway.ledger.quotas import (
    Amount,
    Claim,
    LedgerUnavailable,
    QuotaExceeded,
    Reservation,
    Usage,
    charge,
    files_of,
)
from gateway.ledger.redis_client import Command, Courier, RedisAddress, Reply
from gateway.ledger.redis_notices import RedisNotices
from gateway.ledger.redis_scripts import Script
from gateway.ledger.redis_sessions import RedisSessions
from gateway.ledger.windows import FOREVER, Window

_PREFIX = "upload-gateway:"
_ACCOUNTS = f"{_PREFIX}account:"
_OWNERS = f"{_PREFIX}owners"
_PAY_EVERY = 0.5
_MOST_AT_ONCE = 1000
_MOST_LIVES = 3
"""How often a ledger that loses answers while it takes a new number tries anew."""


class _Hold:
    """What an open reservation holds in Redis: under which id, and by whom."""

    __slots__ = ("amount", "claims", "due", "final", "id", "owner")

    def __init__(self, claims: tuple[Claim, ...], id_: str, owner: str, *, due: bool) -> None:
        self.claims = claims
        self.id = id_
        self.owner = owner
        """Empty while it may be handed over to a session that was not opened after all."""
        self.due = due
        self.amount: Amount | None = None
        """In place of what was claimed."""
        self.final = False
        """Whether something that holds it may still arrive, and must not once it is settled."""

    def amount_of(self, claim: Claim) -> int:
        if self.amount is None or claim.quota.unit == "uploads":
            return claim.amount
        return self.amount.of(claim.quota.unit)

    def holder_of(self, claim: Claim, owner: str) -> str:
        """``owner`` as scripts understand it."""
        return f"{owner}:" if self.due and claim.quota.unit != "uploads" else owner


class _Owed(NamedTuple):
    """What is to be booked in place of what something holds."""

    charge: int
    final: bool


class RedisLedger:
    """Counts what is stored and reserved. Durations are seconds."""

    def __init__(
        self,
        url: str,
        *,
        lease: float = 60.0,
        timeout: float = 5.0,
        clock: Callable[[], float] | None = None,
        ca_file: Path | None = None,
        on_lapse: Lapsed = lambda *_: None,
    ) -> None:
        """``clock`` is asked in place of the server's."""
        self._on_lapse = on_lapse
        self._address = RedisAddress(url, ca_file)
        self._lease = lease
        self._timeout = timeout
        self._clock = clock
        self._own_time = clock or time.monotonic
        self._courier: Courier
        self._owner = ""
        self._former = ""
        self._lives = 0
        self._failures = 0
        self._renewed = 0.0
        self._ids = 0
        self._open: dict[Reservation, _Hold] = {}
        self._opening: dict[Reservation, asyncio.Task[None]] = {}
        self._owed: dict[tuple[Slot, str], _Owed] = {}
        self._unsure: dict[Reservation, tuple[int, int]] = {}
        self._ended: dict[str, tuple[int, int]] = {}
        self._sessions = RedisSessions(self._ask, self._on, self._at)
        self._sessions_in_use: Counter[str] = Counter()
        self._notices = RedisNotices(self._ask, self._on)
        self._living: tuple[str, list[str]] = ("0", [])
        self._looked: dict[Slot, tuple[float, list[str]]] = {}
        self._renewing: asyncio.Lock
        self._closing = asyncio.Event()
        self._closed = True
        self._tasks: list[asyncio.Task[None]] = []
        self._giving: set[asyncio.Future[None]] = set()

    async def open(self) -> None:
        """Raises LedgerUnavailable."""
        self._courier = Courier(self._address, self._timeout, self._lose)
        self._renewing = asyncio.Lock()
        self._closing.clear()
        self._owner = self._former = ""
        self._closed = False
        try:
            await self.check()
        except BaseException:
            self._closed = True
            await self._courier.close()
            raise
        self._tasks = [
            asyncio.create_task(self._repeat(self._lease / 3, self.check)),
            asyncio.create_task(self._repeat(_PAY_EVERY, self._pay_all)),
        ]

    async def close(self) -> None:
        """Write what is owed, release what is held and not due.

        Raises LedgerUnavailable if something that was stored could not be booked.
        """
        if self._closed:
            return
        self._closed = True
        self._closing.set()
        await asyncio.gather(*self._tasks)
        try:
            await self._courier.settle_down()
            await asyncio.gather(*self._giving)
            await self._pay_all()
            if self._owner:
                await self._ask(Command("HDEL", _OWNERS, [self._owner]))
        except LedgerUnavailable:
            owing = [*self._ended.values(), *self._unsure.values()]
            if any(owed.charge for owed in self._owed.values()) or any(map(any, owing)):
                raise
        finally:
            self._open.clear()
            self._unsure.clear()
            await self._courier.close()

    async def check(self) -> None:
        """Prove that the ledger can be written, by renewing the lease. Raises LedgerUnavailable."""
        self._usable()
        async with self._renewing:
            back, now = await self._renew()
        await self._sessions.renew(list(self._sessions_in_use))
        await self._sessions.expire(now, everything=back)

    # Reservations.

    async def reserve(self, claims: Sequence[Claim], *, due: bool = False) -> Reservation:
        """All of ``claims`` or none; ``due`` from the beginning, or once that is told.

        Raises QuotaExceeded or LedgerUnavailable. A caller that is cancelled has reserved nothing.
        """
        self._usable()
        if not claims:
            return Reservation(())
        hold, taken = await self._take(claims, due=due)
        refused = [(c, reply[1]) for c, reply in zip(claims, taken, strict=True) if not reply[0]]
        if refused:
            # At once: what others have granted must not be booked if this process dies now.
            before, giving = set(self._giving), self._begin_to_give_back(hold)
            if before:  # of those who left: it may be all that is in the way
                await asyncio.wait(before)
            if not await self._make_room(refused) and not before:
                await asyncio.shield(giving)
                raise _exceeded(claims, taken)
            hold, taken = await self._take(claims, due=due)
            if not all(reply[0] for reply in taken):
                await self._give_back(hold)
                raise _exceeded(claims, taken)
        reservation = Reservation(hold.claims, tuple([reply[1] for reply in taken]))
        self._open[reservation] = hold
        if hold.owner != self._owner:
            await self._adopt_late(reservation, hold)
        return reservation

    async def _take(self, claims: Sequence[Claim], *, due: bool) -> tuple[_Hold, list[Reply]]:
        """For each claim whether it was granted, and what is taken."""
        await self._ready()
        hold = _Hold(tuple(claims), self._new_id(), self._owner, due=due)
        commands = [
            self._at(
                scripts.RESERVE,
                slot_of(c),
                hold.id,
                hold.holder_of(c, hold.owner),
                str(c.amount),
                str(c.limit),
            )
            for c in claims
        ]
        answer = self._courier.ask(commands)
        try:
            replies = await asyncio.shield(answer)
        except asyncio.CancelledError:
            if not self._courier.withdraw(answer):
                self._abandon(hold, answer)
            raise
        except LedgerUnavailable:
            self._abandon(hold)
            raise
        if error := _error(replies):
            await self._give_back(hold)
            raise error
        return hold, replies

    async def _give_back(
        self, hold: _Hold, asked: "asyncio.Future[list[Reply]] | None" = None
    ) -> None:
        """All that it may hold, once ``asked`` has its answer: not before it can hold it."""
        if asked is not None:
            await asyncio.wait([asked])
        owed = [(slot_of(c), hold.id) for c in hold.claims]
        for item in owed:
            self._owed.setdefault(item, _Owed(0, hold.final))
        with contextlib.suppress(LedgerUnavailable):  # it is tried again
            await self._pay(owed)

    def _abandon(self, hold: _Hold, asked: "asyncio.Future[list[Reply]] | None" = None) -> None:
        """Give it back for good, with nobody who waits for that."""
        hold.final = True
        self._begin_to_give_back(hold, asked)

    def _begin_to_give_back(
        self, hold: _Hold, asked: "asyncio.Future[list[Reply]] | None" = None
    ) -> asyncio.Future[None]:
        giving = asyncio.ensure_future(self._give_back(hold, asked))
        self._giving.add(giving)
        giving.add_done_callback(self._giving.discard)
        return giving

    async def _make_room(self, refused: Sequence[tuple[Claim, int]]) -> bool:
        """Release what the dead hold of what was refused; whether less is taken then."""
        newest, living = await self._look_around()
        now, slots = time.monotonic(), [slot_of(c) for c, _ in refused]
        recent = now - self._lease / 3
        if all(
            looked is not None and looked[0] > recent and looked[1] == living
            for looked in map(self._looked.get, slots)
        ):
            return False
        if len(self._looked) > _MOST_AT_ONCE:
            self._looked.clear()
        for slot in slots:
            self._looked[slot] = (now, living)
        usages = await self._usages(slots, newest, living)
        return any(sum(usage) < taken for usage, (_, taken) in zip(usages, refused, strict=True))

    async def _usages(self, slots: Sequence[Slot], newest: str, living: list[str]) -> list[Usage]:
        commands = [self._at(scripts.RELEASE, slot, newest, *living) for slot in slots]
        found = []
        for slot, (used, held, booked) in zip(slots, await self._ask(*commands), strict=True):
            if booked:
                self._on_lapse(slot[2], booked)
            found.append(Usage(used, held))
        return found

    async def leave_due(
        self, reservation: Reservation, stored: int, files: int | None = None
    ) -> None:
        """From now on, ``stored`` bytes in ``files`` files are reserved, and due.

        Raises LedgerUnavailable if that could not be written: it may be due then, or may not.
        """
        self._usable()
        hold = self._open.get(reservation)
        if hold is None:
            return
        hold.due, hold.amount = True, Amount(stored, files_of(stored, files))
        was_final, hold.final = hold.final, True  # should this be cancelled, or its answer lost
        await self._ready()
        owner = self._owner
        await self._ask(*[self._adoption(claim, hold, owner) for claim in hold.claims])
        if hold.owner == owner:
            hold.final = was_final

    async def settle(self, reservation: Reservation, stored: int, files: int | None = None) -> None:
        """Book ``stored`` bytes in place of those reserved. A second time does nothing.

        They are in ``files`` files; in one, unless there are none. Raises LedgerUnavailable if
        that could not be written yet. It is then still owed, as it is when the caller is
        cancelled, and written as soon as the ledger works again.
        """
        files = files_of(stored, files)
        if opening := self._opening.get(reservation):
            await asyncio.wait([opening])
        if reservation in self._open and reservation not in self._unsure:
            self._unsure[reservation] = (stored, files)
            await self._settle(reservation)

    async def _settle(self, reservation: Reservation) -> None:
        """As told, once it is certain that Redis has it by the id by which it will be settled."""
        if not self._open[reservation].owner:
            await self._ready()
        told = self._unsure.pop(reservation, None)
        if told is None:  # somebody else waited for the same
            return
        hold, owed = self._open.pop(reservation), []
        for claim in hold.claims:
            owed.append((slot_of(claim), hold.id))
            self._owed[owed[-1]] = _Owed(charge(claim.key, *told), hold.final)
        await self._pay(owed)

    async def _pay(self, owed: Sequence[tuple[Slot, str]]) -> None:
        """Raises LedgerUnavailable if some of it is still owed."""
        if self._renewing.locked():  # what is being adopted must not arrive after this
            async with self._renewing:
                pass
        owed = [item for item in owed if item in self._owed]
        answer = self._courier.ask([self._settlement(*item) for item in owed])
        answer.add_done_callback(partial(self._paid, owed))
        if error := _error(await asyncio.shield(answer)):
            raise error

    def _settlement(self, slot: Slot, id_: str) -> Command:
        charge, final = self._owed[slot, id_]
        arguments = [str(charge), "final"] if final else [str(charge)]
        return self._at(scripts.SETTLE, slot, id_, *arguments)

    def _paid(
        self, owed: Sequence[tuple[Slot, str]], answer: "asyncio.Future[list[Reply]]"
    ) -> None:
        if not answer.cancelled() and answer.exception() is None:
            for item, reply in zip(owed, answer.result(), strict=True):
                if not isinstance(reply, LedgerUnavailable):
                    self._owed.pop(item, None)

    async def _pay_all(self) -> None:
        for reservation in list(self._unsure):
            if reservation in self._unsure:
                await self._settle(reservation)
        if self._owed:
            await self._pay(list(self._owed))
        for session_id in list(self._ended):
            await self._finish(session_id)

    # Accounts.

    async def usage(self, key: str, window: Window) -> Usage:
        """What is charged to ``key`` in ``window``. Raises LedgerUnavailable."""
        self._usable()
        with contextlib.suppress(LedgerUnavailable):  # of another account, it may be
            await self._pay_all()
        newest, living = await self._look_around()
        (usage,) = await self._usages([(window.end, window.start, key)], newest, living)
        return usage

    async def entries(self) -> list[Entry]:
        """All that was stored or is reserved in windows that have not ended."""
        self._usable()
        newest, living = await self._look_around()
        now = self._clock() if self._clock else time.time()
        slots = [_slot(key) for key in await self._courier.keys(f"{_ACCOUNTS}*")]
        slots = [slot for slot in slots if slot[0] > now]
        found = []
        for begin in range(0, len(slots), _MOST_AT_ONCE):
            some = slots[begin : begin + _MOST_AT_ONCE]
            for slot, usage in zip(some, await self._usages(some, newest, living), strict=True):
                if any(usage):
                    found.append(Entry(slot[2], Window(slot[1], slot[0]), usage))
        return found

    async def correct(self, key: str, window: Window, used: int) -> None:
        """What is stored by ``key`` in ``window`` counts as ``used`` from now on."""
        self._usable()
        await self._ask(self._at(scripts.CORRECT, (window.end, window.start, key), str(used)))

    # Owners.

    def _lose(self) -> None:
        """It is not known what became of what was sent: what is open gets another owner."""
        self._lives += 1
        for hold in self._open.values():
            hold.final = True
        if self._owner:
            self._owner, self._former = "", self._owner

    async def _ready(self) -> None:
        """Wait until there is a lease. Raises LedgerUnavailable."""
        if self._renewing.locked() or not self._has_lease():
            failures = self._failures
            async with self._renewing:
                if self._has_lease():
                    return
                if failures != self._failures:  # one attempt is for all who wait
                    raise LedgerUnavailable(f"the quota ledger at {self._address} is unavailable")
                try:
                    await self._renew()
                except LedgerUnavailable:
                    self._failures += 1
                    raise

    def _has_lease(self) -> bool:
        return bool(self._owner) and 0 <= self._own_time() - self._renewed < self._lease

    async def _renew(self) -> tuple[bool, float]:
        """Whether the clock was put back, and what it shows."""
        for _ in range(_MOST_LIVES):
            lives, began = self._lives, self._own_time()
            arguments = [self._owner, str(self._lease), self._former]
            (reply,) = await self._ask(self._on(scripts.RENEW, _OWNERS, *arguments))
            known, owner, newest, back, now, living = reply
            number = owner.decode()
            self._living = newest.decode(), [item.decode() for item in living]
            if not known:
                self._owner, self._former = "", number
                await self._adopt(number)
            if lives == self._lives:
                self._owner, self._former, self._renewed = number, "", began
                return bool(back), float(now)
            self._owner, self._former = "", number
        raise LedgerUnavailable(f"the quota ledger at {self._address} loses answers")

    async def _adopt(self, owner: str) -> None:
        """All that is open. Raises LedgerUnavailable."""
        holds = list(self._open.values())
        commands = [self._adoption(claim, hold, owner) for hold in holds for claim in hold.claims]
        await self._ask(*commands)
        for hold in holds:
            hold.owner = owner

    def _adoption(self, claim: Claim, hold: _Hold, owner: str) -> Command:
        holder, amount = hold.holder_of(claim, owner), str(hold.amount_of(claim))
        return self._at(scripts.ADOPT, slot_of(claim), hold.id, holder, amount)

    async def _adopt_late(self, reservation: Reservation, hold: _Hold) -> None:
        """One that was granted to a number that this ledger does not have any more."""
        try:
            await self._ready()
            if hold.owner != self._owner:
                await self._ask(*[self._adoption(c, hold, self._owner) for c in hold.claims])
                hold.owner = self._owner
        except BaseException:
            self._open.pop(reservation, None)
            self._abandon(hold)
            raise

    async def _look_around(self) -> tuple[str, list[str]]:
        """The newest owner's number, and who lives."""
        (reply,) = await self._ask(self._on(scripts.LOOK, _OWNERS))
        fine, newest, living = reply
        found = [owner.decode() for owner in living]
        if fine and self._owner in found and self._has_lease():
            return newest.decode(), found
        await self.check()
        return self._living

    # Sessions.

    async def open_session(
        self, session_id: str, reservation: Reservation, *, note: str, ttl: float
    ) -> None:
        """Have an upload session hold what ``reservation`` holds, and carry ``note``.

        Raises LedgerUnavailable: then nothing has changed. A caller that is cancelled has opened
        it all the same, or not begun to.
        """
        self._usable()
        opening = asyncio.create_task(self._open_session(session_id, reservation, note, ttl))
        self._opening[reservation] = opening
        opening.add_done_callback(partial(self._opened, reservation))
        await asyncio.shield(opening)

    def _opened(self, reservation: Reservation, opening: asyncio.Task[None]) -> None:
        del self._opening[reservation]
        if not opening.cancelled():
            opening.exception()  # it was raised, unless the caller was cancelled

    async def _open_session(
        self, session_id: str, reservation: Reservation, note: str, ttl: float
    ) -> None:
        await self._ready()
        hold = self._open.get(reservation)
        id_, owner, claims = f"s{self._new_id()}", self._owner, hold.claims if hold else ()
        now = self._clock() if self._clock else time.time()
        try:
            await self._sessions.open(session_id, id_, claims, note=note, ttl=ttl, now=now)
            if hold:
                over = [
                    self._at(scripts.HAND_OVER, slot_of(c), hold.id, id_, owner) for c in claims
                ]
                if not all(await self._ask(*over)):
                    raise LedgerUnavailable("what the session was to hold was released meanwhile")
        except BaseException:
            self._lose()  # what may have been handed over is adopted back
            if hold:
                hold.owner = ""
            self._ended[session_id] = (0, 0)
            raise
        self._open.pop(reservation, None)
        if hold and hold.owner != owner:  # it may have been adopted after it was handed over
            await self._give_back(hold)

    async def session(self, session_id: str) -> str | None:
        """The note of a session; None if there is none, or it expired. Raises LedgerUnavailable."""
        self._usable()
        return await self._sessions.note(session_id)

    async def keep_session(
        self, session_id: str, note: str, *, was: str, due: int | None = None
    ) -> bool:
        """Renew a session and replace its note, if that still is ``was``.

        Should it expire from now on, ``due`` bytes are booked; those that were due before, if
        that is None. False if the note is another, or the session expired. Raises
        LedgerUnavailable.
        """
        self._usable()
        return await self._sessions.keep(session_id, note, was=was, due=due)

    @contextmanager
    def session_in_use(self, session_id: str) -> Iterator[None]:
        """Keep a session for as long as this lasts, however long that is."""
        self._sessions_in_use[session_id] += 1
        try:
            yield
        finally:
            self._sessions_in_use[session_id] -= 1
            self._sessions_in_use += Counter()  # drops what is at zero

    async def end_session(self, session_id: str, stored: int) -> None:
        """Book ``stored`` bytes in place of what the session holds, even if it has expired.

        Nothing if it was ended before, by whomever. Raises LedgerUnavailable as ``settle`` does.
        """
        files = files_of(stored)
        self._usable()
        self._ended.setdefault(session_id, (stored, files))
        await asyncio.shield(asyncio.ensure_future(self._finish(session_id)))

    async def _finish(self, session_id: str) -> None:
        """End a session with what is owed of it."""
        await self._ready()  # one that was not opened after all can be handed nothing from then on
        if owed := self._ended.get(session_id):
            await self._sessions.end(session_id, *owed)
            self._ended.pop(session_id, None)

    # Notices.

    async def post(self, name: str, text: str, ttl: float) -> None:
        """Put up ``text`` in place of what ``name`` said before. Raises LedgerUnavailable."""
        self._usable()
        await self._notices.post(name, text, ttl)

    async def notices(self, prefix: str) -> dict[str, str]:
        """What is up by names that begin with ``prefix``. Raises LedgerUnavailable."""
        self._usable()
        return await self._notices.read(prefix)

    # Asking.

    def _usable(self) -> None:
        if self._closed:
            raise LedgerUnavailable("the quota ledger is closed")

    async def _ask(self, *commands: Command) -> list[Reply]:
        """Raises LedgerUnavailable also for one of them."""
        if not commands:
            return []
        replies = await self._courier.ask(commands)
        if error := _error(replies):
            raise error
        return replies

    def _on(self, script: Script, key: str, *arguments: str) -> Command:
        now = str(self._clock()) if self._clock else ""
        return Command(script, key, (now, *arguments))

    def _at(self, script: Script, slot: Slot, *arguments: str) -> Command:
        ends = str(slot[0]) if slot[0] < FOREVER.end else ""
        return self._on(script, f"{_ACCOUNTS}{slot[1]}:{slot[0]}:{slot[2]}", ends, *arguments)

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self._owner}.{self._ids:x}"

    async def _repeat(self, every: float, step: Callable[[], Awaitable[None]]) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), every)
                return
            with contextlib.suppress(LedgerUnavailable):
                await step()


def _exceeded(claims: Sequence[Claim], taken: Sequence[Reply]) -> QuotaExceeded:
    """Of several quotas that are used up, the one that lasts longest."""
    refused = [(c, reply[1]) for c, reply in zip(claims, taken, strict=True) if not reply[0]]
    return QuotaExceeded(*max(refused, key=lambda item: item[0].window.end))


def _error(replies: Sequence[Reply]) -> LedgerUnavailable | None:
    return next((reply for reply in replies if isinstance(reply, LedgerUnavailable)), None)


def _slot(key: str) -> Slot:
    start, end, name = key.removeprefix(_ACCOUNTS).split(":", 2)
    return int(end), int(start), name
