"""The quota ledger in an SQLite file that the gateway's processes share.

SQLite runs on the event loop's own thread: handing a statement to another thread costs more than
the statement. Whatever is asked within a few turns of the loop is done in one transaction, and
nothing in it waits: not for a lock (it is tried again a moment later), and not for a disk
(checkpoints, which call fsync, have a thread of their own).

Each open ledger is an owner with a lease, renewed by one write however many uploads run. What an
owner held is released when its lease has run out, by whoever comes next, and booked if it was
due. An owner whose lease was ended while it lives (a clock that jumped, a machine that slept)
takes a new one and holds again what its uploads still need.

An upload session holds what was reserved for it on its own, so that any process can go on with it
and each of them may die. It is kept by each use, and released by whoever tends the ledger once it
has not been kept for its time.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gateway.ledger.book import Book, Settled, Slot, slot_of
from gateway.ledger.engine import Entry, Lapsed
from gateway.ledger.file import LedgerBusy, LedgerFile, Transaction
from gateway.ledger.quotas import (
    Amount,
    Claim,
    LedgerUnavailable,
    QuotaExceeded,
    Reservation,
    Usage,
    files_of,
)
from gateway.ledger.sessions import charges
from gateway.ledger.windows import Window

_PAUSE_WHEN_BUSY = (0.001, 0.005)
_LOG_LOOKED_AT_EVERY = 0.5
# Windows that ended are kept for a while, for clocks that are put right.
_KEPT_AFTER_END = 2 * 86_400
_LAPSED_KEPT = 31 * 86_400

_T = TypeVar("_T")
_Work = Callable[[Transaction], _T]

_CAUGHT_UP_AFTER = 0.02
"""Seconds in which the file is told what nobody waits for."""
_MOST_ROUNDS = 16
"""Rounds of the event loop for which asks are gathered, at the most."""


class _Ask(NamedTuple):
    """Something to do in the next transaction, and who waits for it until when (loop time)."""

    work: _Work[object]
    answer: asyncio.Future[Any]
    deadline: float


class _HandedOver(NamedTuple):
    """The outcome of opening a session: what this process does not hold any more."""

    reservation: Reservation


class SQLiteLedger:
    """Counts what is stored and reserved. Durations are seconds."""

    def __init__(
        self,
        path: Path,
        *,
        lease: float = 60.0,
        clock: Callable[[], float] = time.time,
        busy_timeout: float = 5.0,
        on_lapse: Lapsed = lambda *_: None,
    ) -> None:
        self._file = LedgerFile(path)
        self._lease = lease
        self._clock = clock
        self._busy_timeout = busy_timeout
        self._on_lapse = on_lapse
        self._lapsed: list[tuple[str, int]] = []
        self._owner = 0
        self._book = Book()
        self._sessions_in_use: Counter[str] = Counter()
        self._asks: list[_Ask] = []
        self._loop: asyncio.AbstractEventLoop
        self._next_flush: asyncio.Handle | None = None
        self._catching_up: asyncio.TimerHandle | None = None
        self._gathered = 0
        self._rounds = 0
        self._closing = asyncio.Event()
        self._closed = True
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Make folder and file where they are missing. Raises LedgerUnavailable."""
        self._owner = secrets.randbits(62)  # not earlier: processes may be forked before they open
        self._closing.clear()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        try:
            await self.check()
        except BaseException:
            self._shut()
            raise
        self._tasks = [
            asyncio.create_task(self._repeat(self._lease / 3, self._tend)),
            asyncio.create_task(self._repeat(_LOG_LOOKED_AT_EVERY, self._checkpoint)),
        ]

    async def close(self) -> None:
        """Write what is owed, release what is held and not due.

        Raises LedgerUnavailable if stored bytes could not be booked.
        """
        if self._closed:
            return
        self._closed = True
        self._closing.set()
        try:
            await asyncio.gather(*self._tasks)
            await self._ask(self._leave)
            self._book = Book()
        except LedgerUnavailable:
            if self._book.owing:
                raise
        finally:
            self._shut()

    def _shut(self) -> None:
        self._closed = True
        if self._next_flush is not None:
            self._next_flush.cancel()
            self._next_flush = None
        if self._catching_up is not None:
            self._catching_up.cancel()
            self._catching_up = None
        self._file.close()

    async def check(self) -> None:
        """Prove that the ledger can be written, by writing. Raises LedgerUnavailable."""
        await self._submit(self._renew)

    async def reserve(self, claims: Sequence[Claim], *, due: bool = False) -> Reservation:
        """All of ``claims`` or none; ``due`` from the beginning, or once that is told.

        Raises QuotaExceeded or LedgerUnavailable. A caller that is cancelled has reserved nothing.
        """
        if not claims:
            return Reservation(())
        answer = self._submit(partial(self._grant, claims, due=due))
        try:
            outcome = await answer
        except asyncio.CancelledError:
            if not answer.cancelled() and answer.exception() is None:
                granted = answer.result()
                if isinstance(granted, Reservation):
                    self._book.settle(granted, 0, 0)
                    self._schedule()
            raise
        if isinstance(outcome, QuotaExceeded):
            raise outcome
        return outcome

    async def leave_due(
        self, reservation: Reservation, stored: int, files: int | None = None
    ) -> None:
        """From now on, ``stored`` bytes in ``files`` files are reserved, and due.

        Raises LedgerUnavailable if that could not be written yet.
        """
        if self._book.leave_due(reservation, Amount(stored, files_of(stored, files))):
            await self._submit(_nothing)

    async def settle(self, reservation: Reservation, stored: int, files: int | None = None) -> None:
        """Book ``stored`` bytes in place of those reserved. A second time does nothing.

        They are in ``files`` files; in one, unless there are none.

        Raises LedgerUnavailable if that could not be written yet. It is then still owed, as it is
        when the caller is cancelled, and written as soon as the ledger works again. Nobody waits
        for what is stored as it was due: the file counts it already, and is told within moments.
        """
        files = files_of(stored, files)
        match self._book.settle(reservation, stored, files):
            case Settled.ALIKE:
                self._catch_up_soon()
            case Settled.TO_WRITE:
                self._schedule()
                await self._submit(_nothing)

    async def usage(self, key: str, window: Window) -> Usage:
        """What is charged to ``key`` in ``window``. Raises LedgerUnavailable."""
        return await self._submit(partial(self._usage, (window.end, window.start, key)))

    async def entries(self) -> list[Entry]:
        """All that was stored or is reserved in windows that have not ended."""
        await self.check()  # which releases what nobody holds any more
        found = await asyncio.to_thread(self._file.entries, self._clock())
        return [Entry(key, Window(start, end), usage) for (end, start, key), usage in found]

    async def correct(self, key: str, window: Window, used: int) -> None:
        """What is stored by ``key`` in ``window`` counts as ``used`` from now on."""
        slot = (window.end, window.start, key)
        await self._submit(lambda t: t.set_used(slot, used))

    async def post(self, name: str, text: str, ttl: float) -> None:
        """Put up ``text`` in place of what ``name`` said before. Raises LedgerUnavailable."""
        await self._submit(lambda t: t.notices.post(name, text, self._clock() + ttl))

    async def notices(self, prefix: str) -> dict[str, str]:
        """What is up by names that begin with ``prefix``. Raises LedgerUnavailable."""
        return await self._submit(lambda t: t.notices.read(prefix, self._clock()))

    async def open_session(
        self, session_id: str, reservation: Reservation, *, note: str, ttl: float
    ) -> None:
        """Have an upload session hold what ``reservation`` holds, and carry ``note``.

        Raises LedgerUnavailable: then nothing has changed. To settle the reservation afterwards
        does nothing. A session that nobody keeps for ``ttl`` seconds expires: it is released.
        """
        await self._submit(partial(self._open_session, session_id, reservation, note, ttl))

    async def session(self, session_id: str) -> str | None:
        """The note of a session; None if there is none, or it expired. Raises LedgerUnavailable."""
        return await self._submit(lambda t: t.sessions.note(session_id, self._clock()))

    async def keep_session(
        self, session_id: str, note: str, *, was: str, due: int | None = None
    ) -> bool:
        """Renew a session and replace its note, if that still is ``was``.

        Should it expire from now on, ``due`` bytes are booked; those that were due before, if
        that is None. False if the note is another, or the session expired. Raises
        LedgerUnavailable.
        """
        return await self._submit(
            lambda t: t.sessions.keep(session_id, note, was=was, due=due, now=self._clock())
        )

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
        answer = self._submit(_nothing)
        self._book.end_session(session_id, stored, files)
        await answer

    # Asking: one transaction for whatever comes together.

    def _submit(self, work: _Work[_T]) -> asyncio.Future[_T]:
        if self._closed:
            raise LedgerUnavailable("the quota ledger is closed")
        return self._ask(work)

    def _ask(self, work: _Work[_T]) -> asyncio.Future[_T]:
        loop = self._loop
        answer: asyncio.Future[_T] = loop.create_future()
        self._asks.append(_Ask(work, answer, loop.time() + self._busy_timeout))
        if self._next_flush is None:
            self._schedule()
        return answer

    def _schedule(self, delay: float = 0.0) -> None:
        if self._next_flush is None:
            loop = self._loop
            self._next_flush = (
                loop.call_later(delay, self._flush) if delay else loop.call_soon(self._gather)
            )

    def _catch_up_soon(self) -> None:
        """Write what nobody waits for: with what somebody does, which comes first under load."""
        if self._catching_up is None:
            self._catching_up = self._loop.call_later(_CAUGHT_UP_AFTER, self._catch_up)

    def _catch_up(self) -> None:
        self._catching_up = None
        if self._book.changed:
            self._schedule()

    def _gather(self) -> None:
        """Wait while each round of the event loop brings more to write, for a few rounds.

        A transaction costs much the same for one or for many.
        """
        if len(self._asks) > self._gathered and self._rounds < _MOST_ROUNDS:
            self._gathered = len(self._asks)
            self._rounds += 1
            self._next_flush = self._loop.call_soon(self._gather)
        else:
            self._flush()

    def _flush(self) -> None:
        self._next_flush = None
        self._gathered = self._rounds = 0
        asks = [ask for ask in self._asks if not ask.answer.done()]
        self._asks = []
        if not asks and not self._book.changed:
            return
        try:
            outcomes = self._transact(asks)
        except LedgerBusy:
            self._postpone(asks)
        except Exception as error:
            for ask in asks:
                ask.answer.set_exception(_again(error))
        else:
            for ask, outcome in zip(asks, outcomes, strict=True):
                ask.answer.set_result(outcome)

    def _postpone(self, asks: list[_Ask]) -> None:
        """Another process is writing: try again shortly, for those who still have time."""
        now = self._loop.time()
        for ask in asks:
            if now < ask.deadline:
                self._asks.append(ask)
            else:
                ask.answer.set_exception(LedgerUnavailable("the quota ledger is locked"))
        self._schedule(random.uniform(*_PAUSE_WHEN_BUSY))  # noqa: S311 - no secret

    # Inside the transaction.

    def _transact(self, asks: list[_Ask]) -> list[object]:
        outcomes: list[object] = []
        self._lapsed.clear()
        try:
            with self._file.transaction(self._owner) as transaction:
                if not transaction.leases_are_fine(self._clock()):
                    self._renew(transaction)
                for session_id, stored, files in self._book.ended():
                    slots = transaction.sessions.end(session_id)
                    transaction.add_used(charges(slots, stored, files))
                for ask in asks:
                    outcomes.append(ask.work(transaction))  # noqa: PERF401 - kept if one fails
                transaction.add_used(self._book.owed())
                transaction.set_held(self._book.held())
                transaction.set_due(self._book.due())
        except BaseException:
            for outcome in outcomes:
                if isinstance(outcome, Reservation):
                    self._book.settle(outcome, 0, 0)
                elif isinstance(outcome, _HandedOver):
                    self._book.take_back(outcome.reservation)
            raise
        self._book.written()
        for key, amount in self._lapsed:
            self._on_lapse(key, amount)
        return outcomes

    def _grant(
        self, claims: Sequence[Claim], transaction: Transaction, *, due: bool
    ) -> Reservation | QuotaExceeded:
        return self._book.grant(claims, transaction.usage, due=due)

    def _usage(self, slot: Slot, transaction: Transaction) -> Usage:
        return self._book.usage(slot, transaction.usage(slot))

    def _open_session(
        self,
        session_id: str,
        reservation: Reservation,
        note: str,
        ttl: float,
        transaction: Transaction,
    ) -> _HandedOver | None:
        held = self._book.holds(reservation)
        amounts = [(slot_of(claim), claim.amount) for claim in reservation.claims if held]
        transaction.sessions.open(session_id, amounts, note=note, now=self._clock(), ttl=ttl)
        # Last, since nothing takes it back if the statements before fail.
        return _HandedOver(reservation) if self._book.hand_over(reservation) else None

    def _renew(self, transaction: Transaction) -> None:
        now = self._clock()
        renewal = transaction.renew(now, self._lease)
        self._lapsed += renewal.lapsed
        if not renewal.was_held:
            self._book.hold_again()
        transaction.sessions.renew(self._sessions_in_use, now)
        transaction.add_used(transaction.sessions.expire(now))

    def _leave(self, transaction: Transaction) -> None:
        self._book.release_all()
        transaction.leave()

    # In the background.

    async def _repeat(self, every: float, step: Callable[[], Awaitable[None]]) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), every)
                return
            with contextlib.suppress(LedgerUnavailable):
                await step()

    async def _tend(self) -> None:
        await self._submit(self._renew_and_prune)

    def _renew_and_prune(self, transaction: Transaction) -> None:
        self._renew(transaction)
        transaction.prune(self._clock() - _KEPT_AFTER_END)
        transaction.prune_lapsed(self._clock() - _LAPSED_KEPT)
        transaction.sessions.prune(self._clock() - _KEPT_AFTER_END)
        transaction.notices.prune(self._clock())

    async def _checkpoint(self) -> None:
        if self._file.log_is_long():
            await asyncio.to_thread(self._file.checkpoint)


def _nothing(_: Transaction) -> None:
    """A settlement is in the book; it only waits until that is written."""


def _again(error: Exception) -> Exception:
    """One exception for each who waits: they must not share a traceback."""
    return LedgerUnavailable(str(error)) if isinstance(error, LedgerUnavailable) else error
