"""What a user takes from their quotas: reserved, and settled when it is known what was stored."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import ceil

from gateway.accounting import Account
from gateway.ledger.quotas import (
    LedgerUnavailable,
    Quota,
    QuotaExceeded,
    Reservation,
    claims,
)
from gateway.ledger.sqlite import SQLiteLedger
from gateway.refusals import Refusal, Refused, ledger_unavailable, quota_exceeded

_RETRY_LEDGER_AFTER = 5


class Booking:
    """The ledger, as uploads use it."""

    def __init__(
        self,
        quotas: Sequence[Quota],
        ledger: SQLiteLedger,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.quotas = quotas
        self._ledger = ledger
        self._now = now

    async def reserve(self, user_id: str, amount: int) -> Reservation:
        """Raises QuotaExceeded, and Refused if the ledger cannot tell."""
        wanted = claims(self.quotas, user_id=user_id, amount=amount, now=self._now())
        try:
            return await self._ledger.reserve(wanted)
        except LedgerUnavailable as error:
            raise refused_by_ledger() from error

    async def settle(self, reservation: Reservation, stored: int, account: Account) -> None:
        """Trouble is noted in ``account`` only: the ledger books it as soon as it can."""
        try:
            await self._ledger.settle(reservation, stored)
        except LedgerUnavailable as error:
            account.detail = f"settle: {error}"

    def refusal(self, exceeded: QuotaExceeded) -> Refusal:
        end = exceeded.claim.window.end
        return quota_exceeded(
            used=exceeded.used,
            limit=exceeded.claim.limit,
            period="today",
            resets_at=f"{datetime.fromtimestamp(end, UTC):%H:%M} UTC",
            retry_after=max(1, ceil(end - self._now())),
        )


def refused_by_ledger() -> Refused:
    """What is raised where the ledger is unavailable."""
    return Refused(ledger_unavailable(_RETRY_LEDGER_AFTER))
