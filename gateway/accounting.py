"""The account of one request: filled on its way, closed exactly once at the edge."""

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from gateway.logs import Log
from gateway.metrics.metrics import Metrics
from gateway.refusals import Refusal
from gateway.values import Outcome

CLIENT_CLOSED_REQUEST = 499
"""The status under which an aborted request is counted, as nginx does; nobody receives it."""


class Stage:
    """The stages of an upload, as the metric names them; plain words, since each upload
    changes them eight times."""

    IDENTIFY = "identify"
    RECEIVE = "receive"
    INSPECT = "inspect"
    RESERVE = "reserve"
    FORWARD = "forward"
    SETTLE = "settle"


class FileAccount(NamedTuple):
    """How one file of a request ended."""

    name: str
    group: str
    content_type: str
    outcome: Outcome
    reason: str
    size: int | None
    """Bytes, where known; of a stored file always."""


class Account:
    """What is known of one request so far. Written by the story, read once at the end."""

    __slots__ = (
        "_marks",
        "bytes_received",
        "clock",
        "detail",
        "endpoint",
        "files",
        "outcome",
        "reason",
        "started",
        "status",
        "user_id",
    )

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.clock = clock
        self.started = clock()
        self.endpoint = "other"
        self.status = 0
        self.outcome = Outcome.ACCEPTED
        self.reason = "none"
        self.user_id: str | None = None
        self.bytes_received = 0
        self.files: list[FileAccount] = []
        self.detail: str | None = None
        """For the log only: what a library or Mattermost said; never shown to a client."""
        self._marks: list[tuple[str, float]] = []

    def enter(self, stage: str) -> None:
        """The stage before ends here and ``stage`` begins."""
        self._marks.append((stage, self.clock()))

    def stages(self, end: float) -> dict[str, float]:
        """Seconds spent in each stage, the last of which ends at ``end``."""
        spent: dict[str, float] = {}
        marks = self._marks
        for number, (stage, entered) in enumerate(marks, 1):
            left = marks[number][1] if number < len(marks) else end
            spent[stage] = spent.get(stage, 0.0) + left - entered
        return spent

    def refuse(self, refusal: Refusal) -> None:
        """The request ends with ``refusal``; a 5xx is a failure and not a refusal."""
        self.outcome = Outcome.FAILED if refusal.status >= 500 else Outcome.REFUSED
        self.reason = refusal.reason
        self.status = refusal.status

    def abort(self) -> None:
        """The client went away before its answer."""
        self.outcome = Outcome.ABORTED
        self.reason = "client_gone"
        self.status = CLIENT_CLOSED_REQUEST

    def fail(self, reason: str) -> None:
        """The gateway ended the request without an answer."""
        self.outcome = Outcome.FAILED
        self.reason = reason
        self.status = self.status or 503


class Accountant:
    """Turns closed accounts into metrics and log lines."""

    def __init__(self, metrics: Metrics, log: Log) -> None:
        self.metrics = metrics
        self.log = log

    def open(self) -> Account:
        self.metrics.begin_request()
        return Account()

    def close(self, account: Account, *, method: str, path: str, client: str, id_: str) -> None:
        """Count and log ``account``; called exactly once for each."""
        end = account.clock()
        seconds = end - account.started
        stages = account.stages(end)
        metrics = self.metrics
        metrics.end_request(
            account.endpoint,
            method,
            account.status,
            account.outcome,
            account.reason,
            seconds,
            account.bytes_received,
        )
        metrics.stages(stages)
        for file in account.files:
            stored = file.size if file.outcome is Outcome.ACCEPTED else None
            metrics.file(file.outcome, file.reason, file.group, stored)
        level = "warning" if account.outcome is Outcome.FAILED else "info"
        if self.log.enabled(level):
            self.log.write(
                level, "request", _fields(account, method, path, client, id_, seconds, stages)
            )


def _fields(
    account: Account,
    method: str,
    path: str,
    client: str,
    id_: str,
    seconds: float,
    stages: dict[str, float],
) -> dict[str, object]:
    fields: dict[str, object] = {
        "request_id": id_,
        "client": client,
        "method": method,
        "path": path,
        "endpoint": account.endpoint,
        "status": account.status,
        "outcome": account.outcome,
        "reason": account.reason,
        "duration": round(seconds, 6),
    }
    if account.user_id is not None:
        fields["user_id"] = account.user_id
    if account.bytes_received:
        fields["bytes_received"] = account.bytes_received
    if account.files:
        fields["files"] = [
            {
                "name": file.name,
                "type": file.content_type,
                "size": file.size,
                "outcome": file.outcome,
                "reason": file.reason,
            }
            for file in account.files
        ]
    if stages:
        fields["stages"] = {stage: round(spent, 6) for stage, spent in stages.items()}
    if account.detail is not None:
        fields["detail"] = account.detail
    return fields
