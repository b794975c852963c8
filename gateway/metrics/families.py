"""The metric families: name, kind, labels, meaning. The one place that defines them."""

from dataclasses import dataclass
from typing import Literal

SECONDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0,
)  # fmt: skip
"""Buckets from a millisecond to an hour."""
BYTES = (*(float(2**power) for power in range(10, 34, 2)), 10.0 * 2**30)
"""Buckets from 1 KiB to 10 GiB."""

STAGES = ("identify", "receive", "inspect", "examine", "reserve", "forward", "settle")
"""Of an upload, in their order."""

PREFIX = "upload_gateway_"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds, without +Inf."""

    @property
    def cells(self) -> int:
        """Values kept for each combination of labels."""
        return len(self.buckets) + 2 if self.kind == "histogram" else 1

    @property
    def exposed_name(self) -> str:
        """The name as Prometheus stores it (a histogram's has further suffixes)."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


REQUESTS = Family(
    f"{PREFIX}requests",
    "counter",
    "Requests by what they asked for and how they ended; each is counted once.",
    ("endpoint", "method", "status", "outcome", "reason"),
)
REQUEST_SECONDS = Family(
    f"{PREFIX}request_duration_seconds",
    "histogram",
    "Time from a request's head to the end of its answer; for a WebSocket, to its 101.",
    ("endpoint", "outcome"),
    SECONDS,
)
STAGE_SECONDS = Family(
    f"{PREFIX}stage_duration_seconds",
    "histogram",
    "Time that uploads spent in each stage of their way.",
    ("stage",),
    SECONDS,
)
FILES = Family(
    f"{PREFIX}files",
    "counter",
    "Files by how they ended, why, and the group of their content.",
    ("outcome", "reason", "group"),
)
WOULD_REFUSE = Family(
    f"{PREFIX}would_refuse",
    "counter",
    "Files that a rule would have refused if it were enforced, by rule and reason.",
    ("rule", "reason"),
)
STORED_FILE_BYTES = Family(
    f"{PREFIX}stored_file_size_bytes",
    "histogram",
    "Sizes of the files that Mattermost took.",
    (),
    BYTES,
)
RECEIVED_BYTES = Family(
    f"{PREFIX}received_bytes", "counter", "Bytes of request bodies read from clients."
)
STORED_BYTES = Family(f"{PREFIX}stored_bytes", "counter", "Bytes of files that Mattermost took.")
IN_FLIGHT = Family(
    f"{PREFIX}requests_in_flight", "gauge", "Requests that are being served at the moment."
)
WEBSOCKETS_OPEN = Family(
    f"{PREFIX}websockets_open", "gauge", "WebSockets that are open at the moment."
)
UPSTREAM_EXCHANGES = Family(
    f"{PREFIX}upstream_exchanges",
    "counter",
    "Uploads sent to Mattermost by result: a class of status, or what went wrong.",
    ("result",),
)
SESSION_LOOKUPS = Family(
    f"{PREFIX}session_lookups",
    "counter",
    "Look-ups of credentials by result: hit, hit_rejected, joined, miss, error.",
    ("result",),
)
PLACE_LOOKUPS = Family(
    f"{PREFIX}place_lookups",
    "counter",
    "Look-ups of channels and teams for rules and quotas, by result as for credentials.",
    ("result",),
)
SCANS = Family(
    f"{PREFIX}scans",
    "counter",
    "Files that were to be scanned for malware by result: clean, infected, or why there was no "
    "verdict.",
    ("result",),
)
SCAN_SECONDS = Family(
    f"{PREFIX}scan_duration_seconds",
    "histogram",
    "Time that scans took, waiting for other scans included.",
    ("result",),
    SECONDS,
)

POLICY_RELOADS = Family(
    f"{PREFIX}policy_reloads",
    "counter",
    "New versions of the policy file, by result: loaded, failed; each process counts its own.",
    ("result",),
)
POLICY_STALE = Family(
    f"{PREFIX}policy_stale",
    "gauge",
    "Processes in which older rules are in force, since the policy file is wrong.",
)
CREDENTIAL_RELOADS = Family(
    f"{PREFIX}credential_reloads",
    "counter",
    "New versions of the files of API keys and of issuers, by file (api_keys, oidc) and result: "
    "loaded, failed; each process counts its own.",
    ("file", "result"),
)
CREDENTIALS_STALE = Family(
    f"{PREFIX}credentials_stale",
    "gauge",
    "Processes in which an older version of the file of API keys or of issuers is in force, since "
    "the present one is wrong.",
    ("file",),
)
CREDENTIAL_FILES = ("api_keys", "oidc")
"""What ``file`` can be."""
QUOTA_CLAIMS = Family(
    f"{PREFIX}quota_claims",
    "counter",
    "What uploads wanted of quotas, by the quotas' scope and unit: granted or exceeded.",
    ("scope", "unit", "result"),
)
LEDGER_TROUBLE = Family(
    f"{PREFIX}ledger_trouble",
    "counter",
    "Times that the ledger was unavailable: an upload was denied or allowed, or a booking is owed.",
    ("operation", "result"),
)
QUOTA_UNCONFIRMED = Family(
    f"{PREFIX}quota_unconfirmed",
    "counter",
    "Bytes and files booked since a process died that had sent them, by the quotas' scope and "
    "unit: nobody knows whether they are stored.",
    ("scope", "unit"),
)

AUDIT_LINES = Family(
    f"{PREFIX}audit_lines",
    "counter",
    "Lines of the audit log by result: written, lost.",
    ("result",),
)
AUDIT_FAILING = Family(
    f"{PREFIX}audit_failing",
    "gauge",
    "Processes that cannot write the audit log at the moment.",
)

ALL = (
    REQUESTS,
    REQUEST_SECONDS,
    STAGE_SECONDS,
    FILES,
    WOULD_REFUSE,
    STORED_FILE_BYTES,
    RECEIVED_BYTES,
    STORED_BYTES,
    IN_FLIGHT,
    WEBSOCKETS_OPEN,
    UPSTREAM_EXCHANGES,
    SESSION_LOOKUPS,
    POLICY_RELOADS,
    POLICY_STALE,
    CREDENTIAL_RELOADS,
    CREDENTIALS_STALE,
    PLACE_LOOKUPS,
    SCANS,
    SCAN_SECONDS,
    QUOTA_CLAIMS,
    LEDGER_TROUBLE,
    QUOTA_UNCONFIRMED,
    AUDIT_LINES,
    AUDIT_FAILING,
)
