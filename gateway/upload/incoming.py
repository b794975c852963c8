"""Files on their way in: about to be received, ready to be sent, or waiting for their form."""

from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

from gateway.accounting import Account
from gateway.body.spool import BLOCK_BYTES, Whole
from gateway.policy.ruleset import Decision
from gateway.upload.facts import Accounted, Facts
from gateway.upload.request import FileTarget, RowTarget, Source
from gateway.upstream.exchange import Content
from gateway.values import Outcome


class IncomingFile(NamedTuple):
    """A file about to be received."""

    target: FileTarget | RowTarget
    source: Source
    size: int | None
    """Bytes, where the request tells exactly."""
    bound: int | None
    """Bytes that it cannot exceed, as the rest of the body tells; None if nothing does."""
    declared: str | None = None
    """The type that the client says it has."""
    keeps_size: bool = False
    """Whether what goes on has to be as large as what came."""


class Ready(NamedTuple):
    """A file that could be sent now."""

    content: Content
    at_most: int
    """Bytes to reserve; as many as it has, unless there is a source."""
    source: Source | None = None
    """What tells in the end how many they were, where that is not known by now."""

    @property
    def sent_at_once(self) -> bool:
        """Whether all of it is on its way as soon as it may be: there is no client to wait for."""
        content = self.content
        return content.rest is None or (content.check is None and self.at_most <= BLOCK_BYTES)

    @property
    def stored(self) -> int:
        """Bytes that were sent, once it was."""
        return self.at_most if self.source is None else self.source.received


@dataclass(slots=True)
class WaitingFile:
    """A file that was received, inspected and judged, and waits for the rest of its form."""

    file: IncomingFile
    whole: Whole
    facts: Facts
    decision: Decision
    """By what it was judged first."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.whole.size


class Together:
    """Files of one form, which share its fate: at the end each is put into the account."""

    __slots__ = ("_account", "decision", "files")

    def __init__(self, account: Account, decision: Decision) -> None:
        self._account = account
        self.decision = decision
        self.files: list[Facts] = []

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(file.size or 0 for file in self.files)

    def end(self, outcome: Outcome, reason: str) -> None:
        for file in self.files:
            file.outcome, file.reason = outcome, reason

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in self.files:
            accounted = Accounted(file, self._account, closing=True)
            accounted.__exit__(kind, error, traceback)
