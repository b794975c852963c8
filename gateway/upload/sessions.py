"""The story of an upload session: declared, sent in any number of chunks, complete.

Each chunk may come to another process, so that what was decided is in the ledger: what was
declared of the file, what it holds of its user's quotas, and the verdict on its beginning.

No byte goes on without that verdict. The first chunk brings the head, which is judged before any
of it is forwarded; the verdict is on record before that, and stays the session's only one:
whatever Mattermost has kept of a chunk that broke off, or of one that came at the same time, began
with a head of the same verdict. A later chunk needs the verdict, of the present policy. That
chunks follow each other without a gap is what Mattermost itself sees to.

Sources: ``uploadData`` and ``UploadData`` of Mattermost 5.37, and recordings.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from gateway.accounting import Account, Stage
from gateway.body.content_type import form_boundary
from gateway.body.spool import Spool, SpoolArea
from gateway.endpoints import IMPORT_SESSIONS
from gateway.identity.sessions import Sessions
from gateway.inspection.detector import HEAD_SIZE, UNKNOWN, Detector
from gateway.ledger.engine import Ledger
from gateway.ledger.quotas import Amount, LedgerUnavailable, QuotaExceeded, Reservation
from gateway.policy.judge import judge_content, judge_declaration, unkept_promise
from gateway.policy.ruleset import Decision
from gateway.refusals import (
    Refusal,
    Refused,
    chunk_too_long,
    concurrent_chunks,
    first_chunk_too_small,
    invalid_chunk_type,
    not_permitted,
    unreadable_chunk_form,
    unreadable_request,
    upload_session_unverified,
)
from gateway.upload.booking import Booking, refused_by_ledger, uploader_of
from gateway.upload.declaration import Declaration, read_declaration
from gateway.upload.describe import parse_query
from gateway.upload.facts import Accounted, Facts, judged_by_mattermost
from gateway.upload.form import Form, Truncated
from gateway.upload.identify import head, identify
from gateway.upload.judging import Judge, Question
from gateway.upload.receive import Held, Limit, fill, read_head, spooled
from gateway.upload.record import SessionRecord
from gateway.upload.request import Answer, Caller, FileTarget, Source, UploadRequest
from gateway.upload.rulings import Rulings
from gateway.upload.transfer import Transfer
from gateway.upstream.connection import Broken
from gateway.upstream.exchange import Content
from gateway.upstream.mattermost import Mattermost, credential_query, read_upload_session
from gateway.values import UploadSession

_ATTACHMENT_SESSIONS = "uploads"
"""What rules call the others, whichever of their requests it is about."""
LEAST_FIRST_CHUNK = 5 * 1024 * 1024
"""Bytes of a first chunk that is not the whole file; Mattermost throws smaller ones away."""


class _Chunk(NamedTuple):
    source: Source
    size: int | None
    """Bytes, where the request tells exactly."""


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
        sessions: Sessions,
        mattermost: Mattermost,
        detector: Detector,
        rulings: Rulings,
        booking: Booking,
        ledger: Ledger,
        ttl: float,
        spools: SpoolArea,
        count_exchange: Callable[[str], None],
    ) -> None:
        """A session expires ``ttl`` seconds after its last chunk."""
        self._sessions = sessions
        self._mattermost = mattermost
        self._detector = detector
        self._rulings = rulings
        self._booking = booking
        self._ledger = ledger
        self._ttl = ttl
        self._spools = spools
        self._count_exchange = count_exchange

    # POST /uploads

    async def declare(self, request: UploadRequest, account: Account) -> Answer:
        """The answer to ``POST /uploads``. Raises Refused, UpstreamError and ClientGone."""
        account.enter(Stage.IDENTIFY)
        caller = await self._identify(request, account)
        account.enter(Stage.RECEIVE)
        declaration = await read_declaration(request.body, request.content_length)
        facts = Facts(declaration.name, declaration.size)
        with Accounted(facts, account, closing=False):
            decision = await self._decide(caller, declaration)
            name, size = declaration.name, declaration.size
            Judge(decision, facts).ask(lambda policy: judge_declaration(policy, name, size))
            reservation = await self._reserve(caller, declaration, account)
            answer = await self._announce(caller, request, declaration, reservation, account)
        if answer.status >= 300:
            facts.outcome, facts.reason = judged_by_mattermost(answer.status)
            account.files.append(facts.account())
        self._heed(caller, answer.status)
        return answer

    async def _decide(self, caller: Caller, session: Declaration | UploadSession) -> Decision:
        endpoint = IMPORT_SESSIONS if session.is_import else _ATTACHMENT_SESSIONS
        target = FileTarget(session.channel_id, "", "")
        return await self._rulings.decide(endpoint, caller.sender, target)

    async def _reserve(
        self, caller: Caller, declaration: Declaration, account: Account
    ) -> Reservation:
        if declaration.is_import:  # it is the server's, and counts against nobody's quota
            return Reservation(())
        account.enter(Stage.RESERVE)
        try:
            target = FileTarget(declaration.channel_id, "", "")
            uploader = uploader_of(caller.identity, target)
            wanted = Amount(declaration.size)
            return await self._booking.reserve_for_session(uploader, wanted, account)
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
        transfer = self._transfer(
            "",
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
        note = SessionRecord.of(session).note()
        try:
            await self._ledger.open_session(session.id, reservation, note=note, ttl=self._ttl)
        except LedgerUnavailable as error:
            raise refused_by_ledger() from error

    # POST /uploads/{id}

    async def append(self, session_id: str, request: UploadRequest, account: Account) -> Answer:
        """The answer to ``POST /uploads/{id}``. Raises Refused, UpstreamError and ClientGone."""
        account.enter(Stage.IDENTIFY)
        caller = await self._identify(request, account)
        session = await self._ask(session_id, caller, request)
        account.enter(Stage.RECEIVE)
        with self._ledger.session_in_use(session.id), Held() as held:
            note, record = await self._recorded(session, caller)
            try:
                chunk = await self._describe(request, session)
                decision = await self._decide(caller, session)
                if session.offset == 0:
                    first, record = await self._judge(
                        chunk, session, decision, note, record, account
                    )
                else:
                    first = b""
                    _check_verdict(session, decision, record)
                ready = await self._make_ready(chunk, first, session, held)
            except Truncated:
                raise Refused(unreadable_chunk_form()) from None
            if not await self._keep(session, record, note):
                raise Refused(concurrent_chunks())
            running = await self._reserve_running(caller, session, account)
            try:
                answer = await self._forward(caller, session, decision, record, ready, account)
            finally:
                await self._booking.settle(running, None, account)
        self._heed(caller, answer.status)
        return answer

    async def _ask(self, session_id: str, caller: Caller, request: UploadRequest) -> UploadSession:
        """The session as Mattermost knows it. Raises Refused with its refusal, UpstreamError."""
        session = await self._mattermost.upload_session(
            session_id, caller.credential, request.forwarded
        )
        if isinstance(session, Refusal):
            self._heed(caller, session.status)
            raise Refused(session)
        return session

    async def _recorded(self, session: UploadSession, caller: Caller) -> tuple[str, SessionRecord]:
        """What is on record, as the ledger has it and as it reads. Raises Refused."""
        try:
            note = await self._ledger.session(session.id)
        except LedgerUnavailable as error:
            raise refused_by_ledger() from error
        record = None if note is None else SessionRecord.read(note)
        if note is None or record is None or not record.is_of(session):
            raise Refused(upload_session_unverified())
        if caller.identity.user_id != record.user_id:
            raise Refused(not_permitted())
        return note, record

    async def _describe(self, request: UploadRequest, session: UploadSession) -> _Chunk:
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
            return _Chunk(part, None)
        size = request.content_length
        if size is not None:
            _check_size(size, session)
        return _Chunk(request.body, size)

    async def _judge(
        self,
        chunk: _Chunk,
        session: UploadSession,
        decision: Decision,
        note: str,
        record: SessionRecord,
        account: Account,
    ) -> tuple[bytes, SessionRecord]:
        """The file's head, and the record with the verdict on it. Raises Refused."""
        first = await read_head(chunk.source)
        if chunk.source.ended:
            _check_size(len(first), session)
        account.enter(Stage.INSPECT)
        closely = decision.looks_closely
        content_type = self._detector.detect(first[:HEAD_SIZE], closely=closely)
        facts = _facts(decision, record, content_type)
        with Accounted(facts, account, closing=False):
            try:
                for question in _questions(facts):
                    Judge(decision, facts).ask(question)
            except Refused:
                await self._give_up(session, replace(record, policy=""), note, record)
                raise
        account.enter(Stage.RECEIVE)
        policy = decision.policy.fingerprint()
        judged = replace(record, content_type=content_type, policy=policy)
        if record.policy is not None and record != judged:
            raise Refused(upload_session_unverified())
        return first, judged

    async def _give_up(
        self, session: UploadSession, refused: SessionRecord, note: str, record: SessionRecord
    ) -> None:
        """Release what is held for a file that may not pass, unless something of it has passed."""
        if record.policy is not None:
            return
        with suppress(LedgerUnavailable):  # then it expires
            # From then on no other chunk gets by that has read what was on record before.
            if await self._ledger.keep_session(session.id, refused.note(), was=note):
                await self._ledger.end_session(session.id, 0)

    async def _make_ready(
        self, chunk: _Chunk, first: bytes, session: UploadSession, held: Held
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
        _check_size(spool.size, session)
        return _Ready(spooled(spool), spool.size)

    async def _keep(self, session: UploadSession, record: SessionRecord, note: str) -> bool:
        """Put the verdict on record and renew the session; False if somebody else changed it."""
        try:
            return await self._ledger.keep_session(session.id, record.note(), was=note)
        except LedgerUnavailable as error:
            raise refused_by_ledger() from error

    async def _reserve_running(
        self, caller: Caller, session: UploadSession, account: Account
    ) -> Reservation:
        """What the chunk takes from quotas of uploads that run at once."""
        if session.is_import:
            return Reservation(())
        uploader = uploader_of(caller.identity, FileTarget(session.channel_id, "", ""))
        try:
            return await self._booking.reserve_for_chunk(uploader, account)
        except QuotaExceeded as exceeded:
            raise Refused(self._booking.refusal(exceeded)) from exceeded

    async def _forward(
        self,
        caller: Caller,
        session: UploadSession,
        decision: Decision,
        record: SessionRecord,
        ready: _Ready,
        account: Account,
    ) -> Answer:
        account.enter(Stage.FORWARD)
        transfer = self._transfer(f"/{session.id}", caller, caller.head, ready.content)
        try:
            answer = await transfer.answer()
        except BaseException:
            if ready.size == session.left and transfer.may_be_stored:
                await self._leave_due(session, record, account)
            raise
        if answer.status < 300 and answer.status != 204:
            facts = _facts(decision, record, record.content_type or UNKNOWN)
            for question in _questions(facts):
                Judge(decision, facts).watch(question)
            facts.outcome, facts.reason = judged_by_mattermost(answer.status)
            account.files.append(facts.account())
            account.enter(Stage.SETTLE)
            await self._settled(self._ledger.end_session(session.id, record.size), account)
        return answer

    async def _leave_due(
        self, session: UploadSession, record: SessionRecord, account: Account
    ) -> None:
        """The file was sent whole, and Mattermost never answered: it may be stored.

        Whoever goes on finds out. If nobody does, it counts as if it were.
        """
        account.enter(Stage.SETTLE)
        note = record.note()
        kept = self._ledger.keep_session(session.id, note, was=note, due=record.size)
        await self._settled(kept, account)

    async def _settled(self, booking: Awaitable[object], account: Account) -> None:
        """The file's fate is decided, so that trouble is noted in ``account`` only."""
        try:
            await booking
        except LedgerUnavailable as error:
            account.detail = f"settle: {error}"

    # What both have in common.

    async def _identify(self, request: UploadRequest, account: Account) -> Caller:
        caller = await identify(self._sessions, request)
        account.user_id = caller.identity.user_id
        parse_query(request.query)  # nothing in it counts, but it must be readable in one way
        return caller

    def _heed(self, caller: Caller, status: int) -> None:
        if status == 401:
            self._sessions.forget(caller.credential)

    def _transfer(self, path: str, caller: Caller, head: bytes, content: Content) -> Transfer:
        target = f"{self._mattermost.subpath}/api/v4/uploads{path}"
        target += credential_query(caller.credential)
        return Transfer(self._mattermost, self._count_exchange, target.encode(), head, content)


def _facts(decision: Decision, record: SessionRecord, content_type: str) -> Facts:
    promised = unkept_promise(decision.policy, record.name, content_type)
    return Facts(record.name, record.size, content_type, promised)


def _questions(facts: Facts) -> tuple[Question, Question]:
    """What is asked about a file whose head is known."""
    name, size, content_type = facts.name, facts.size, facts.content_type
    return (
        lambda policy: judge_declaration(policy, name, size),
        lambda policy: judge_content(policy, name, content_type),
    )


def _check_verdict(session: UploadSession, decision: Decision, record: SessionRecord) -> None:
    """Raises Refused where a chunk would go on with what nobody has inspected."""
    if session.offset < HEAD_SIZE or record.policy != decision.policy.fingerprint():
        raise Refused(upload_session_unverified())


def _check_size(size: int, session: UploadSession) -> None:
    """Raises Refused for a chunk of ``size`` bytes that Mattermost would not take."""
    if size > session.left:
        raise Refused(chunk_too_long())
    if session.offset == 0 and size < LEAST_FIRST_CHUNK and size != session.size:
        raise Refused(first_chunk_too_small(LEAST_FIRST_CHUNK))
