"""What every engine of the ledger does: the protocol that uploads speak.

Durations are seconds. Whatever can fail raises LedgerUnavailable.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from gateway.ledger.quotas import Claim, Reservation, Usage
from gateway.ledger.windows import Window


class Entry(NamedTuple):
    """What the ledger has of one account in one window."""

    key: str
    """Account and unit, as ``key_of`` writes them."""
    window: Window
    usage: Usage


Lapsed = Callable[[str, int], None]
"""Hears of what a dead process left due: how much was booked, and to which key."""


class NoticeBoard(Protocol):
    """Where processes put up short texts for each other."""

    async def post(self, name: str, text: str, ttl: float) -> None:
        """Put up ``text`` in place of what ``name`` said before, for ``ttl`` seconds."""

    async def notices(self, prefix: str) -> dict[str, str]:
        """What is up by names that begin with ``prefix``."""


class Ledger(NoticeBoard, Protocol):
    """Counts what is stored and reserved.

    What a process that dies has reserved is released when its lease has run out, unless it is
    *due*: what may be stored is booked then, but for uploads at once, of which none runs any more.
    """

    async def open(self) -> None:
        """Before anything else; raises LedgerUnavailable, and can be tried again."""

    async def close(self) -> None:
        """Write what is owed, release what is held and not due.

        Raises LedgerUnavailable if something that was stored could not be booked.
        """

    async def check(self) -> None:
        """Prove that the ledger can be written, by writing."""

    async def reserve(self, claims: Sequence[Claim], *, due: bool = False) -> Reservation:
        """All of ``claims`` or none; ``due`` from the beginning, or once that is told.

        Raises QuotaExceeded or LedgerUnavailable. A caller that is cancelled has reserved nothing.
        """

    async def leave_due(
        self, reservation: Reservation, stored: int, files: int | None = None
    ) -> None:
        """From now on, ``stored`` bytes in ``files`` files are reserved, and due.

        Nothing once it was settled. Raises LedgerUnavailable if that could not be written: it may
        be due then, or may not.
        """

    async def settle(self, reservation: Reservation, stored: int, files: int | None = None) -> None:
        """Book ``stored`` bytes in place of those reserved. A second time does nothing.

        They are in ``files`` files; in one, unless there are none. Raises LedgerUnavailable if
        that could not be written yet. It is then still owed, as it is when the caller is
        cancelled, and written as soon as the ledger works again. What is stored as it was due
        from the beginning may be written later: it counts already, and is booked in any case.
        """

    async def usage(self, key: str, window: Window) -> Usage:
        """What is charged to ``key`` in ``window``."""

    async def entries(self) -> list[Entry]:
        """All that has been stored or is reserved in windows that have not ended."""

    async def correct(self, key: str, window: Window, used: int) -> None:
        """What is stored by ``key`` in ``window`` counts as ``used`` from now on."""

    async def open_session(
        self, session_id: str, reservation: Reservation, *, note: str, ttl: float
    ) -> None:
        """Have an upload session hold what ``reservation`` holds, and carry ``note``.

        If it fails, nothing has changed. To settle the reservation afterwards does nothing. A
        session that nobody keeps for ``ttl`` seconds expires: it is released.
        """

    async def session(self, session_id: str) -> str | None:
        """The note of a session; None if there is none, or it expired."""

    async def keep_session(
        self, session_id: str, note: str, *, was: str, due: int | None = None
    ) -> bool:
        """Renew a session and replace its note, if that still is ``was``.

        Should it expire from now on, ``due`` bytes are booked; those that were due before, if
        that is None. False if the note is another, or the session expired.
        """

    def session_in_use(self, session_id: str) -> AbstractContextManager[None]:
        """Keep a session for as long as this lasts, however long that is."""

    async def end_session(self, session_id: str, stored: int) -> None:
        """Book ``stored`` bytes in place of what the session holds, even if it has expired.

        Nothing if it was ended before, by whomever. Raises as ``settle`` does.
        """
