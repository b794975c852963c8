"""One file on its way: received, inspected, judged, reserved, forwarded, settled."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote

from gateway.accounting import Account, FileAccount, Stage
from gateway.body.spool import BLOCK_BYTES, Spool, SpoolArea
from gateway.inspection.detector import HEAD_SIZE, UNKNOWN, Detector
from gateway.ledger.quotas import (
    Claim,
    LedgerUnavailable,
    Quota,
    QuotaExceeded,
    Reservation,
    claims,
)
from gateway.ledger.sqlite import SQLiteLedger
from gateway.policy.groups import group_of
from gateway.policy.judge import judge_content, judge_declaration
from gateway.policy.rules import Policy
from gateway.refusals import (
    Refusal,
    Refused,
    file_too_large,
    ledger_unavailable,
    quota_exceeded,
)
from gateway.upload.request import Answer, Caller, ClientGone, FileTarget, RowTarget, Source
from gateway.upstream.connection import Broken, RawHeaders, Response, UpstreamError
from gateway.upstream.exchange import Content, Exchange
from gateway.upstream.mattermost import Mattermost
from gateway.values import CredentialKind, Outcome

FORM_ROOM = 64 * 1024
"""Bytes that a form which Mattermost reads whole may have beside its files."""
_ANSWER_LIMIT = 1024 * 1024
_RETRY_LEDGER_AFTER = 5

# Of Mattermost's answer these belong to its connection, or are the gateway's to say.
_NOT_PASSED_ON = frozenset(
    {
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"transfer-encoding",
        b"x-request-id",
    }
)


class IncomingFile(NamedTuple):
    """A file about to be received."""

    target: FileTarget | RowTarget
    source: Source
    size: int | None
    """Bytes, where the request tells exactly."""
    bound: int | None
    """Bytes that it cannot exceed, as the rest of the body tells; None if nothing does."""


class _Ready(NamedTuple):
    """A file that could be sent now."""

    content: Content
    size: int | None
    """Bytes, if known by now; otherwise ``source`` tells in the end."""
    at_most: int
    """Bytes to reserve."""
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class _Limit:
    """How much may be received, and what is said to more."""

    size: int
    refusal: Refusal


@dataclass(slots=True)
class _Facts:
    """What becomes known of a file, for its account."""

    name: str
    size: int | None
    content_type: str = UNKNOWN
    outcome: Outcome = Outcome.FAILED
    reason: str = "internal_error"

    def account(self) -> FileAccount:
        group = group_of(self.content_type)
        return FileAccount(
            self.name, group, self.content_type, self.outcome, self.reason, self.size
        )


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file that was received, inspected and judged, and waits for the rest of its form."""

    file: IncomingFile
    ready: _Ready
    facts: _Facts
    in_memory: int
    """Bytes."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.ready.at_most

    async def read(self) -> bytes:
        """The next piece of the content, empty at its end. Raises Refused."""
        return await self.ready.content.rest() if self.ready.content.rest else b""


class Together:
    """Files of one form, which share its fate: at the end each is put into the account."""

    __slots__ = ("_account", "files")

    def __init__(self, account: Account) -> None:
        self._account = account
        self.files: list[WaitingFile] = []

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(file.size for file in self.files)

    @property
    def in_memory(self) -> int:
        """Bytes."""
        return sum(file.in_memory for file in self.files)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in self.files:
            accounted = _Accounted(file.facts, self._account, closing=True)
            accounted.__exit__(kind, error, traceback)


class Held:
    """Spools to be closed at the end; an ExitStack costs more than most uploads need."""

    __slots__ = ("_spools",)

    def __init__(self) -> None:
        self._spools: list[Spool] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for spool in self._spools:
            spool.close()

    def add(self, spool: Spool) -> Spool:
        self._spools.append(spool)
        return spool


class Delivery:
    """Delivers files to Mattermost, each by the same steps."""

    def __init__(
        self,
        *,
        mattermost: Mattermost,
        detector: Detector,
        policy: Policy,
        quotas: Sequence[Quota],
        ledger: SQLiteLedger,
        spools: SpoolArea,
        count_exchange: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._mattermost = mattermost
        self._detector = detector
        self._policy = policy
        self._quotas = quotas
        self._ledger = ledger
        self._spools = spools
        self._count_exchange = count_exchange
        self._now = now

    @property
    def largest(self) -> int:
        """Bytes of the largest file that may pass."""
        return self._policy.max_file_size

    async def deliver(self, caller: Caller, file: IncomingFile, account: Account) -> Answer:
        """Mattermost's answer to ``file``, whose outcome is added to ``account``.

        Raises Refused, UpstreamError and ClientGone.
        """
        facts = _Facts(file.target.name, file.size)
        with _Accounted(facts, account, closing=True), Held() as held:
            head = await self._receive_head(file, facts, account)
            ready = await self._make_ready(file, head, held)
            ready, reservation = await self._reserve(caller, file, ready, held, account)
            return await self._forward(caller, file.target, ready, reservation, facts, account)

    async def receive(
        self, file: IncomingFile, held: Held, memory: int, account: Account
    ) -> WaitingFile:
        """Receive ``file`` whole, keeping ``memory`` bytes at most off the disk, until ``held``
        is closed.

        Raises Refused and ClientGone.
        """
        facts = _Facts(file.target.name, None)
        with _Accounted(facts, account, closing=False):
            head = await self._receive_head(file, facts, account)
            ready, spool = await self._spool(file, head, self._limit(file), held, memory)
            facts.size = ready.size
            return WaitingFile(file, ready, facts, spool.in_memory)

    async def deliver_waiting(
        self,
        caller: Caller,
        target: FileTarget,
        waiting: WaitingFile,
        held: Held,
        account: Account,
    ) -> Answer:
        """Mattermost's answer to a file that was received before. Raises as ``deliver`` does."""
        with _Accounted(waiting.facts, account, closing=True):
            ready, reservation = await self._reserve(
                caller, waiting.file, waiting.ready, held, account
            )
            return await self._forward(caller, target, ready, reservation, waiting.facts, account)

    async def deliver_form(
        self,
        caller: Caller,
        form: IncomingFile,
        content: Content,
        together: Together,
        held: Held,
        account: Account,
    ) -> Answer:
        """Mattermost's answer to ``content``, a form with the files that are ``together``.

        ``form`` stands for all of them. Raises as ``deliver`` does.
        """
        whole = _Facts(form.target.name, together.size)
        ready = _Ready(content, together.size, together.size)
        ready, reservation = await self._reserve(caller, form, ready, held, account)
        answer = await self._forward(caller, form.target, ready, reservation, whole, account)
        for file in together.files:
            file.facts.outcome, file.facts.reason = whole.outcome, whole.reason
        return answer

    def judge_form(self, name: str, length: int | None, account: Account) -> None:
        """Raises Refused if the file, for now called ``name``, in a form of ``length`` bytes is
        too large for certain."""
        limit = self._policy.max_file_size
        if length is not None and length > limit + FORM_ROOM:
            with _Accounted(_Facts(name, None), account, closing=False):
                raise Refused(file_too_large(name, None, limit))

    async def _receive_head(self, file: IncomingFile, facts: _Facts, account: Account) -> bytes:
        self._judge_declaration(file.target.name, file.size)
        account.enter(Stage.RECEIVE)
        head = await _read_head(file.source)
        account.enter(Stage.INSPECT)
        facts.content_type = self._detector.detect(head[:HEAD_SIZE])
        refusal = judge_content(self._policy, file.target.name, facts.content_type)
        if refusal is not None:
            raise Refused(refusal)
        account.enter(Stage.RECEIVE)
        return head

    def _judge_declaration(self, name: str, size: int | None) -> None:
        refusal = judge_declaration(self._policy, name, size)
        if refusal is not None:
            raise Refused(refusal)

    def _limit(self, file: IncomingFile) -> "_Limit":
        limit = self._policy.max_file_size
        return _Limit(limit, file_too_large(file.target.name, None, limit))

    async def _make_ready(self, file: IncomingFile, head: bytes, held: Held) -> _Ready:
        """Nothing is sent before it is certain that the file is not too large."""
        if file.source.ended:
            if file.size is None:
                self._judge_declaration(file.target.name, len(head))
            return _whole(head)
        if file.size is not None:
            rest = Content(head, file.source.read, file.size, file.source.pour)
            return _Ready(rest, file.size, file.size)
        if file.bound is not None and file.bound <= self._policy.max_file_size:
            return _Ready(Content(head, file.source.read, None), None, file.bound, file.source)
        ready, _ = await self._spool(file, head, self._limit(file), held)
        return ready

    async def _spool(
        self,
        file: IncomingFile,
        head: bytes,
        limit: "_Limit",
        held: Held,
        memory: int = BLOCK_BYTES,
    ) -> tuple[_Ready, Spool]:
        """Receive the whole file before anything else. Raises Refused past ``limit``."""
        spool = held.add(Spool(self._spools, memory_bytes=memory))
        piece = head
        while piece:
            await spool.write(piece)
            if spool.size > limit.size:
                raise Refused(limit.refusal)
            piece = await file.source.read()
        await spool.seal()
        return _Ready(_spooled(spool), spool.size, spool.size), spool

    async def _reserve(
        self,
        caller: Caller,
        file: IncomingFile,
        ready: _Ready,
        held: Held,
        account: Account,
    ) -> tuple[_Ready, Reservation | None]:
        if not self._quotas:
            return ready, None
        account.enter(Stage.RESERVE)
        try:
            return ready, await self._ledger.reserve(self._claims(caller, ready.at_most))
        except LedgerUnavailable as error:
            raise Refused(ledger_unavailable(_RETRY_LEDGER_AFTER)) from error
        except QuotaExceeded as exceeded:
            refusal = _quota_refusal(exceeded, self._now())
            if ready.size is not None:
                raise Refused(refusal) from exceeded
            # Only the bound does not fit; the file itself may.
            limit = _Limit(exceeded.remaining, refusal)
        ready, _ = await self._spool(file, ready.content.first, limit, held)
        return await self._reserve(caller, file, ready, held, account)

    def _claims(self, caller: Caller, amount: int) -> tuple[Claim, ...]:
        user_id = caller.identity.user_id
        return claims(self._quotas, user_id=user_id, amount=amount, now=self._now())

    async def _forward(
        self,
        caller: Caller,
        target: FileTarget | RowTarget,
        ready: _Ready,
        reservation: Reservation | None,
        facts: _Facts,
        account: Account,
    ) -> Answer:
        account.enter(Stage.FORWARD)
        exchange = self._mattermost.exchange(
            b"POST", self._request_target(caller, target), caller.head, ready.content
        )
        response: Response | None = None
        try:
            response = await exchange.send()
            if response.status < 300 and not exchange.delivered:
                raise Broken("Mattermost accepted a file before it had all of it")
            body = await response.read(_ANSWER_LIMIT, self._mattermost.timeout)
            self._count_exchange(f"{response.status // 100}xx")
            facts.outcome, facts.reason = judged_by_mattermost(response.status)
            return Answer(response.status, _passed_on(response.headers), body)
        except UpstreamError as error:
            self._count_exchange(error.refusal.reason)
            raise
        finally:
            exchange.close()
            size = ready.size if ready.source is None else ready.source.received
            facts.size = size
            if reservation is not None:
                account.enter(Stage.SETTLE)
                stored = _may_be_stored(exchange, response)
                await self._settle(reservation, size if stored and size else 0, account)

    async def _settle(self, reservation: Reservation, stored: int, account: Account) -> None:
        try:
            await self._ledger.settle(reservation, stored)
        except LedgerUnavailable as error:
            # The file's fate is decided; the ledger books it as soon as it can.
            account.detail = f"settle: {error}"

    def _request_target(self, caller: Caller, target: FileTarget | RowTarget) -> bytes:
        if isinstance(target, RowTarget):
            return target.request_target
        query = f"channel_id={target.channel_id}&filename={quote(target.name, safe='')}"
        if target.client_id:
            query += f"&client_id={quote(target.client_id, safe='')}"
        if caller.credential.kind is CredentialKind.QUERY:
            query += f"&access_token={quote(caller.credential.token, safe='')}"
        return f"{self._mattermost.subpath}/api/v4/files?{query}".encode()


async def _read_head(source: Source) -> bytes:
    """At least as much of the file as inspection wants, or all of it."""
    head = await source.read()
    if len(head) >= HEAD_SIZE or source.ended:
        return head
    pieces, size = [head], len(head)
    while size < HEAD_SIZE and not source.ended:
        piece = await source.read()
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _whole(content: bytes) -> _Ready:
    # An empty raw body with its length is refused by Mattermost; an empty file is not.
    size = len(content)
    return _Ready(Content(content, None, size or None), size, size)


def _spooled(spool: Spool) -> Content:
    if not spool.size:
        return Content(b"", None, None)
    offset = 0

    async def read() -> bytes:
        # A read that is cancelled has read nothing: it can be done again on a new connection.
        nonlocal offset
        chunk = await spool.read_at(offset)
        offset += len(chunk)
        return chunk

    return Content(b"", read, spool.size)


def _passed_on(headers: RawHeaders) -> RawHeaders:
    return [header for header in headers if header[0] not in _NOT_PASSED_ON]


def _may_be_stored(exchange: Exchange, response: Response | None) -> bool:
    """A file that was sent whole and never answered may be stored, and counts as if it were."""
    return exchange.delivered and (response is None or response.status < 300)


class _Accounted:
    """Puts a file into the account: when it fails within, or in any case if ``closing``."""

    __slots__ = ("_account", "_closing", "_facts")

    def __init__(self, facts: _Facts, account: Account, *, closing: bool) -> None:
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
    """A 5xx is the gateway's or Mattermost's failure, everything else a refusal."""
    return Outcome.FAILED if refusal.status >= 500 else Outcome.REFUSED


def judged_by_mattermost(status: int) -> tuple[Outcome, str]:
    """Outcome and reason of an answer that Mattermost gave."""
    if status < 400:
        return Outcome.ACCEPTED, "none"
    if status < 500:
        return Outcome.REFUSED, "mattermost_refused"
    return Outcome.FAILED, "mattermost_failed"


def _quota_refusal(exceeded: QuotaExceeded, now: float) -> Refusal:
    end = exceeded.claim.window.end
    return quota_exceeded(
        used=exceeded.used,
        limit=exceeded.claim.limit,
        period="today",
        resets_at=f"{datetime.fromtimestamp(end, UTC):%H:%M} UTC",
        retry_after=max(1, ceil(end - now)),
    )
