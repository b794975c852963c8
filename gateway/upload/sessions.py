"""The story of an upload session: declared, sent in any number of chunks, complete.

Each chunk may come to another process, so that what was decided is in the ledger: what was
declared of the file, what it holds of its user's quotas, and the verdict on its beginning.

No byte goes on without that verdict. The first chunk brings the head, which is judged before any
of it is forwarded; the verdict is on record before that, and stays the session's only one:
whatever Mattermost has kept of a chunk that broke off, or of one that came at the same time, began
with a head of the same verdict. A later chunk needs the verdict, of the present policy. That
chunks follow each other without a gap is what Mattermost itself sees to.

Where the whole file is needed for its verdict, its chunks do not go on but are kept, see
``keeping``. Which of both it is the record says from the first chunk on.

Sources: ``uploadData`` and ``UploadData`` of Mattermost 5.37, and recordings.
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from gateway.accounting import Account, Stage
from gateway.body.content_type import form_boundary
from gateway.body.spool import Spool, SpoolArea
from gateway.endpoints import IMPORTS, SESSIONS
from gateway.inspection.detector import HEAD_SIZE, UNKNOWN, Detector
from gateway.ledger.quotas import Amount, QuotaExceeded, Reservation
from gateway.policy.judge import judge_declaration
from gateway.policy.ruleset import Decision
from gateway.refusals import (
    Refused,
    chunk_too_long,
    invalid_chunk_type,
    not_permitted,
    unreadable_chunk_form,
    unreadable_request,
    upload_session_unverified,
)
from gateway.upload.booking import Booking, Taker
from gateway.upload.chunk import Chunk, Turn, check_size, facts_of, questions
from gateway.upload.declaration import Declaration, read_declaration
from gateway.upload.describe import parse_query
from gateway.upload.facts import Accounted, Facts, judged_by_mattermost
from gateway.upload.form import Form, Truncated
from gateway.upload.identify import Callers, head
from gateway.upload.judging import Judge
from gateway.upload.keeping import Keeping
from gateway.upload.receive import Held, Limit, fill, read_head, spooled
from gateway.upload.record import MAY_BE_STORED, Records, SessionRecord
from gateway.upload.remote import RemoteSessions
from gateway.upload.request import Answer, Caller, FileTarget, UploadRequest
from gateway.upload.rulings import Rulings
from gateway.upstream.connection import Broken
from gateway.upstream.exchange import Content
from gateway.upstream.mattermost import read_upload_session
from gateway.values import UploadSession


class _Ready(NamedTuple):
    """A chunk that can be sent now."""

    content: Content
    size: int
    """Bytes."""


class UploadSessions:
    """Tells the story of each session."""

    def __init__(
        self,
        *,
        callers: Callers,
        remote: RemoteSessions,
        detector: Detector,
        rulings: Rulings,
        booking: Booking,
        records: Records,
        keeping: Keeping,
        spools: SpoolArea,
    ) -> None:
        self._callers = callers
        self._remote = remote
        self._detector = detector
        self._rulings = rulings
        self._booking = booking
        self._records = records
        self._keeping = keeping
        self._spools = spools

    # POST /uploads

    async def declare(self, request: UploadRequest, account: Account) -> Answer:
        """The answer to ``POST /uploads``. Raises Refused, UpstreamError and ClientGone."""
        account.enter(Stage.IDENTIFY)
        caller = await self._identify(request, account)
        account.enter(Stage.RECEIVE)
        declaration = await read_declaration(request.body, request.content_length)
        account.channel_id = declaration.channel_id
        facts = Facts(declaration.name, declaration.size)
        with Accounted(facts, account, closing=False):
            decision = await self._decide(caller, declaration)
            name, size = declaration.name, declaration.size
            Judge(decision, facts).ask(lambda policy: judge_declaration(policy, name, size))
            self._keeping.check(decision)
            reservation = await self._reserve(caller, declaration, decision, account)
            answer = await self._announce(caller, request, declaration, reservation, account)
        if answer.status >= 300:
            facts.outcome, facts.reason = judged_by_mattermost(answer.status)
            facts.end(account)
        self._remote.heed(caller, answer.status)
        return answer

    async def _decide(self, caller: Caller, session: Declaration | UploadSession) -> Decision:
        endpoint = IMPORTS.name if session.is_import else SESSIONS
        target = FileTarget(session.channel_id, "", "")
        return await self._rulings.decide(endpoint, caller.sender, target)

    async def _reserve(
        self, caller: Caller, declaration: Declaration, decision: Decision, account: Account
    ) -> Reservation:
        if declaration.is_import:  # it is the server's, and counts against nobody's quota
            return Reservation(())
        account.enter(Stage.RESERVE)
        try:
            taker, wanted = _taker(caller, declaration, decision), Amount(declaration.size)
            return await self._booking.reserve_for_session(taker, wanted, account)
        except QuotaExceeded as exceeded:
            raise Refused(self._booking.refusal(exceeded)) from exceeded

    async def _announce(
        self,
        caller: Caller,
        request: UploadRequest,
        declaration: Declaration,
        reservation: Reservation,
        account: Account,
    ) -> Answer:
        """Have Mattermost make the session, and put it on record."""
        account.enter(Stage.FORWARD)
        document = declaration.document
        transfer = self._remote.declaration(
            caller,
            head(request, caller.credential, b"application/json"),
            Content(document, None, len(document)),
        )
        try:
            answer = await transfer.answer()
            if answer.status < 300:
                await self._open(read_upload_session(answer.body), declaration, reservation)
            return answer
        finally:
            account.enter(Stage.SETTLE)
            # Nothing is left of it if the session holds it now.
            await self._booking.settle(reservation, None, account)

    async def _open(
        self, session: UploadSession, declaration: Declaration, reservation: Reservation
    ) -> None:
        if (session.size, session.is_import) != (declaration.size, declaration.is_import):
            raise Broken("Mattermost made another upload session than it was asked for")
        await self._records.open(session, reservation)

    # POST /uploads/{id}

    async def append(self, session_id: str, request: UploadRequest, account: Account) -> Answer:
        """The answer to ``POST /uploads/{id}``. Raises Refused, UpstreamError and ClientGone."""
        account.enter(Stage.IDENTIFY)
        caller = await self._identify(request, account)
        session = await self._remote.ask(session_id, caller)
        account.channel_id = session.channel_id
        account.enter(Stage.RECEIVE)
        with self._records.in_use(session.id):
            try:
                answer = await self._take(session, caller, request, account)
            except Truncated:
                raise Refused(unreadable_chunk_form()) from None
        self._remote.heed(caller, answer.status)
        return answer

    async def _take(
        self, session: UploadSession, caller: Caller, request: UploadRequest, account: Account
    ) -> Answer:
        note, record = await self._recorded(session, caller)
        # What is kept here Mattermost has not got yet.
        here = session if record.kept is None else replace(session, offset=record.kept)
        chunk = await self._describe(request, here)
        decision = await self._decide(caller, session)
        turn = Turn(caller, session, decision, note, record)
        first = b""
        if here.offset == 0:
            first, record = await self._judge(chunk, here, turn, account)
            turn = turn._replace(record=record)
        else:
            _check_verdict(here, decision, record)
        running = await self._reserve_running(turn, account)
        try:
            if record.kept is not None:
                return await self._keeping.take(turn, chunk, first, account)
            return await self._send(turn, chunk, first, account)
        finally:
            await self._booking.settle(running, None, account)

    async def _recorded(self, session: UploadSession, caller: Caller) -> tuple[str, SessionRecord]:
        """What is on record, as the ledger has it and as it reads. Raises Refused."""
        note = await self._records.note(session.id)
        record = None if note is None else SessionRecord.read(note)
        if note is None or record is None or not record.is_of(session):
            raise Refused(upload_session_unverified())
        if caller.identity.user_id != record.user_id:
            raise Refused(not_permitted())
        return note, record

    async def _describe(self, request: UploadRequest, session: UploadSession) -> Chunk:
        """The body, or the first part of a form, whatever that is called."""
        try:
            boundary = form_boundary(request.content_types)
        except Refused as refused:
            if refused.refusal == unreadable_request():
                raise Refused(invalid_chunk_type()) from None
            raise
        if boundary is not None:
            part = await Form(boundary, request.body, request.content_length).next_content()
            if part is None:
                raise Refused(unreadable_chunk_form())
            return Chunk(part, None)
        size = request.content_length
        if size is not None:
            check_size(size, session)
        return Chunk(request.body, size)

    async def _judge(
        self, chunk: Chunk, session: UploadSession, turn: Turn, account: Account
    ) -> tuple[bytes, SessionRecord]:
        """The file's head, and the record with the verdict on it. Raises Refused."""
        first = await read_head(chunk.source)
        if chunk.source.ended:
            check_size(len(first), session)
        account.enter(Stage.INSPECT)
        decision, record = turn.decision, turn.record
        content_type = self._detector.detect(first[:HEAD_SIZE], closely=decision.looks_closely)
        judge = Judge(decision, facts_of(decision, record, content_type))
        with Accounted(judge.facts, account, closing=False):
            try:
                for question in questions(judge.facts):
                    judge.ask(question)
                self._keeping.look_at_head(first, judge)
                kept = record.kept
                if record.policy is None:
                    kept = 0 if self._keeping.wants(judge) else None
            except Refused:
                # Unless something of the session's file has passed before.
                if record.policy is None:
                    await self._records.give_up(session.id, record, was=turn.note)
                raise
        account.enter(Stage.RECEIVE)
        policy = decision.policy.fingerprint()
        judged = replace(record, content_type=content_type, policy=policy, kept=kept)
        if record.policy is not None and record != judged:
            raise Refused(upload_session_unverified())
        return first, judged

    async def _reserve_running(self, turn: Turn, account: Account) -> Reservation:
        """What the chunk takes from quotas of uploads that run at once. Raises Refused."""
        if turn.session.is_import:
            return Reservation(())
        taker = _taker(turn.caller, turn.session, turn.decision)
        try:
            return await self._booking.reserve_for_chunk(taker, account)
        except QuotaExceeded as exceeded:
            raise Refused(self._booking.refusal(exceeded)) from exceeded

    async def _send(self, turn: Turn, chunk: Chunk, first: bytes, account: Account) -> Answer:
        with Held() as held:
            ready = await self._make_ready(chunk, first, turn.session, held)
            at_once = ready.size == turn.session.left and ready.content.rest is None
            due = turn.record.size if at_once else None
            await self._records.replace(turn.session.id, turn.record, was=turn.note, due=due)
            return await self._forward(turn, ready, account)

    async def _make_ready(
        self, chunk: Chunk, first: bytes, session: UploadSession, held: Held
    ) -> _Ready:
        """A chunk of unknown length is received whole, so that it is not refused half-way.

        ``first`` is what of it was read. Raises Refused and ClientGone.
        """
        source, size = chunk
        if source.ended:
            return _Ready(Content(first, None, len(first)), len(first))
        if size is not None:
            rest = source.read_on if size else None
            return _Ready(Content(first, rest, size, source.pour, source.check), size)
        spool = held.add(Spool(self._spools))
        first = first or await source.read()
        await fill(spool, first, source, Limit(session.left, chunk_too_long()))
        check_size(spool.size, session)
        return _Ready(spooled(spool), spool.size)

    async def _forward(self, turn: Turn, ready: _Ready, account: Account) -> Answer:
        account.enter(Stage.FORWARD)
        session, record = turn.session, turn.record
        content, completes = ready.content, ready.size == session.left
        if completes and content.rest is not None:
            tell = partial(self._records.leave_due, session.id, record, record.size, account)
            content = content._replace(before_end=tell)
        answer = await self._remote.chunk(session.id, turn.caller, content).answer()
        if answer.status < 300 and answer.status != 204:
            facts = facts_of(turn.decision, record, record.content_type or UNKNOWN)
            judge = Judge(turn.decision, facts)
            for question in questions(facts):
                judge.watch(question)
            facts.outcome, facts.reason = judged_by_mattermost(answer.status)
            facts.answer = answer.body
            facts.end(account)
            account.enter(Stage.SETTLE)
            await self._records.end(session.id, record.size, account)
        elif completes and answer.status not in MAY_BE_STORED:
            account.enter(Stage.SETTLE)
            await self._records.leave_due(session.id, record, 0, account)
        return answer

    # What both have in common.

    async def _identify(self, request: UploadRequest, account: Account) -> Caller:
        caller = await self._callers.identify(request, account)
        parse_query(request.query)  # nothing in it counts, but it must be readable in one way
        return caller


def _taker(caller: Caller, session: Declaration | UploadSession, decision: Decision) -> Taker:
    target = FileTarget(session.channel_id, "", "")
    return Taker(caller.sender, target, decision.policy.quotas)


def _check_verdict(session: UploadSession, decision: Decision, record: SessionRecord) -> None:
    """Raises Refused where a chunk would go on with what nobody has inspected."""
    within_head = record.kept is None and session.offset < HEAD_SIZE
    if within_head or record.policy != decision.policy.fingerprint():
        raise Refused(upload_session_unverified())
