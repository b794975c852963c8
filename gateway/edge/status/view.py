"""What the status page shows, in the order in which it shows it; ready for a template or for JSON.

No I/O.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from math import log10
from typing import Any, NamedTuple

from gateway.edge.status.charts import HEIGHT, WIDTH, Chart, lines, nice_top, stacked
from gateway.ledger.quotas import account_of
from gateway.ledger.standings import Standing
from gateway.policy_file.description import DescribedRule
from gateway.status.hour import percentile
from gateway.status.observing import Activity
from gateway.status.values import Minute, Refusal, RunningUpload

FASTEST = 0.001
"""Seconds; the lower edge of the chart of answers."""
_OUTCOMES = ("accepted", "refused", "failed")
_MOST_SHOWN = 25
_MOST_QUOTAS_SHOWN = 10
"""On the page; JSON has all."""


class Filter(NamedTuple):
    """Which refusals are wanted; empty is any."""

    reason: str = ""
    rule: str = ""
    text: str = ""
    """Somewhere in a name, a user, a channel, an address or a request's id."""

    def matches(self, refusal: Refusal, names: Mapping[str, str]) -> bool:
        if self.reason and refusal.reason != self.reason:
            return False
        if self.rule and refusal.rule != self.rule:
            return False
        searched = (
            refusal.name,
            refusal.user_id,
            names.get(refusal.user_id, ""),
            refusal.machine,
            refusal.channel_id,
            refusal.client,
            refusal.id,
        )
        return self.text.casefold() in "\n".join(searched).casefold()


class ShownPolicy(NamedTuple):
    """What is in force."""

    file: str
    """Empty if there is none."""
    rules: Sequence[DescribedRule]
    settings: Sequence[tuple[str, str]]
    """Variables and values."""


class Part(NamedTuple):
    """Something that the gateway needs, and how it is."""

    name: str
    state: str
    """``ok``, ``degraded``, ``failing`` or ``off``."""
    sentence: str


class QuotaBar(NamedTuple):
    """An account's use of a quota."""

    account: str
    username: str
    quota: str
    unit: str
    limit: int | None
    used: int
    reserved: int
    share: float
    resets: float | None
    """Seconds since the epoch; None if never."""


@dataclass(frozen=True)
class View:
    """All of it, at one moment."""

    activity: Activity
    parts: Sequence[Part]
    policy: ShownPolicy
    wanted: Filter
    zone: tzinfo = UTC

    @cached_property
    def hour(self) -> Minute:
        """All its minutes together."""
        total = Minute(0)
        for minute in self.activity.minutes:
            total = total.plus(minute)
        return total

    @cached_property
    def refused(self) -> int:
        return sum(self.hour.refused.values())

    @cached_property
    def failed(self) -> int:
        return sum(self.hour.failed.values())

    @property
    def speed(self) -> float:
        """Bytes a second of all running uploads."""
        return sum(upload.speed for upload in self.activity.running)

    @property
    def typical(self) -> float | None:
        """Seconds within which half of the accepted uploads were answered."""
        return percentile(self.hour, 0.5)

    @property
    def slow(self) -> float | None:
        """Seconds within which 95 % of the accepted uploads were answered."""
        return percentile(self.hour, 0.95)

    @cached_property
    def worst(self) -> str:
        """The state of the part that is worst."""
        states = {part.state for part in self.parts}
        return next((state for state in ("failing", "degraded") if state in states), "ok")

    @cached_property
    def reasons(self) -> list[tuple[str, str, int]]:
        """(outcome, reason, count) of what did not pass, the most frequent first."""
        counts = [("refused", *item) for item in self.hour.refused.items()]
        counts += [("failed", *item) for item in self.hour.failed.items()]
        return sorted(counts, key=lambda item: (-item[2], item[1]))

    @cached_property
    def refusals(self) -> list[Refusal]:
        """Those that are wanted, newest first."""
        activity = self.activity
        return [r for r in activity.refusals if self.wanted.matches(r, activity.names)]

    @property
    def shown_refusals(self) -> list[Refusal]:
        return self.refusals[:_MOST_SHOWN]

    @property
    def known_reasons(self) -> list[str]:
        return sorted({r.reason for r in self.activity.refusals} | {self.wanted.reason} - {""})

    @property
    def known_rules(self) -> list[str]:
        known = {refusal.rule for refusal in self.activity.refusals if refusal.rule}
        return sorted(known | {self.wanted.rule} - {""})

    @property
    def quotas(self) -> list[QuotaBar]:
        return [self._quota(standing) for standing in self.activity.standings]

    @property
    def shown_quotas(self) -> list[QuotaBar]:
        return self.quotas[:_MOST_QUOTAS_SHOWN]

    def _quota(self, standing: Standing) -> QuotaBar:
        account, unit = account_of(standing.entry.key)
        used, reserved = standing.entry.usage
        window, quota = standing.entry.window, standing.quota
        return QuotaBar(
            account,
            self.activity.names.get(account.partition(":")[2], ""),
            quota.name if quota else "",
            unit,
            quota.limit if quota else None,
            used,
            reserved,
            standing.share,
            window.end if window.ends else None,
        )

    @cached_property
    def busy_minutes(self) -> list[Minute]:
        """Those in which there was something, newest first."""
        return [m for m in reversed(self.activity.minutes) if m != Minute(m.start)]

    def clock(self, time: float, form: str = "%H:%M") -> str:
        return datetime.fromtimestamp(time, self.zone).strftime(form)

    # Charts.

    @cached_property
    def _labels(self) -> list[str]:
        return [self.clock(minute.start) for minute in self.activity.minutes]

    @property
    def uploads_chart(self) -> Chart:
        rows = [
            (minute.accepted, sum(minute.refused.values()), sum(minute.failed.values()))
            for minute in self.activity.minutes
        ]
        labels = [
            f"{label}: {row[0]} accepted, {row[1]} refused, {row[2]} failed"
            for label, row in zip(self._labels, rows, strict=True)
        ]
        return stacked(_OUTCOMES, rows, labels, nice_top(max(map(sum, rows), default=0)))

    @property
    def bytes_chart(self) -> Chart:
        rows = [(minute.stored,) for minute in self.activity.minutes]
        top = nice_top(max((row[0] for row in rows), default=0) or 1024, 2)
        return stacked(("accepted",), rows, self._labels, top)

    @property
    def latency_chart(self) -> Chart:
        rows = [(percentile(m, 0.5), percentile(m, 0.95)) for m in self.activity.minutes]
        highest = max((value for row in rows for value in row if value is not None), default=0)
        top = FASTEST * 100
        while top < highest:
            top *= 10
        return lines(("typical", "slow"), rows, FASTEST, top)

    @property
    def latency_grid(self) -> str:
        """A line for each power of ten."""
        decades = round(log10(self.latency_chart.top / FASTEST))
        places = (0.5 + (HEIGHT - 1) * number / decades for number in range(decades + 1))
        return "".join(f"M0 {place:.1f}H{WIDTH}" for place in places)


# As JSON.


def status_document(view: View) -> dict[str, Any]:
    activity, hour = view.activity, view.hour
    return {
        "time": activity.time,
        "state": view.worst,
        "gateways": [
            {
                "id": gateway.id,
                "host": gateway.host,
                "version": gateway.version,
                "workers": gateway.workers,
                "started": gateway.started,
                "problems": gateway.problems,
                "details": gateway.details,
            }
            for gateway in activity.gateways
        ],
        "complete": not activity.ledger_problem,
        "running": activity.running_in_all,
        "bytes_per_second": view.speed,
        "last_hour": _counts(hour),
        "minutes": [
            {"start": minute.start, **_counts(minute)} for minute in reversed(view.busy_minutes)
        ],
    }


def _counts(minute: Minute) -> dict[str, Any]:
    return {
        "accepted": minute.accepted,
        "refused": minute.refused,
        "failed": minute.failed,
        "aborted": minute.aborted,
        "stored_bytes": minute.stored,
        "seconds": {"p50": percentile(minute, 0.5), "p95": percentile(minute, 0.95)},
    }


def uploads_document(view: View) -> dict[str, Any]:
    names = view.activity.names
    return {
        "running": view.activity.running_in_all,
        "uploads": [_upload(upload, names) for upload in view.activity.running],
    }


def _upload(upload: RunningUpload, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "request_id": upload.id,
        "name": upload.name,
        "user_id": upload.user_id or None,
        "username": names.get(upload.user_id),
        "machine": upload.machine or None,
        "channel_id": upload.channel_id or None,
        "client": upload.client,
        "endpoint": upload.endpoint,
        "stage": upload.stage or None,
        "size": upload.size,
        "received": upload.received,
        "bytes_per_second": upload.speed,
        "seconds": upload.seconds,
    }


def refusals_document(view: View) -> dict[str, Any]:
    names = view.activity.names
    return {"refusals": [_refusal(refusal, names) for refusal in view.refusals]}


def _refusal(refusal: Refusal, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "request_id": refusal.id,
        "time": refusal.time,
        "name": refusal.name or None,
        "type": refusal.content_type or None,
        "size": refusal.size,
        "user_id": refusal.user_id or None,
        "username": names.get(refusal.user_id),
        "machine": refusal.machine or None,
        "channel_id": refusal.channel_id or None,
        "client": refusal.client,
        "endpoint": refusal.endpoint,
        "status": refusal.status,
        "outcome": refusal.outcome,
        "reason": refusal.reason,
        "rule": refusal.rule or None,
    }


def quotas_document(view: View) -> dict[str, Any]:
    return {
        "complete": not view.activity.standings_problem,
        "quotas": [
            {**bar._asdict(), "username": bar.username or None, "quota": bar.quota or None}
            for bar in view.quotas
        ],
    }


def health_document(view: View) -> dict[str, Any]:
    return {"state": view.worst, "parts": [part._asdict() for part in view.parts]}


def policy_document(view: View) -> dict[str, Any]:
    policy = view.policy
    return {
        "file": policy.file or None,
        "rules": [rule._asdict() for rule in policy.rules],
        "settings": dict(policy.settings),
    }
