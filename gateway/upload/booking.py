"""What uploads take from quotas: reserved, and settled when it is known what was stored."""

import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, tzinfo
from math import ceil
from typing import Any, NamedTuple

from gateway.accounting import Account
from gateway.ledger.engine import Ledger
from gateway.ledger.quotas import (
    Amount,
    Claim,
    LedgerUnavailable,
    Quota,
    QuotaExceeded,
    Reservation,
    Uploader,
    Usage,
    claims,
)
from gateway.ledger.telling import limit_fields, told
from gateway.places import NOWHERE, Place
from gateway.policy.circumstances import Role, roles_of
from gateway.policy.ruleset import asked_by
from gateway.refusals import Refusal, Refused, ledger_unavailable, quota_exceeded
from gateway.upload.receive import Limit
from gateway.upload.request import FileTarget, RowTarget, Sender

_RETRY_LEDGER_AFTER = 5
_RETRY_AT_ONCE_AFTER = 5
Reserving = Coroutine[Any, Any, Reservation]
_UNCHECKED = [(b"upload-quota", b"unchecked")]
"""On the answer to an upload that was let pass without the ledger."""


FindPlace = Callable[[Sender, FileTarget | RowTarget], Awaitable[Place]]
"""Finds out where a file goes. Raises Refused and UpstreamError."""


class Taker(NamedTuple):
    """Whose upload it is, where to, and the quotas that it may meet."""

    sender: Sender
    target: FileTarget | RowTarget
    quotas: Sequence[Quota]


class Booking:
    """The ledger, as uploads use it."""

    def __init__(
        self,
        ledger: Ledger,
        find_place: FindPlace,
        *,
        zone: tzinfo = UTC,
        allow_on_error: bool = False,
        count_claim: Callable[[str, str, str], None] = lambda *_: None,
        count_trouble: Callable[[str, str], None] = lambda *_: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``allow_on_error``: whether files pass while the ledger is unavailable."""
        self._ledger = ledger
        self._find_place = find_place
        self._zone = zone
        self._allow_on_error = allow_on_error
        self._count_claim = count_claim
        self._count_trouble = count_trouble
        self._now = now

    def reserve(
        self, taker: Taker, amount: Amount, account: Account, *, due: bool = False
    ) -> Reserving:
        """``due``: all of it may be stored if this process dies, whenever that is.

        Raises QuotaExceeded, and Refused if the ledger, or Mattermost, cannot tell.
        """
        return self._reserve(taker, taker.quotas, amount, account, due=due)

    def reserve_for_session(self, taker: Taker, amount: Amount, account: Account) -> Reserving:
        """Without what is counted of running uploads: a session waits most of its time."""
        lasting = [quota for quota in taker.quotas if quota.unit != "uploads"]
        return self._reserve(taker, lasting, amount, account)

    def reserve_for_chunk(self, taker: Taker, account: Account) -> Reserving:
        """Only what is counted of running uploads. Raises as ``reserve`` does."""
        at_once = [quota for quota in taker.quotas if quota.unit == "uploads"]
        return self._reserve(taker, at_once, Amount(0, 0), account)

    async def used(self, taker: Taker) -> list[tuple[Claim, Usage]]:
        """What is used of each quota that ``taker`` meets. Raises Refused as ``reserve``."""
        uploader = await self._uploader(taker, taker.quotas)
        met = claims(taker.quotas, uploader, Amount(0, 0), self._now(), self._zone)
        try:
            return [(claim, await self._ledger.usage(claim.key, claim.window)) for claim in met]
        except LedgerUnavailable as error:
            raise refused_by_ledger() from error

    async def room(self, taker: Taker, account: Account) -> Limit | None:
        """What is left for a form of which it is not known yet where it goes.

        It is looked at, not reserved, and only where that does not depend on the place; None if
        nothing tells. Raises QuotaExceeded if nothing is left, and Refused as ``reserve``.
        """
        quotas = [quota for quota in taker.quotas if _is_known_anywhere(quota)]
        uploader, now = _uploader(taker.sender, taker.target, NOWHERE), self._now()
        met = claims(quotas, uploader, Amount(0), now, self._zone)
        try:
            usages = [await self._ledger.usage(claim.key, claim.window) for claim in met]
        except LedgerUnavailable as error:
            self._without_ledger(error, account)
            return None
        found: QuotaExceeded | None = None
        for claim, usage in zip(met, usages, strict=True):
            looked = QuotaExceeded(claim, sum(usage))
            if looked.used + claim.amount > claim.limit:
                self._tell_exceeded(looked, account, now)
                raise looked
            is_bytes = claim.quota.unit == "bytes"
            if is_bytes and (found is None or looked.remaining < found.remaining):
                found = looked
        if found is None:
            return None
        account.headers = limit_fields([found.claim], [found.used], now)
        return Limit(found.remaining, self.refusal(found))

    async def _uploader(self, taker: Taker, quotas: Sequence[Quota]) -> Uploader:
        place = NOWHERE
        if asked_by(quotas):
            place = await self._find_place(taker.sender, taker.target)
        return _uploader(taker.sender, taker.target, place)

    async def _reserve(
        self,
        taker: Taker,
        quotas: Sequence[Quota],
        amount: Amount,
        account: Account,
        *,
        due: bool = False,
    ) -> Reservation:
        if not quotas:
            return Reservation(())
        uploader = _plain_uploader(taker, quotas) or await self._uploader(taker, quotas)
        now = self._now()
        wanted = claims(quotas, uploader, amount, now, self._zone)
        if not wanted:
            return Reservation(())
        try:
            reservation = await self._ledger.reserve(wanted, due=due)
        except QuotaExceeded as exceeded:
            self._tell_exceeded(exceeded, account, now)
            raise
        except LedgerUnavailable as error:
            return self._without_ledger(error, account)
        for claim in wanted:
            self._count_claim(claim.quota.scope, claim.quota.unit, "granted")
        account.headers = limit_fields(wanted, reservation.taken, now)
        return reservation

    def _tell_exceeded(self, exceeded: QuotaExceeded, account: Account, now: float) -> None:
        quota = exceeded.claim.quota
        self._count_claim(quota.scope, quota.unit, "exceeded")
        account.headers = limit_fields([exceeded.claim], [exceeded.used], now)

    def _without_ledger(self, error: LedgerUnavailable, account: Account) -> Reservation:
        if not self._allow_on_error:
            self._count_trouble("reserve", "denied")
            raise refused_by_ledger() from error
        self._count_trouble("reserve", "allowed")
        account.detail = f"allowed without the ledger: {error}"
        account.headers = _UNCHECKED
        return Reservation(())

    async def leave_due(self, reservation: Reservation, stored: int, account: Account) -> None:
        """From now on, ``stored`` bytes may be stored if this process dies.

        Trouble is noted in ``account`` only: what is being sent is sent.
        """
        if not reservation.claims:
            return
        try:
            await self._ledger.leave_due(reservation, stored, _files(reservation))
        except LedgerUnavailable as error:
            self._count_trouble("leave_due", "owed")
            account.detail = f"leave_due: {error}"

    async def settle(self, reservation: Reservation, stored: int | None, account: Account) -> None:
        """``stored`` is in bytes; None if no file was stored.

        Trouble is noted in ``account`` only: the ledger books it as soon as it can.
        """
        if not reservation.claims:
            return
        files = 0 if stored is None else _files(reservation)
        try:
            await self._ledger.settle(reservation, stored or 0, files)
        except LedgerUnavailable as error:
            self._count_trouble("settle", "owed")
            account.detail = f"settle: {error}"

    def refusal(self, exceeded: QuotaExceeded) -> Refusal:
        """In words for people, with the time at which there is room again."""
        claim = exceeded.claim
        if claim.quota.unit == "uploads":
            retry_after: int | None = _RETRY_AT_ONCE_AFTER
        elif claim.window.ends:
            retry_after = max(1, ceil(claim.window.end - self._now()))
        else:
            retry_after = None
        return quota_exceeded(told(exceeded, self._zone), retry_after)


def _files(reservation: Reservation) -> int:
    most = 0
    for claim in reservation.claims:
        if claim.quota.unit == "files":
            most = max(most, claim.amount)
    return most


def _is_known_anywhere(quota: Quota) -> bool:
    """Whether what it still gives a file is known before the place is that it goes to."""
    return quota.unit != "uploads" and quota.scope not in ("channel", "team", "team_admin")


def _plain_uploader(taker: Taker, quotas: Sequence[Quota]) -> Uploader | None:
    """Whoever uploads, if ``quotas`` are of users only, as most are; else None."""
    for quota in quotas:
        if quota.scope != "user":
            return None
    identity = taker.sender.identity
    return Uploader(identity.user_id if identity else None)


def _uploader(sender: Sender, target: FileTarget | RowTarget, place: Place) -> Uploader:
    channel_id, team_id = "", place.team_id
    if isinstance(target, FileTarget):
        channel_id = target.channel_id
    else:
        team_id = target.team_id or team_id
    identity, machine = sender.identity, sender.machine
    if identity is None:
        return Uploader(None, channel_id=channel_id, team_id=team_id)
    roles = roles_of(identity)
    if place.team_admin:
        roles |= {Role.TEAM_ADMIN}
    key = machine.label if machine is not None else None
    return Uploader(identity.user_id, roles, key, channel_id, team_id)


def refused_by_ledger() -> Refused:
    """What is raised where the ledger is unavailable."""
    return Refused(ledger_unavailable(_RETRY_LEDGER_AFTER))
