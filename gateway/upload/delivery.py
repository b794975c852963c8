"""One file on its way: received, inspected, judged, reserved, forwarded, settled."""

import re
from collections.abc import Callable
from urllib.parse import quote

from gateway.accounting import Account, Stage
from gateway.body.spool import Spool
from gateway.ledger.quotas import Amount, QuotaExceeded, Reservation
from gateway.policy.rules import Metadata
from gateway.policy.ruleset import Decision
from gateway.refusals import Refused, file_too_large
from gateway.upload.booking import Booking, Taker
from gateway.upload.facts import Accounted, Facts, judged_by_mattermost
from gateway.upload.form import FORM_ROOM
from gateway.upload.incoming import IncomingFile, Ready, Together, WaitingFile
from gateway.upload.judging import Judge
from gateway.upload.receive import Held, Limit
from gateway.upload.reception import Reception, at_rest
from gateway.upload.request import (
    Answer,
    Caller,
    FileTarget,
    Onward,
    Passage,
    RowTarget,
    Sender,
)
from gateway.upload.rulings import Rulings
from gateway.upload.transfer import Transfer
from gateway.upstream.connection import UpstreamError
from gateway.upstream.exchange import Content
from gateway.upstream.mattermost import Mattermost
from gateway.values import QUERY

_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*")
"""What needs no percent-encoding (RFC 3986, 2.3), as most names do not."""


class Delivery:
    """Delivers files to Mattermost, each by the same steps."""

    def __init__(
        self,
        *,
        endpoint: str,
        mattermost: Mattermost,
        rulings: Rulings,
        reception: Reception,
        booking: Booking,
        count_exchange: Callable[[str], None],
    ) -> None:
        """``endpoint`` is what rules call it."""
        self._endpoint = endpoint
        self._mattermost = mattermost
        self._rulings = rulings
        self._reception = reception
        self._booking = booking
        self._count_exchange = count_exchange

    async def decide(self, sender: Sender, target: FileTarget | RowTarget) -> Decision:
        """By what a file is judged. Raises Refused and UpstreamError."""
        return await self._rulings.decide(self._endpoint, sender, target)

    def decide_later(self, sender: Sender) -> Decision | None:
        """For files of which it is not known yet where they go; None if that is no matter."""
        return self._rulings.before(self._endpoint, sender)

    async def deliver(self, caller: Caller, file: IncomingFile, account: Account) -> Answer:
        """Mattermost's answer to ``file``, whose outcome is added to ``account``.

        Raises Refused, UpstreamError and ClientGone.
        """
        facts = Facts(file.target.name, file.size)
        with Accounted(facts, account, closing=True), Held() as held:
            plain = self._rulings.plain(self._endpoint, caller.sender)
            judge = Judge(plain or await self.decide(caller.sender, file.target), facts)
            head = await self._reception.read_head(file, judge, account)
            ready = await self._reception.make_ready(file, head, judge, held, account)
            taker = _taker(caller.sender, file.target, judge.decision)
            ready, reservation = await self._reserve(taker, ready, held, account)
            return await self._forward(caller, file.target, ready, reservation, facts, account)

    async def room(self, sender: Sender, decision: Decision, account: Account) -> Limit | None:
        """What quotas leave for files of which it is not known where they go; None if that is not
        known. Raises Refused if nothing is left, or the ledger cannot tell."""
        taker = _taker(sender, FileTarget("", "", ""), decision)
        if taker is None:
            return None
        try:
            room = await self._booking.room(taker, account)
        except QuotaExceeded as exceeded:
            raise Refused(self._booking.refusal(exceeded)) from exceeded
        # What loses its metadata may become small enough.
        return room if decision.policy.metadata is Metadata.KEEP else None

    async def receive(
        self,
        file: IncomingFile,
        decision: Decision,
        held: Held,
        memory: int,
        account: Account,
        room: Limit | None = None,
    ) -> WaitingFile:
        """Receive ``file`` whole, keeping ``memory`` bytes at most off the disk, until ``held``
        is closed; no more than there is ``room`` for.

        Raises Refused and ClientGone.
        """
        facts = Facts(file.target.name, None)
        with Accounted(facts, account, closing=False):
            judge = Judge(decision, facts)
            return await self._reception.receive_all(file, judge, held, memory, account, room)

    async def deliver_waiting(
        self,
        caller: Caller,
        target: FileTarget,
        waiting: WaitingFile,
        decision: Decision | None,
        held: Held,
        account: Account,
    ) -> Answer:
        """Mattermost's answer to a file that was received before; ``decision`` is by what it is
        judged, if that has not been done yet. Raises as ``deliver`` does."""
        with Accounted(waiting.facts, account, closing=True):
            if decision is not None:
                judge = Judge(decision, waiting.facts)
                await self._reception.judge_anew(waiting, judge, held, account)
            ready = at_rest(waiting.whole)
            taker = _taker(caller.sender, target, decision or waiting.decision)
            ready, reservation = await self._reserve(taker, ready, held, account)
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
        facts = Facts(form.target.name, together.size)
        ready = Ready(content, together.size)
        taker, files = _taker(caller.sender, form.target, together.decision), len(together.files)
        ready, reservation = await self._reserve(taker, ready, held, account, files)
        answer = await self._forward(caller, form.target, ready, reservation, facts, account)
        together.end(facts.outcome, facts.reason)
        return answer

    def judge_form(
        self,
        decision: Decision,
        name: str,
        length: int | None,
        account: Account,
        room: int = FORM_ROOM,
    ) -> None:
        """Raises Refused if the file, for now called ``name``, in a form of ``length`` bytes,
        of which ``room`` are not the file's, is too large for certain."""
        limit = decision.policy.max_file_size
        if length is not None and length > limit + room:
            facts = Facts(name, None)
            with Accounted(facts, account, closing=False):
                raise Refused(Judge(decision, facts).worded(file_too_large(name, None, limit)))

    async def relay(
        self, sender: Sender, file: IncomingFile, onward: Onward, account: Account
    ) -> None:
        """Let the request, whose body is ``file``, go ``onward``, and account for the file.

        Raises Refused, UpstreamError and ClientGone.
        """
        facts = Facts(file.target.name, file.size)
        with Accounted(facts, account, closing=True), Held() as held:
            judge = Judge(await self.decide(sender, file.target), facts)
            head = await self._reception.read_head(file, judge, account)
            ready = await self._reception.make_ready(file, head, judge, held, account)
            taker = _taker(sender, file.target, judge.decision)
            ready, reservation = await self._reserve(taker, ready, held, account)
            passage = Passage(ready.content)
            try:
                await self._pass(passage, ready, reservation, onward, account)
            finally:
                facts.size = ready.stored
            facts.outcome, facts.reason = judged_by_mattermost(passage.status)

    def spool(self, held: Held) -> Spool:
        """An empty one, until ``held`` is closed."""
        return self._reception.spool(held)

    async def receive_into(
        self,
        spool: Spool,
        file: IncomingFile,
        together: Together,
        account: Account,
    ) -> None:
        """Receive and judge ``file``, which belongs to those that are ``together``.

        These may be as large as one. Raises Refused and ClientGone.
        """
        facts = Facts(file.target.name, None)
        with Accounted(facts, account, closing=False):
            most = together.decision.policy.max_file_size - together.size
            judge = Judge(together.decision, facts)
            await self._reception.receive_into(spool, file, judge, most, account)
        together.files.append(facts)

    async def relay_form(
        self,
        sender: Sender,
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
        ready = Ready(passage.content, together.size)
        if together.files:
            taker, files = _taker(sender, form.target, together.decision), len(together.files)
            _, reservation = await self._reserve(taker, ready, held, account, files)
        await self._pass(passage, ready, reservation, onward, account)
        together.end(*judged_by_mattermost(passage.status))

    async def _reserve(
        self,
        taker: Taker | None,
        ready: Ready,
        held: Held,
        account: Account,
        files: int = 1,
    ) -> tuple[Ready, Reservation | None]:
        if taker is None:
            return ready, None
        account.enter(Stage.RESERVE)
        try:
            wanted = Amount(ready.at_most, files)
            due = ready.sent_at_once
            return ready, await self._booking.reserve(taker, wanted, account, due=due)
        except QuotaExceeded as exceeded:
            refusal = self._booking.refusal(exceeded)
            if ready.source is None or exceeded.claim.quota.unit != "bytes":
                raise Refused(refusal) from exceeded
            # Only the bound does not fit; the file itself may.
            limit = Limit(exceeded.remaining, refusal)
        ready = await self._reception.receive_rest(ready, ready.source, limit, held)
        return await self._reserve(taker, ready, held, account, files)

    async def _forward(
        self,
        caller: Caller,
        target: FileTarget | RowTarget,
        ready: Ready,
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
            self._left_due(ready.content, ready, reservation, account),
        )
        try:
            answer = await transfer.answer()
            facts.outcome, facts.reason = judged_by_mattermost(answer.status)
            facts.answer = answer.body
            return answer
        finally:
            facts.size = ready.stored
            if reservation is not None:
                account.enter(Stage.SETTLE)
                stored = ready.stored if transfer.may_be_stored else None
                await self._booking.settle(reservation, stored, account)

    async def _pass(
        self,
        passage: Passage,
        ready: Ready,
        reservation: Reservation | None,
        onward: Onward,
        account: Account,
    ) -> None:
        account.enter(Stage.FORWARD)
        passage.content = self._left_due(passage.content, ready, reservation, account)
        try:
            await onward(passage)
            self._count_exchange(f"{passage.status // 100}xx")
        except UpstreamError as error:
            self._count_exchange(error.refusal.reason)
            raise
        finally:
            if reservation is not None:
                account.enter(Stage.SETTLE)
                stored = ready.stored if passage.may_be_stored else None
                await self._booking.settle(reservation, stored, account)

    def _left_due(
        self, content: Content, ready: Ready, reservation: Reservation | None, account: Account
    ) -> Content:
        """``content``, of which the ledger is told before the last of it is sent."""
        if reservation is None or ready.sent_at_once:
            return content

        async def tell() -> None:
            await self._booking.leave_due(reservation, ready.stored, account)

        return content._replace(before_end=tell)

    def _request_target(self, caller: Caller, target: FileTarget | RowTarget) -> bytes:
        if isinstance(target, RowTarget):
            return target.request_target
        query = f"channel_id={target.channel_id}&filename={_quoted(target.name)}"
        if target.client_id:
            query += f"&client_id={_quoted(target.client_id)}"
        if caller.credential.kind is QUERY:
            query += f"&access_token={_quoted(caller.credential.token)}"
        return f"{self._mattermost.subpath}/api/v4/files?{query}".encode()


def _taker(sender: Sender, target: FileTarget | RowTarget, decision: Decision) -> Taker | None:
    """Who takes from quotas, if there are any; strangers do not."""
    quotas = decision.policy.quotas
    return Taker(sender, target, quotas) if quotas and sender.identity is not None else None


def _quoted(value: str) -> str:
    return value if _UNRESERVED.fullmatch(value) else quote(value, safe="")
