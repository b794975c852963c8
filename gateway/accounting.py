"""The account of one request: filled on its way, closed exactly once at the edge."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from traceback import format_exception
from typing import NamedTuple, Protocol

from gateway.log_formats import Fields
from gateway.logs import Line, Log
from gateway.metrics.families import STAGES
from gateway.metrics.metrics import Metrics
from gateway.refusals import Refusal
from gateway.values import ACCEPTED, NO_TRACE, Outcome, Trace

CLIENT_CLOSED_REQUEST = 499
"""The status under which an aborted request is counted, as nginx does; nobody receives it."""


_MOST_STEPS = 100
_TOGETHER = 64
"""Accounts that are seen to together, about; many more would only push other things out of the
processor's memory."""
_MOST_ROUNDS = 64
"""Of the event loop, for which an account waits for others."""
_IDLE_ROUNDS = 8
"""In which nothing began or ended, so that there is nobody to wait for."""


class Stage:
    """The stages of an upload, as indexes into ``STAGES``."""

    IDENTIFY, RECEIVE, INSPECT, EXAMINE, RESERVE, FORWARD, SETTLE = range(7)


@dataclass(slots=True)
class FileAccount:
    """What is known of one file of a request, and how it ended."""

    name: str
    size: int | None
    """Bytes, where known; of a stored file always."""
    content_type: str = ""
    promised: str | None = None
    """The type that its name promises, where its content is of another one."""
    group: str = ""
    """That of its type, once it has ended."""
    outcome: Outcome = Outcome.FAILED
    reason: str = "internal_error"
    rule: str | None = None
    """The rule of the policy file that decided."""
    would_refuse: dict[str, str] = field(default_factory=dict)
    """Why rules that are only watched would have refused it, by their names."""
    entries: int | None = None
    """In it, if it is an archive that was looked into."""
    scan: str | None = None
    """What a scan for malware came to."""
    scan_detail: str | None = None
    sha256: str | None = None
    """Of what came, or of what went on if that is not the same; where somebody asked."""
    answer: bytes = b""
    """What Mattermost answered to it."""


@dataclass(slots=True)
class WebSocketAccount:
    """What a request that became a WebSocket has beyond others."""

    handshake: float
    """Seconds from its head to the 101."""
    received: int = 0
    """Bytes that came from the client since then."""
    sent: int = 0
    """Bytes that went to the client since then."""


class Visitor(NamedTuple):
    """What a client says of itself."""

    scheme: str
    """``http`` or ``https``."""
    protocol: str
    """Such as ``HTTP/1.1``."""
    referer: str
    user_agent: str


class Account:
    """What is known of one request so far. Written by the story, read once at the end."""

    __slots__ = (
        "_entered",
        "_stage",
        "bytes_received",
        "bytes_sent",
        "channel_id",
        "client",
        "clock",
        "detail",
        "endpoint",
        "file",
        "files",
        "headers",
        "is_upload",
        "locale",
        "machine",
        "method",
        "outcome",
        "path",
        "reason",
        "request_id",
        "seconds",
        "spent",
        "started",
        "status",
        "trace",
        "user_id",
        "visitor",
        "websocket",
    )

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.clock = clock
        self.started = clock()
        self.seconds = 0.0
        """What it took, once it is closed; of a WebSocket with all that it was open."""
        self.request_id = ""
        self.trace = NO_TRACE
        self.client = ""
        """The client's IP address."""
        self.method = ""
        self.path = b""
        self.endpoint = "other"
        self.status = 0
        self.outcome: Outcome = ACCEPTED
        self.reason = "none"
        self.user_id: str | None = None
        self.locale = ""
        """Of the user's account."""
        self.machine: Mapping[str, object] | None = None
        """What the log says of a program that has a credential of the gateway's own."""
        self.channel_id = ""
        self.is_upload = False
        """Whether it is for an address that takes files, and brings them."""
        self.bytes_received = 0
        self.bytes_sent = 0
        """Of the answer's body."""
        self.file: FileAccount | None = None
        """The one that came last."""
        self.files: list[FileAccount] = []
        self.headers: Sequence[tuple[bytes, bytes]] = ()
        """What the answer says of quotas."""
        self.visitor: Visitor | None = None
        self.websocket: WebSocketAccount | None = None
        self.detail: str | None = None
        """For the log only: what a library or Mattermost said; never shown to a client."""
        self.spent = [0.0] * len(STAGES)
        """Seconds in each stage."""
        self._stage = -1
        self._entered = 0.0

    @property
    def stage(self) -> str:
        """The present one of ``STAGES``; empty between them."""
        return STAGES[self._stage] if self._stage >= 0 else ""

    def enter(self, stage: int) -> None:
        """The stage before ends here and ``stage`` begins."""
        if stage == self._stage:
            return
        now = self.clock()
        if self._stage >= 0:
            self.spent[self._stage] += now - self._entered
        self._stage = stage
        self._entered = now

    def leave(self) -> None:
        """The last stage ends here, and with it the request."""
        now = self.clock()
        if self._stage >= 0:
            self.spent[self._stage] += now - self._entered
            self._stage = -1
        self.seconds = now - self.started

    @property
    def answered(self) -> float:
        """Seconds from its head to its answer; for a WebSocket, to the 101."""
        return self.seconds if self.websocket is None else self.websocket.handshake

    def pass_on(self) -> None:
        """The request goes on to Mattermost without a stage of its own."""

    def refuse(self, refusal: Refusal) -> None:
        """The request ends with ``refusal``."""
        self.outcome = Outcome.FAILED if refusal.is_failure else Outcome.REFUSED
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


class TimedAccount(Account):
    """One that remembers when each stage began and ended, for a picture of them."""

    __slots__ = ("passed_on", "steps")

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        super().__init__(clock)
        self.steps: list[tuple[int, float, float]] = []
        """Stage, beginning and end, the first hundred of them."""
        self.passed_on = False

    def enter(self, stage: int) -> None:
        if stage != self._stage:
            self._remember()
            super().enter(stage)

    def leave(self) -> None:
        self._remember()
        super().leave()

    def pass_on(self) -> None:
        self.passed_on = True

    def _remember(self) -> None:
        if self._stage >= 0 and len(self.steps) < _MOST_STEPS:
            self.steps.append((self._stage, self._entered, self.clock()))


class Traces(Protocol):
    """Where closed accounts are drawn."""

    def close(self, account: Account) -> None:
        """Called exactly once for each that is recorded."""

    def stop(self) -> None:
        """Send what waits."""


class Audit(Protocol):
    """What else closed accounts are turned into."""

    def close(self, account: Account) -> None:
        """Called exactly once for each."""


class Accountant:
    """Turns closed accounts into metrics and log lines."""

    def __init__(
        self,
        metrics: Metrics,
        log: Log,
        audit: Audit | None = None,
        traces: Traces | None = None,
        refusals: Audit | None = None,
        call_soon: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        """``refusals`` hears only of what was not accepted. With ``call_soon``, what is closed
        while others come and go is seen to together, within some rounds of the event loop."""
        self.metrics = metrics
        self.log = log
        self._audit = audit
        self._traces = traces
        self._refusals = refusals
        self._call_soon = call_soon
        self._closed: list[Account] = []
        self._events = self._seen = 0
        """Requests that began or ended, now and in the round before."""
        self._rounds = self._idle = 0
        self._running = 0
        """Requests that are being answered."""

    def wants_visitor(self, account: Account) -> bool:
        """Whether anybody wants to know what the client says of itself."""
        return self.log.tells_visitor or account.trace.spans is not None

    def open(self, trace: Trace = NO_TRACE) -> Account:
        """That of a request that is part of ``trace``."""
        self._events += 1
        self._running += 1
        self.metrics.begin_request()
        account = Account() if trace.spans is None else TimedAccount()
        account.trace = trace
        return account

    def open_websocket(self, account: Account) -> WebSocketAccount:
        """The request has become a WebSocket; ``close`` counts and logs it at its end."""
        self._running -= 1
        self.metrics.open_websocket()
        account.websocket = WebSocketAccount(account.clock() - account.started)
        return account.websocket

    def close(self, account: Account) -> None:
        """Count and log ``account``; called exactly once for each."""
        account.leave()
        self._events += 1
        if account.websocket is None:
            self._running -= 1
        self._closed.append(account)
        if self._call_soon is None:
            self.flush()
        elif len(self._closed) == 1:
            self._rounds = self._idle = 0
            self._call_soon(self._gather)

    def _gather(self) -> None:
        """Wait for more, unless nothing happens or there is enough."""
        self._rounds += 1
        self._idle = self._idle + 1 if self._events == self._seen else 0
        self._seen = self._events
        closed = len(self._closed)
        alone = closed == 1 and not self._running
        enough = closed >= _TOGETHER or self._rounds == _MOST_ROUNDS
        if self._call_soon is None or alone or enough or self._idle == _IDLE_ROUNDS:
            self.flush()
        else:
            self._call_soon(self._gather)

    def flush(self) -> None:
        """See to all that was closed, now.

        One right after the other, they cost half of what each costs where it comes up.
        """
        closed, self._closed = self._closed, []
        lines: list[Line] = []
        for account in closed:
            try:
                self._see_to(account, lines)
            except Exception as error:  # the others are to be counted all the same
                told: Fields = {"traceback": "".join(format_exception(error))}
                self.log.write("error", "unaccounted", told)
        self.log.write_together(lines)

    def _see_to(self, account: Account, lines: list[Line]) -> None:
        self._count(account)
        if self._audit is not None:
            self._audit.close(account)
        if self._traces is not None and account.trace.spans is not None:
            self._traces.close(account)
        if account.outcome is not ACCEPTED and self._refusals is not None:
            self._refusals.close(account)
        level = "warning" if account.outcome is Outcome.FAILED else "info"
        if self.log.enabled(level):
            fields = _fields(account)
            if account.visitor is not None and self.log.tells_visitor:
                _, fields["protocol"], fields["referer"], fields["user_agent"] = account.visitor
            lines.append((level, "request", fields))

    def _count(self, account: Account) -> None:
        metrics = self.metrics
        if account.websocket is not None:
            metrics.close_websocket()
        request = metrics.end_request(
            account.endpoint,
            account.method,
            account.status,
            account.outcome,
            account.reason,
            account.answered,
            account.bytes_received,
            account.request_id,
            account.trace.id,
        )
        metrics.stages(account.spent, request)
        for file in account.files:
            stored = file.size if file.outcome is ACCEPTED else None
            metrics.file(file.outcome, file.reason, file.group, stored, request)
            for rule, reason in file.would_refuse.items():
                metrics.would_refuse(rule, reason, request)


def _microseconds(seconds: float) -> float:
    """``seconds`` without digits beyond the microseconds; ``round`` costs ten times as much."""
    return seconds * 1e6 // 1 / 1e6


def _fields(account: Account) -> Fields:
    fields: Fields = {
        "request_id": account.request_id,
        "trace_id": account.trace.id,
        "client": account.client,
        "method": account.method,
        "path": account.path.decode("latin-1"),
        "endpoint": account.endpoint,
        "status": account.status,
        "outcome": account.outcome,
        "reason": account.reason,
        "duration": _microseconds(account.seconds),
    }
    if account.user_id is not None:
        fields["user_id"] = account.user_id
    if account.machine is not None:
        fields |= account.machine
    if account.bytes_received:
        fields["bytes_received"] = account.bytes_received
    if account.bytes_sent:
        fields["bytes_sent"] = account.bytes_sent
    if account.websocket is not None:
        fields["bytes_received"] = account.websocket.received
        fields["bytes_sent"] = account.websocket.sent
    if account.files:
        fields["files"] = [*map(_file_fields, account.files)]
    stages = {
        stage: spent * 1e6 // 1 / 1e6  # _microseconds, without a call for each
        for stage, spent in zip(STAGES, account.spent, strict=True)
        if spent
    }
    if stages:
        fields["stages"] = stages
    if account.detail is not None:
        fields["detail"] = account.detail
    return fields


def _file_fields(file: FileAccount) -> dict[str, object]:
    fields: dict[str, object] = {
        "name": file.name,
        "type": file.content_type,
        "size": file.size,
        "outcome": file.outcome,
        "reason": file.reason,
    }
    if file.promised is not None:
        fields["promised"] = file.promised
    if file.rule is not None:
        fields["rule"] = file.rule
    if file.entries is not None:
        fields["entries"] = file.entries
    if file.scan is not None:
        fields["scan"] = file.scan
        if file.scan_detail is not None:
            fields["scan_detail"] = file.scan_detail
    if file.would_refuse:
        fields["would_refuse"] = [
            {"rule": rule, "reason": reason} for rule, reason in file.would_refuse.items()
        ]
    return fields
