"""One file on its way: received, inspected, judged, reserved, forwarded, settled."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote

from gateway.accounting import Account, Stage
from gateway.body.spool import BLOCK_BYTES, Spool, SpoolArea
from gateway.inspection.detector import HEAD_SIZE, Detector
from gateway.ledger.quotas import QuotaExceeded, Reservation
from gateway.policy.judge import judge_content, judge_declaration, unkept_promise
from gateway.policy.rules import Policy
from gateway.refusals import Refused, file_too_large
from gateway.upload.booking import Booking
from gateway.upload.facts import Accounted, Facts, judged_by_mattermost
from gateway.upload.form import FORM_ROOM
from gateway.upload.receive import Held, Limit, append, fill, read_head, spooled
from gateway.upload.request import (
    Answer,
    Caller,
    FileTarget,
    Onward,
    Passage,
    RowTarget,
    Source,
)
from gateway.upload.transfer import Transfer
from gateway.upstream.connection import UpstreamError
from gateway.upstream.exchange import Content
from gateway.upstream.mattermost import Mattermost
from gateway.values import CredentialKind, Outcome

_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*")
"""What needs no percent-encoding (RFC 3986, 2.3), as most names do not."""


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


class _Ready(NamedTuple):
    """A file that could be sent now."""

    content: Content
    size: int | None
    """Bytes, if known by now; otherwise ``source`` tells in the end."""
    at_most: int
    """Bytes to reserve."""
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file that was received, inspected and judged, and waits for the rest of its form."""

    file: IncomingFile
    ready: _Ready
    facts: Facts
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


class Delivery:
    """Delivers files to Mattermost, each by the same steps."""

    def __init__(
        self,
        *,
        mattermost: Mattermost,
        detector: Detector,
        policy: Policy,
        booking: Booking,
        spools: SpoolArea,
        count_exchange: Callable[[str], None],
    ) -> None:
        self._mattermost = mattermost
        self._detector = detector
        self._policy = policy
        self._booking = booking
        self._spools = spools
        self._count_exchange = count_exchange

    @property
    def largest(self) -> int:
        """Bytes of the largest file that may pass."""
        return self._policy.max_file_size

    async def deliver(self, caller: Caller, file: IncomingFile, account: Account) -> Answer:
        """Mattermost's answer to ``file``, whose outcome is added to ``account``.

        Raises Refused, UpstreamError and ClientGone.
        """
        facts = Facts(file.target.name, file.size)
        with Accounted(facts, account, closing=True), Held() as held:
            head = await self._receive_head(file, facts, account)
            ready = await self._make_ready(file, head, held)
            user_id = caller.identity.user_id
            ready, reservation = await self._reserve(user_id, file, ready, held, account)
            return await self._forward(caller, file.target, ready, reservation, facts, account)

    async def receive(
        self, file: IncomingFile, held: Held, memory: int, account: Account
    ) -> WaitingFile:
        """Receive ``file`` whole, keeping ``memory`` bytes at most off the disk, until ``held``
        is closed.

        Raises Refused and ClientGone.
        """
        facts = Facts(file.target.name, None)
        with Accounted(facts, account, closing=False):
            head = await self._receive_head(file, facts, account)
            # Others get their turn: inspection takes milliseconds, and a form may have many files.
            await asyncio.sleep(0)
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
        with Accounted(waiting.facts, account, closing=True):
            user_id = caller.identity.user_id
            ready, reservation = await self._reserve(
                user_id, waiting.file, waiting.ready, held, account
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
        whole = Facts(form.target.name, together.size)
        ready = _Ready(content, together.size, together.size)
        user_id = caller.identity.user_id
        ready, reservation = await self._reserve(user_id, form, ready, held, account)
        answer = await self._forward(caller, form.target, ready, reservation, whole, account)
        together.end(whole.outcome, whole.reason)
        return answer

    def judge_form(
        self, name: str, length: int | None, account: Account, room: int = FORM_ROOM
    ) -> None:
        """Raises Refused if the file, for now called ``name``, in a form of ``length`` bytes,
        of which ``room`` are not the file's, is too large for certain."""
        limit = self._policy.max_file_size
        if length is not None and length > limit + room:
            with Accounted(Facts(name, None), account, closing=False):
                raise Refused(file_too_large(name, None, limit))

    async def relay(
        self, user_id: str, file: IncomingFile, onward: Onward, account: Account
    ) -> None:
        """Let the request, whose body is ``file``, go ``onward``, and account for the file.

        Raises Refused, UpstreamError and ClientGone.
        """
        facts = Facts(file.target.name, file.size)
        with Accounted(facts, account, closing=True), Held() as held:
            head = await self._receive_head(file, facts, account)
            ready = await self._make_ready(file, head, held)
            facts.size = ready.size
            ready, reservation = await self._reserve(user_id, file, ready, held, account)
            passage = Passage(ready.content)
            await self._pass(passage, ready.at_most, reservation, onward, account)
            facts.outcome, facts.reason = judged_by_mattermost(passage.status)

    def spool(self, held: Held) -> Spool:
        """An empty one, until ``held`` is closed."""
        return held.add(Spool(self._spools))

    async def receive_into(
        self, spool: Spool, file: IncomingFile, together: Together, account: Account
    ) -> None:
        """Receive and judge ``file``, which belongs to those that are ``together``.

        These may be as large as one. Raises Refused and ClientGone.
        """
        facts = Facts(file.target.name, None)
        with Accounted(facts, account, closing=False):
            head = await self._receive_head(file, facts, account)
            await asyncio.sleep(0)  # as in ``receive``
            limit = Limit(self.largest - together.size, self._limit(file).refusal)
            facts.size = await append(spool, head, file.source, limit)
        together.files.append(facts)

    async def relay_form(
        self,
        user_id: str,
        form: IncomingFile,
        passage: Passage,
        together: Together,
        held: Held,
        onward: Onward,
        account: Account,
    ) -> None:
        """Let a request go ``onward`` with a form that has the files that are ``together``.

        ``form`` stands for all of them. Raises as ``relay`` does.
        """
        reservation = None
        if together.files:
            ready = _Ready(passage.content, together.size, together.size)
            _, reservation = await self._reserve(user_id, form, ready, held, account)
        await self._pass(passage, together.size, reservation, onward, account)
        together.end(*judged_by_mattermost(passage.status))

    async def _receive_head(self, file: IncomingFile, facts: Facts, account: Account) -> bytes:
        self._judge_declaration(file.target.name, file.size)
        account.enter(Stage.RECEIVE)
        head = await read_head(file.source)
        account.enter(Stage.INSPECT)
        facts.content_type = self._detector.detect(head[:HEAD_SIZE])
        name, content_type = file.target.name, facts.content_type
        facts.promised = unkept_promise(self._policy, name, content_type)
        refusal = judge_content(self._policy, name, content_type, file.declared)
        if refusal is not None:
            raise Refused(refusal)
        account.enter(Stage.RECEIVE)
        return head

    def _judge_declaration(self, name: str, size: int | None) -> None:
        refusal = judge_declaration(self._policy, name, size)
        if refusal is not None:
            raise Refused(refusal)

    def _limit(self, file: IncomingFile) -> Limit:
        limit = self._policy.max_file_size
        return Limit(limit, file_too_large(file.target.name, None, limit))

    async def _make_ready(self, file: IncomingFile, head: bytes, held: Held) -> _Ready:
        """Nothing is sent before it is certain that the file is not too large."""
        if file.source.ended:
            if file.size is None:
                self._judge_declaration(file.target.name, len(head))
            return _whole(head)
        if file.size is not None:
            source = file.source
            rest = Content(head, source.read_on, file.size, source.pour, source.check)
            return _Ready(rest, file.size, file.size)
        if file.bound is not None and file.bound <= self._policy.max_file_size:
            rest = Content(head, file.source.read_on, None, None, file.source.check)
            return _Ready(rest, None, file.bound, file.source)
        ready, _ = await self._spool(file, head, self._limit(file), held)
        return ready

    async def _spool(
        self,
        file: IncomingFile,
        head: bytes,
        limit: Limit,
        held: Held,
        memory: int = BLOCK_BYTES,
    ) -> tuple[_Ready, Spool]:
        """Receive the whole file before anything else. Raises Refused past ``limit``."""
        spool = held.add(Spool(self._spools, memory_bytes=memory))
        await fill(spool, head, file.source, limit)
        return _Ready(spooled(spool), spool.size, spool.size), spool

    async def _reserve(
        self,
        user_id: str,
        file: IncomingFile,
        ready: _Ready,
        held: Held,
        account: Account,
    ) -> tuple[_Ready, Reservation | None]:
        if not self._booking.quotas:
            return ready, None
        account.enter(Stage.RESERVE)
        try:
            return ready, await self._booking.reserve(user_id, ready.at_most)
        except QuotaExceeded as exceeded:
            refusal = self._booking.refusal(exceeded)
            if ready.size is not None:
                raise Refused(refusal) from exceeded
            # Only the bound does not fit; the file itself may.
            limit = Limit(exceeded.remaining, refusal)
        ready, _ = await self._spool(file, ready.content.first, limit, held)
        return await self._reserve(user_id, file, ready, held, account)

    async def _forward(
        self,
        caller: Caller,
        target: FileTarget | RowTarget,
        ready: _Ready,
        reservation: Reservation | None,
        facts: Facts,
        account: Account,
    ) -> Answer:
        account.enter(Stage.FORWARD)
        transfer = Transfer(
            self._mattermost,
            self._count_exchange,
            self._request_target(caller, target),
            caller.head,
            ready.content,
        )
        try:
            answer = await transfer.answer()
            facts.outcome, facts.reason = judged_by_mattermost(answer.status)
            return answer
        finally:
            size = ready.size if ready.source is None else ready.source.received
            facts.size = size
            if reservation is not None:
                account.enter(Stage.SETTLE)
                stored = size if size and transfer.may_be_stored else 0
                await self._booking.settle(reservation, stored, account)

    async def _pass(
        self,
        passage: Passage,
        size: int,
        reservation: Reservation | None,
        onward: Onward,
        account: Account,
    ) -> None:
        account.enter(Stage.FORWARD)
        try:
            await onward(passage)
            self._count_exchange(f"{passage.status // 100}xx")
        except UpstreamError as error:
            self._count_exchange(error.refusal.reason)
            raise
        finally:
            if reservation is not None:
                account.enter(Stage.SETTLE)
                stored = size if passage.may_be_stored else 0
                await self._booking.settle(reservation, stored, account)

    def _request_target(self, caller: Caller, target: FileTarget | RowTarget) -> bytes:
        if isinstance(target, RowTarget):
            return target.request_target
        query = f"channel_id={target.channel_id}&filename={_quoted(target.name)}"
        if target.client_id:
            query += f"&client_id={_quoted(target.client_id)}"
        if caller.credential.kind is CredentialKind.QUERY:
            query += f"&access_token={_quoted(caller.credential.token)}"
        return f"{self._mattermost.subpath}/api/v4/files?{query}".encode()


def _quoted(value: str) -> str:
    return value if _UNRESERVED.fullmatch(value) else quote(value, safe="")


def _whole(content: bytes) -> _Ready:
    # An empty raw body with its length is refused by Mattermost; an empty file is not.
    size = len(content)
    return _Ready(Content(content, None, size or None), size, size)
