"""``docs/metrics.md``, made from the metric families: ``./scripts/metrics`` writes it."""

from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from gateway.endpoints import ENDPOINTS, UNLISTED
from gateway.ledger.quotas import SCOPES, Unit
from gateway.metrics import families
from gateway.metrics.families import BYTES, SECONDS, STAGES, Family
from gateway.metrics.metrics import METHODS
from gateway.policy.groups import Group
from gateway.units import format_size
from gateway.values import Outcome
from tests.support.refusals import every_refusal

PAGE = Path(__file__).parent.parent.parent / "docs" / "metrics.md"
LOOKUPS = ("hit", "hit_rejected", "joined", "miss", "error")
SCANS = (
    "clean",
    "infected",
    "limits_exceeded",
    "too_large",
    "unreachable",
    "timeout",
    "no_verdict",
    "garbage",
    "error",
)
VALUES: dict[str, tuple[str, ...]] = {
    "endpoint": (
        *sorted(row.name for row in ENDPOINTS),
        *("limits", "websocket", UNLISTED, "passthrough", "malformed", "other"),
    ),
    "method": (*sorted(METHODS), "other"),
    "outcome": tuple(Outcome),
    "reason": (
        *("none", "client_gone", "mattermost_refused", "mattermost_failed", "shutdown"),
        *sorted({refusal.reason for refusal in every_refusal()}),
    ),
    "group": tuple(Group),
    "stage": STAGES,
    "scope": SCOPES,
    "unit": get_args(Unit),
    "file": families.CREDENTIAL_FILES,
    "operation": ("reserve", "leave_due", "settle"),
}
"""What labels can be, where the family does not matter."""
RESULTS = {
    families.UPSTREAM_EXCHANGES: (
        *("2xx", "3xx", "4xx", "5xx"),
        *("upstream_unreachable", "upstream_failed", "upstream_timeout"),
    ),
    families.SESSION_LOOKUPS: LOOKUPS,
    families.PLACE_LOOKUPS: LOOKUPS,
    families.POLICY_RELOADS: ("loaded", "failed"),
    families.CREDENTIAL_RELOADS: ("loaded", "failed"),
    families.SCANS: SCANS,
    families.SCAN_SECONDS: SCANS,
    families.QUOTA_CLAIMS: ("granted", "exceeded"),
    families.LEDGER_TROUBLE: ("denied", "allowed", "owed"),
    families.AUDIT_LINES: ("written", "lost"),
}
"""What ``result`` can be."""
OPEN = {
    "status": "the status of the answer; 499 if the client was gone",
    "rule": "the name of a rule in the policy file, or `settings`",
}
"""What other labels are."""

QUERIES = {
    families.REQUESTS: "sum by (outcome) (rate({name}[5m]))",
    families.REQUEST_SECONDS: "histogram_quantile(0.95, sum by (le) "
    '(rate({name}_bucket{{endpoint="files"}}[5m])))',
    families.STAGE_SECONDS: "histogram_quantile(0.95, sum by (le, stage) "
    "(rate({name}_bucket[5m])))",
    families.FILES: 'sum by (reason) (increase({name}{{outcome="refused"}}[1d]))',
    families.WOULD_REFUSE: "sum by (rule, reason) (increase({name}[1d]))",
    families.STORED_FILE_BYTES: "histogram_quantile(0.5, sum by (le) (rate({name}_bucket[1h])))",
    families.RECEIVED_BYTES: "sum(rate({name}[5m]))",
    families.STORED_BYTES: "sum(increase({name}[1d]))",
    families.IN_FLIGHT: "sum({name})",
    families.WEBSOCKETS_OPEN: "sum({name})",
    families.UPSTREAM_EXCHANGES: "sum by (result) (rate({name}[5m]))",
    families.SESSION_LOOKUPS: 'sum(rate({name}{{result="hit"}}[5m])) / sum(rate({name}[5m]))',
    families.PLACE_LOOKUPS: "sum by (result) (rate({name}[5m]))",
    families.POLICY_RELOADS: 'sum(increase({name}{{result="failed"}}[1h]))',
    families.POLICY_STALE: "sum({name}) > 0",
    families.CREDENTIAL_RELOADS: 'sum by (file) (increase({name}{{result="failed"}}[1h]))',
    families.CREDENTIALS_STALE: "sum by (file) ({name}) > 0",
    families.SCANS: "sum by (result) (rate({name}[5m]))",
    families.SCAN_SECONDS: "histogram_quantile(0.95, sum by (le) (rate({name}_bucket[5m])))",
    families.QUOTA_CLAIMS: 'sum by (scope, unit) (increase({name}{{result="exceeded"}}[1h]))',
    families.LEDGER_TROUBLE: "sum(increase({name}[1h])) or vector(0)",
    families.QUOTA_UNCONFIRMED: "sum by (scope, unit) (increase({name}[1d])) or vector(0)",
    families.AUDIT_LINES: 'sum(increase({name}{{result="lost"}}[1h]))',
    families.AUDIT_FAILING: "sum({name}) > 0",
}
"""An example for each family, whose name as Prometheus has it is put into it."""

TEXT = """\
# Metrics

*`./scripts/metrics` makes this page from [the metric families](../gateway/metrics/families.py).*

`GET /metrics` on the admin port has them. With several workers each number is that of all
together, and no counter goes back when a worker dies. No label has a user, a channel or a file
name, and none has values that a client chooses, so that their number is bounded.

Alerts made of them are in [deploy/prometheus-rules.yml](../deploy/prometheus-rules.yml), and
[runbooks.md](runbooks.md) says what to do about each; a dashboard for Grafana is in
[deploy/grafana-dashboard.json](../deploy/grafana-dashboard.json).

| metric | kind | labels |
| --- | --- | --- |
{index}

{sections}
## Labels

What a label can be, where it is the same for all metrics. A `reason` is mostly the id of a refusal
without its `gateway.`: that of `gateway.type_denied` is `type_denied`.

{labels}

## Buckets

- Seconds: {seconds}.
- Bytes: {sizes}.

## Exemplars

A scraper that asks for OpenMetrics, as Prometheus does by itself, is told of each bucket which
request it counted last: its `request_id`, which the log line and the user have, too, and its
`trace_id`. So are the counters of requests and files, and of what watched rules would refuse;
scans have theirs in the stage `examine`. With several workers a request may be told a second late.
Prometheus keeps exemplars if it runs with `--enable-feature=exemplar-storage`, and Grafana shows
them in graphs of these metrics.
"""


def query(family: Family) -> str:
    """The example for ``family``."""
    return QUERIES[family].format(name=family.exposed_name)


def values(family: Family, label: str) -> tuple[str, ...]:
    """What ``label`` of ``family`` can be; nothing if that is not to be listed."""
    return RESULTS[family] if label == "result" else VALUES.get(label, ())


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _section(family: Family) -> str:
    labels = ""
    if "result" in family.labels:
        labels = f"`result` is one of {_code(RESULTS[family])}.\n\n"
    return f"## {family.exposed_name}\n\n{family.help}\n\n{labels}```text\n{query(family)}\n```\n"


def page() -> str:
    """What the page has to be."""
    index = [
        f"| `{family.exposed_name}` | {family.kind} | {_code(family.labels)} |"
        for family in families.ALL
    ]
    labels = [f"- `{label}`: {_code(names)}." for label, names in VALUES.items()]
    labels += [f"- `{label}`: {meaning}." for label, meaning in OPEN.items()]
    return TEXT.format(
        index="\n".join(index),
        sections="\n".join(_section(family) for family in families.ALL),
        labels="\n".join(labels),
        seconds=", ".join(f"{bound:g}" for bound in SECONDS),
        sizes=", ".join(format_size(int(bound)) for bound in BYTES),
    )


if __name__ == "__main__":
    PAGE.write_text(page())
