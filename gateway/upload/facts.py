"""What becomes known of a file, for its account."""

from dataclasses import dataclass
from types import TracebackType

from gateway.accounting import Account, FileAccount
from gateway.inspection.detector import UNKNOWN
from gateway.policy.groups import group_of
from gateway.refusals import Refusal, Refused
from gateway.upload.request import ClientGone
from gateway.upstream.connection import UpstreamError
from gateway.values import ACCEPTED, Outcome


@dataclass(slots=True)
class Facts(FileAccount):
    """Filled on the file's way."""

    content_type: str = UNKNOWN
    measured: bool = False
    """Whether its head told how large a picture it is, or that it is none."""

    def end(self, account: Account) -> None:
        """Nothing more becomes known: it goes into ``account``."""
        self.group = group_of(self.content_type)
        account.files.append(self)


class Accounted:
    """Puts a file into the account: when it fails within, or in any case if ``closing``."""

    __slots__ = ("_account", "_closing", "_facts")

    def __init__(self, facts: Facts, account: Account, *, closing: bool) -> None:
        self._facts = facts
        self._account = account
        self._closing = closing

    def __enter__(self) -> None:
        self._account.file = self._facts

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
            facts.end(self._account)


def outcome_of(refusal: Refusal) -> Outcome:
    """How what is refused like this ends."""
    return Outcome.FAILED if refusal.is_failure else Outcome.REFUSED


def judged_by_mattermost(status: int) -> tuple[Outcome, str]:
    """Outcome and reason of an answer that Mattermost gave."""
    if status < 400:
        return ACCEPTED, "none"
    if status < 500:
        return Outcome.REFUSED, "mattermost_refused"
    return Outcome.FAILED, "mattermost_failed"
