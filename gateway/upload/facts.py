"""What becomes known of a file, for its account."""

from dataclasses import dataclass, field
from types import TracebackType

from gateway.accounting import Account, FileAccount
from gateway.inspection.detector import UNKNOWN
from gateway.policy.groups import group_of
from gateway.policy.rules import DEFAULT_RULE
from gateway.refusals import Refusal, Refused
from gateway.upload.request import ClientGone
from gateway.upstream.connection import UpstreamError
from gateway.values import Outcome


@dataclass(slots=True)
class Facts:
    """Filled on the file's way."""

    name: str
    size: int | None
    content_type: str = UNKNOWN
    promised: str | None = None
    outcome: Outcome = Outcome.FAILED
    reason: str = "internal_error"
    rule: str = DEFAULT_RULE
    """The rule that decided."""
    would_refuse: dict[str, str] = field(default_factory=dict)
    """Reasons, by the names of rules that are only watched."""
    measured: bool = False
    """Whether its head told how large a picture it is, or that it is none."""
    entries: int | None = None
    """In it, if it is an archive that was looked into."""
    scan: str | None = None
    """What a scan for malware came to."""
    scan_detail: str | None = None
    sha256: str | None = None
    """Of what came, or of what went on if that is not the same; where somebody asked."""
    answer: bytes = b""
    """What Mattermost answered to it."""

    def account(self) -> FileAccount:
        group = group_of(self.content_type)
        return FileAccount(
            self.name,
            group,
            self.content_type,
            self.outcome,
            self.reason,
            self.size,
            self.promised,
            None if self.rule == DEFAULT_RULE else self.rule,
            self.would_refuse,
            self.entries,
            self.scan,
            self.scan_detail,
            self.sha256,
            self.answer,
        )


class Accounted:
    """Puts a file into the account: when it fails within, or in any case if ``closing``."""

    __slots__ = ("_account", "_closing", "_facts")

    def __init__(self, facts: Facts, account: Account, *, closing: bool) -> None:
        self._facts = facts
        self._account = account
        self._closing = closing

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        facts = self._facts
        if isinstance(error, (Refused, UpstreamError)):
            facts.outcome, facts.reason = outcome_of(error.refusal), error.refusal.reason
        elif isinstance(error, ClientGone):
            facts.outcome, facts.reason = Outcome.ABORTED, "client_gone"
        if error is not None or self._closing:
            self._account.files.append(facts.account())


def outcome_of(refusal: Refusal) -> Outcome:
    """How what is refused like this ends."""
    return Outcome.FAILED if refusal.is_failure else Outcome.REFUSED


def judged_by_mattermost(status: int) -> tuple[Outcome, str]:
    """Outcome and reason of an answer that Mattermost gave."""
    if status < 400:
        return Outcome.ACCEPTED, "none"
    if status < 500:
        return Outcome.REFUSED, "mattermost_refused"
    return Outcome.FAILED, "mattermost_failed"
