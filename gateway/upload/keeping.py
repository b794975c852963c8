"""Upload sessions whose file has to be whole before its verdict.

The gateway keeps what comes of such a file, and answers as Mattermost does, which has nothing of
it yet. Once all is there it is examined, and then sent on as one chunk. If Mattermost does not
take it, all of it stays here: an empty chunk is then enough to try again, as it is for a
file of which Mattermost has every byte and no description.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial

from gateway.accounting import Account, Stage
from gateway.body.kept import InUse, KeptFile, KeptFiles, Missing
from gateway.body.spool import Whole
from gateway.inspection.detector import HEAD_SIZE, UNKNOWN, Detector
from gateway.policy.ruleset import Decision
from gateway.refusals import (
    Refused,
    chunk_too_long,
    client_too_slow,
    concurrent_chunks,
    resumable_upload_unavailable,
    upload_session_unverified,
)
from gateway.upload.chunk import Chunk, Turn, facts_of, misfit, questions
from gateway.upload.examination import Examiner
from gateway.upload.facts import Accounted, Facts, judged_by_mattermost
from gateway.upload.incoming import IncomingFile
from gateway.upload.judging import Judge
from gateway.upload.receive import Held, Limit, append, rest_of
from gateway.upload.record import MAY_BE_STORED, Records, SessionRecord
from gateway.upload.remote import RemoteSessions
from gateway.upload.request import Answer, ClientGone, FileTarget
from gateway.upload.stripping import is_stripped
from gateway.upload.transfer import passed_on
from gateway.upstream.connection import Broken
from gateway.values import UploadSession

_FINAL = frozenset({403, 404, 413})
"""With these Mattermost refuses a file, whenever it comes; with others it may take it later."""
_NOT_OF_NO_CONTENT = frozenset({b"content-encoding", b"content-length", b"expires"})
"""What Mattermost says beside a session, and not beside 204."""
_LONGEST_PAUSE = 300.0
_TIMES_WITHIN_TTL = 4


class Keeping:
    """Keeps files that come in chunks, has them examined, and sends them on."""

    def __init__(
        self,
        *,
        examiner: Examiner,
        detector: Detector,
        files: KeptFiles,
        records: Records,
        remote: RemoteSessions,
        shared: bool,
    ) -> None:
        """``shared``: whether all who know the records have the files as well."""
        self._examiner = examiner
        self._detector = detector
        self._files = files
        self._records = records
        self._remote = remote
        self._shared = shared

    def check(self, decision: Decision) -> None:
        """Raises Refused if files judged like this may have to be kept, and cannot be."""
        if not self._shared and self._examiner.may_want(decision):
            raise Refused(resumable_upload_unavailable())

    def look_at_head(self, head: bytes, judge: Judge) -> None:
        """Raises Refused for what ``head`` tells besides the type."""
        self._examiner.look_at_head(head, judge.facts.name, judge)

    def wants(self, judge: Judge) -> bool:
        """Whether a file of which the head is known has to be kept. Raises Refused if it cannot."""
        if not (self._examiner.wants(judge) or is_stripped(judge)):
            return False
        self.check(judge.decision)
        return self._shared

    async def offset(self, session_id: str) -> int | None:
        """Bytes of a session's file that are kept; None if it is not. Raises Refused."""
        if not await self._files.holds(session_id):
            return None
        note = await self._records.note(session_id)
        record = None if note is None else SessionRecord.read(note)
        return None if record is None else record.kept

    async def keeps_any(self) -> bool:
        """Whether there are such files at all. Raises Refused."""
        return bool(await self._files.names())

    async def take(self, turn: Turn, chunk: Chunk, first: bytes, account: Account) -> Answer:
        """The answer to a chunk, of which ``first`` was read.

        Raises Refused, UpstreamError and ClientGone.
        """
        async with await self._file(turn) as file:
            turn = await self._receive(file, turn, chunk, first)
            if file.written < file.size:
                return _more(turn.session)
            facts = facts_of(turn.decision, turn.record, turn.record.content_type or UNKNOWN)
            with Held() as held:
                with Accounted(facts, account, closing=False):
                    whole = await self._examine(file, turn, chunk, facts, held, account)
                return await self._send(file, whole, turn, facts, account)

    async def _file(self, turn: Turn) -> KeptFile:
        try:
            return await self._files.take(turn.session.id, new=not turn.record.kept)
        except InUse:
            raise Refused(concurrent_chunks()) from None
        except Missing:
            raise Refused(upload_session_unverified()) from None

    # Receive.

    async def _receive(self, file: KeptFile, turn: Turn, chunk: Chunk, first: bytes) -> Turn:
        """Write down what comes, and put on record how far it goes.

        Of a chunk that broke off stays what had come, as far as Mattermost would keep it.
        """
        session, record = turn.session, turn.record
        start = record.kept or 0
        # Nothing is done to the file before it is certain that the record is the present one.
        note = await self._records.replace(session.id, record, was=turn.note)
        try:
            await file.begin(record.size, start)
        except Missing:
            raise Refused(upload_session_unverified()) from None
        broken = await _fill(file, chunk, first, Limit(record.size - start, chunk_too_long()))
        refusal = misfit(file.written - start, replace(session, offset=start))
        if refusal is not None:
            raise broken or Refused(refusal)
        await file.seal()
        record = replace(record, kept=file.written)
        note = await self._records.replace(session.id, record, was=note)
        if broken is not None:
            raise broken
        return turn._replace(record=record, note=note)

    # Examine.

    async def _examine(
        self,
        file: KeptFile,
        turn: Turn,
        chunk: Chunk,
        facts: Facts,
        held: Held,
        account: Account,
    ) -> Whole:
        """What may be sent of it. Raises Refused: unless it may pass later, it is given up."""
        record = turn.record
        target = FileTarget(turn.session.channel_id, record.name, "")
        size = record.size
        incoming = IncomingFile(target, chunk.source, size, size, keeps_size=True)
        judge = Judge(turn.decision, facts)
        for question in questions(facts):
            judge.watch(question)
        try:
            account.enter(Stage.INSPECT)
            await self._check_head(file, turn)
            account.enter(Stage.EXAMINE)
            whole = await self._examiner.examine(incoming, file, judge, held)
        except Refused as refused:
            if not refused.refusal.is_failure:
                # What was sent before may be stored, and be charged when the session expires.
                await self._give_up(file, turn, release=not record.sent)
            raise
        if whole.size != record.size:
            raise ValueError(f"{whole.size} bytes are to be sent of {record.size} declared ones")
        return whole

    async def _check_head(self, file: KeptFile, turn: Turn) -> None:
        """Raises Refused if the file begins otherwise than what was judged."""
        head = await file.read_at(0)
        closely = turn.decision.looks_closely
        if self._detector.detect(head[:HEAD_SIZE], closely=closely) != turn.record.content_type:
            raise Refused(upload_session_unverified())

    async def _give_up(self, file: KeptFile, turn: Turn, *, release: bool) -> None:
        file.discard()
        session_id, record = turn.session.id, turn.record
        await self._records.give_up(session_id, record, was=turn.note, release=release)

    # Send.

    async def _send(
        self, file: KeptFile, whole: Whole, turn: Turn, facts: Facts, account: Account
    ) -> Answer:
        """Send what Mattermost does not have yet; if all goes well nothing is kept any more."""
        account.enter(Stage.FORWARD)
        # Asked again: whoever had the file before may have sent it, and been answered or not.
        session = await self._remote.ask(turn.session.id, turn.caller)
        if session.offset and not turn.record.sent:  # by somebody else, past the gateway
            await self._give_up(file, turn, release=True)
            raise Refused(upload_session_unverified())
        content = rest_of(whole, session.offset)
        turn = await self._note_sending(turn, at_once=content.rest is None)
        if content.rest is not None:
            record = turn.record
            tell = partial(self._records.leave_due, session.id, record, record.size, account)
            content = content._replace(before_end=tell)
        answer = await self._remote.chunk(session.id, turn.caller, content).answer()
        if answer.status == 204:
            raise Broken("Mattermost wants more of a file than was declared")
        account.enter(Stage.SETTLE)
        await self._settle(file, turn, facts, answer, account)
        return answer

    async def _note_sending(self, turn: Turn, *, at_once: bool) -> Turn:
        record = replace(turn.record, sent=True)
        due = record.size if at_once else None
        note = await self._records.replace(turn.session.id, record, was=turn.note, due=due)
        return turn._replace(record=record, note=note)

    async def _settle(
        self, file: KeptFile, turn: Turn, facts: Facts, answer: Answer, account: Account
    ) -> None:
        """Unless the file may be taken another time, this was its end."""
        if answer.status >= 300 and answer.status not in _FINAL:
            if answer.status not in MAY_BE_STORED:
                await self._records.leave_due(turn.session.id, turn.record, 0, account)
            return
        facts.outcome, facts.reason = judged_by_mattermost(answer.status)
        facts.answer = answer.body
        facts.end(account)
        if answer.status < 300:
            await self._records.end(turn.session.id, turn.record.size, account)
            file.discard()
        else:
            # That there is no such session may be because the file is stored already.
            await self._give_up(file, turn, release=answer.status != 404)


async def _fill(
    file: KeptFile, chunk: Chunk, first: bytes, limit: Limit
) -> ClientGone | Refused | None:
    """Receive a chunk, or what comes of it; returns why there was no more, if it broke off.

    Raises Refused.
    """
    try:
        await append(file, first or await chunk.source.read(), chunk.source, limit)
    except ClientGone as gone:
        return gone
    except Refused as refused:
        if refused.refusal != client_too_slow():
            raise
        return refused
    return None


def _more(session: UploadSession) -> Answer:
    """What Mattermost answers to a chunk after which more is to come."""
    headers = [header for header in session.headers if header[0] not in _NOT_OF_NO_CONTENT]
    return Answer(204, passed_on(headers), b"")


class Sweeper:
    """Removes what is left of sessions that are over: at start, and from time to time."""

    def __init__(self, files: KeptFiles, records: Records) -> None:
        self._files = files
        self._records = records
        self._task = asyncio.create_task(self._repeat())

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _repeat(self) -> None:
        while True:
            with suppress(Refused):  # by the ledger or the disk: another time, then
                await self._sweep()
            await asyncio.sleep(min(self._records.ttl / _TIMES_WITHIN_TTL, _LONGEST_PAUSE))

    async def _sweep(self) -> None:
        """What was written to within the time of a session is somebody's, known here or not."""
        for name in await self._files.names(idle_since=time.time() - self._records.ttl):
            if await self._records.note(name) is None:
                await self._files.remove(name)
