"""What somebody may upload, told before they try: ``GET /gateway/v1/limits``."""

import json
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.accounting import Account, Stage
from gateway.endpoints import FILES
from gateway.ledger.quotas import Claim, Usage
from gateway.policy.rules import Policy
from gateway.policy.ruleset import NO_LIMIT, Decision
from gateway.policy.selectors import EVERYTHING, NOTHING
from gateway.upload.booking import Booking, Taker
from gateway.upload.describe import parse_query, require_channel_id
from gateway.upload.identify import Callers
from gateway.upload.request import Answer, FileTarget, RowTarget, Sender, UploadRequest
from gateway.upload.rulings import Rulings

LIMITS_PATH = "/gateway/v1/limits"
_HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


class _Told(NamedTuple):
    sender: Sender
    channel_id: str | None
    decision: Decision
    quotas: list[tuple[Claim, Usage]]


class Offers:
    """Tells callers of limits, each of their own."""

    def __init__(self, *, callers: Callers, rulings: Rulings, booking: Booking) -> None:
        self._callers = callers
        self._rulings = rulings
        self._booking = booking

    async def tell(self, request: UploadRequest, account: Account) -> Answer:
        """What holds for attachments of whoever sends ``request``. Raises Refused and
        UpstreamError."""
        account.enter(Stage.IDENTIFY)
        # It changes nothing, so that no other site can do harm by asking.
        caller = await self._callers.identify(request._replace(csrf_passes=True), account)
        sender = caller.sender
        channel_id = parse_query(request.query).get("channel_id")
        target: FileTarget | RowTarget = RowTarget("", b"")
        if channel_id is not None:
            require_channel_id(channel_id)
            target = FileTarget(channel_id, "", "")
        decision = await self._rulings.decide(FILES.name, sender, target)
        account.enter(Stage.RESERVE)
        quotas = await self._booking.used(Taker(sender, target, decision.policy.quotas))
        body = json.dumps(_document(_Told(sender, channel_id, decision, quotas)))
        return Answer(200, _HEADERS, body.encode())


def _document(told: _Told) -> dict[str, object]:
    policy = told.decision.policy
    return {
        "user_id": told.sender.user_id,
        "identity": told.sender.kind,
        "channel_id": told.channel_id,
        "max_file_size": None if policy.max_file_size == NO_LIMIT else policy.max_file_size,
        "requirements": _requirements(policy),
        "quotas": [_quota(claim, usage) for claim, usage in told.quotas],
    }


def _requirements(policy: Policy) -> list[dict[str, object]]:
    """A file has to meet each of them."""
    found: list[dict[str, object]] = [
        {
            "allowed_types": str(policy.allowed),
            "denied_types": str(policy.denied),
            "allowed_extensions": _sorted(policy.allowed_extensions),
            "denied_extensions": sorted(policy.denied_extensions),
            "allowed_names": list(policy.allowed_names),
            "denied_names": list(policy.denied_names),
        }
    ]
    if policy.within != EVERYTHING:
        found.append({"allowed_types": str(policy.within), "denied_types": str(NOTHING)})
    return found + (_requirements(policy.also) if policy.also is not None else [])


def _sorted(extensions: frozenset[str] | None) -> list[str] | None:
    return None if extensions is None else sorted(extensions)


def _quota(claim: Claim, usage: Usage) -> dict[str, object]:
    """In the quota's unit; what is on its way counts as used."""
    quota, used, end = claim.quota, sum(usage), claim.window.end
    resets_at = datetime.fromtimestamp(end, UTC) if claim.window.ends else None
    return {
        "of": quota.scope,
        "unit": quota.unit,
        "period": quota.period,
        "limit": quota.limit,
        "used": used,
        "remaining": max(0, quota.limit - used),
        "resets_at": resets_at and resets_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
