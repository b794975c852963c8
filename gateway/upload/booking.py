"""What a user takes from their quotas: reserved, and settled when it is known what was stored."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import NamedTuple

from gateway.accounting import Account
from gateway.ledger.quotas import (
    Claim,
    LedgerUnavailable,
    Quota,
    QuotaExceeded,
    Reservation,
    claims,
    window,
)
from gateway.ledger.sqlite import SQLiteLedger
from gateway.machines.admission import Machine
from gateway.refusals import Refusal, Refused, ledger_unavailable, quota_exceeded
from gateway.upload.request import Sender

_RETRY_LEDGER_AFTER = 5


class Left(NamedTuple):
    """What somebody has used of a quota."""

    of: str
    """Whose quota it is: ``user``, or ``credential``."""
    limit: int
    """Bytes."""
    used: int
    """Bytes that are stored, or on their way."""
    resets_at: int
    """Seconds since the epoch."""


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

    def counts(self, sender: Sender) -> bool:
        """Whether there is a quota that ``sender`` takes from."""
        machine = sender.machine
        return bool(self.quotas) or (machine is not None and machine.limits.quota is not None)

    async def reserve(self, sender: Sender, amount: int) -> Reservation:
        """Raises QuotaExceeded, and Refused if the ledger cannot tell."""
        try:
            return await self._ledger.reserve(self._claims(sender, amount))
        except LedgerUnavailable as error:
            raise refused_by_ledger() from error

    async def left(self, sender: Sender) -> list[Left]:
        """Of each quota that ``sender`` takes from. Raises Refused if the ledger cannot tell."""
        found = []
        for number, claim in enumerate(self._claims(sender, 0)):
            try:
                usage = await self._ledger.usage(claim.key, claim.window)
            except LedgerUnavailable as error:
                raise refused_by_ledger() from error
            of = "user" if number < len(self.quotas) else "credential"
            found.append(Left(of, claim.limit, usage.used + usage.reserved, claim.window.end))
        return found

    def _claims(self, sender: Sender, amount: int) -> tuple[Claim, ...]:
        now = self._now()
        wanted = claims(self.quotas, user_id=sender.user_id, amount=amount, now=now)
        if sender.machine is not None:
            wanted += _claims_of(sender.machine, amount, now)
        return wanted

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


def _claims_of(machine: Machine, amount: int, now: float) -> tuple[Claim, ...]:
    """What a credential takes from a quota of its own."""
    quota = machine.limits.quota
    if quota is None:
        return ()
    return (Claim(machine.label, window(quota.period, now), amount, quota),)


def refused_by_ledger() -> Refused:
    """What is raised where the ledger is unavailable."""
    return Refused(ledger_unavailable(_RETRY_LEDGER_AFTER))
