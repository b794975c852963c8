"""What the ledger keeps of an upload session for whoever takes its next chunk."""

import json
from collections.abc import Awaitable
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Self

from gateway.accounting import Account
from gateway.ledger.engine import Ledger
from gateway.ledger.quotas import LedgerUnavailable, Reservation
from gateway.refusals import Refused, concurrent_chunks
from gateway.upload.booking import refused_by_ledger
from gateway.values import UploadSession

MAY_BE_STORED = frozenset({400, 404})
"""With these Mattermost also answers while another chunk is on its way, and once it has all."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What was declared, and the verdict on the file's beginning once there is one."""

    user_id: str
    is_import: bool
    name: str
    size: int
    """Bytes."""
    content_type: str | None = None
    policy: str | None = None
    """Fingerprint of the policy under which a file that begins so may pass; empty: it may not."""
    kept: int | None = None
    """Bytes that the gateway keeps, until it has all; None if chunks go on as they come."""
    sent: bool = False
    """Whether Mattermost may have got something of what is kept."""

    @classmethod
    def of(cls, session: UploadSession) -> Self:
        return cls(session.user_id, session.is_import, session.name, session.size)

    @classmethod
    def read(cls, note: str) -> Self | None:
        """The record in ``note``; None if another version wrote it that is not understood."""
        try:
            return cls(**json.loads(note))
        except (ValueError, TypeError):
            return None

    def note(self) -> str:
        """Equal for equal records."""
        return json.dumps(asdict(self))

    def is_of(self, session: UploadSession) -> bool:
        """Whether this was declared of ``session``."""
        declared = (self.user_id, self.is_import, self.name, self.size)
        return declared == (session.user_id, session.is_import, session.name, session.size)


class Records:
    """The records of all sessions. A session holds its share of a quota for as long as it has one.

    ``was`` is a note as it was read: what somebody else has changed since then is not replaced.
    """

    def __init__(self, ledger: Ledger, *, ttl: float) -> None:
        """A session expires ``ttl`` seconds after its last chunk."""
        self._ledger = ledger
        self.ttl = ttl

    async def open(self, session: UploadSession, reservation: Reservation) -> None:
        """From now on the session holds what ``reservation`` holds. Raises Refused."""
        note = SessionRecord.of(session).note()
        try:
            await self._ledger.open_session(session.id, reservation, note=note, ttl=self.ttl)
        except LedgerUnavailable as error:
            raise refused_by_ledger() from error

    async def note(self, session_id: str) -> str | None:
        """The note of a session; None if it is over. Raises Refused."""
        try:
            return await self._ledger.session(session_id)
        except LedgerUnavailable as error:
            raise refused_by_ledger() from error

    def in_use(self, session_id: str) -> AbstractContextManager[None]:
        """Within, a session does not expire."""
        return self._ledger.session_in_use(session_id)

    async def replace(
        self, session_id: str, record: SessionRecord, *, was: str, due: int | None = None
    ) -> str:
        """Put ``record`` in the place of ``was``, and renew the session. Returns its note.

        ``due`` bytes are charged if nobody goes on; None leaves that as it was.

        Raises Refused, also if somebody else was faster.
        """
        note = record.note()
        try:
            replaced = await self._ledger.keep_session(session_id, note, was=was, due=due)
        except LedgerUnavailable as error:
            raise refused_by_ledger() from error
        if not replaced:
            raise Refused(concurrent_chunks())
        return note

    async def give_up(
        self, session_id: str, record: SessionRecord, *, was: str, release: bool = True
    ) -> None:
        """Nothing goes on any more, and what the session holds is released, now or in time."""
        # From then on no other chunk gets by that has read what was on record before.
        refused = replace(record, policy="").note()
        with suppress(LedgerUnavailable):  # then it expires
            given_up = await self._ledger.keep_session(session_id, refused, was=was)
            if given_up and release:
                await self._ledger.end_session(session_id, 0)

    async def leave_due(
        self, session_id: str, record: SessionRecord, due: int, account: Account
    ) -> None:
        """Of the file, ``due`` bytes may be stored from now on.

        Whoever goes on finds out. If nobody does, they count as if they were.
        """
        note = record.note()
        kept = self._ledger.keep_session(session_id, note, was=note, due=due)
        await _settled(kept, account)

    async def end(self, session_id: str, stored: int, account: Account) -> None:
        """``stored`` bytes are charged, and what the session held is released."""
        await _settled(self._ledger.end_session(session_id, stored), account)


async def _settled(booking: Awaitable[object], account: Account) -> None:
    """The file's fate is decided, so that trouble is noted in ``account`` only."""
    try:
        await booking
    except LedgerUnavailable as error:
        account.detail = f"settle: {error}"
