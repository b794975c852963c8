"""Receiving a file as far as its verdict needs: its head, or all of it."""

import asyncio

from gateway.accounting import Account, Stage
from gateway.body.spool import BLOCK_BYTES, Spool, SpoolArea, Whole, chunks
from gateway.inspection.detector import HEAD_SIZE, Detector
from gateway.policy.judge import judge_content, judge_declaration, unkept_promise
from gateway.refusals import file_too_large
from gateway.upload.examination import Examiner
from gateway.upload.hashing import Hashed
from gateway.upload.incoming import IncomingFile, Ready, WaitingFile
from gateway.upload.judging import Judge
from gateway.upload.receive import Held, Limit, append, fill, read_head, spooled
from gateway.upload.request import Source
from gateway.upload.stripping import Stripped, is_stripped
from gateway.upstream.exchange import Content


class Reception:
    """Has files inspected and judged while they come."""

    def __init__(
        self,
        *,
        detector: Detector,
        examiner: Examiner,
        spools: SpoolArea,
        hash_streams: bool = False,
    ) -> None:
        """``hash_streams``: whether to tell the SHA-256 of files that are never whole here."""
        self._hash_streams = hash_streams
        self._detector = detector
        self._examiner = examiner
        self._spools = spools

    def spool(self, held: Held, memory: int = BLOCK_BYTES) -> Spool:
        """An empty one, until ``held`` is closed."""
        return held.add(Spool(self._spools, memory_bytes=memory))

    async def read_head(self, file: IncomingFile, judge: Judge, account: Account) -> bytes:
        """As much of the file as tells what it is. Raises Refused and ClientGone."""
        judge_size(file, file.size, judge)
        account.enter(Stage.RECEIVE)
        head = await read_head(file.source)
        account.enter(Stage.INSPECT)
        closely = judge.decision.looks_closely
        judge.facts.content_type = self._detector.detect(head[:HEAD_SIZE], closely=closely)
        judge_type(file, judge)
        if judge.decision.examines:
            self._examiner.look_at_head(head, file.target.name, judge)
        if not file.source.ended:
            account.enter(Stage.RECEIVE)
        return head

    async def make_ready(
        self, file: IncomingFile, head: bytes, judge: Judge, held: Held, account: Account
    ) -> Ready:
        """Nothing is sent before it is certain that the file may pass. Raises as ``read_head``."""
        if self._examiner.wants(judge):
            whole: Whole = await self._receive(file, head, judge, held)
            return at_rest(await self._examine(file, whole, judge, held, account))
        if judge.decision.examines and is_stripped(judge):
            stripped = Stripped(file.source, judge.facts.content_type)
            bound = file.bound if file.size is None else file.size
            file = file._replace(source=stripped, size=None, bound=bound)
            head = stripped.begin(head)
        file = self._hashed(file, head, judge)
        if file.source.ended:
            if file.size is None:
                judge_size(file, len(head), judge)
            # An empty raw body with its length is refused by Mattermost; an empty file is not.
            size = len(head)
            return Ready(Content(head, None, size or None), size)
        source = file.source
        if file.size is not None:
            rest = Content(head, source.read_on, file.size, source.pour, source.check)
            return Ready(rest, file.size)
        if file.bound is not None and file.bound <= judge.decision.smallest_limit:
            rest = Content(head, source.read_on, None, None, source.check)
            return Ready(rest, file.bound, source)
        return at_rest(await self._receive(file, head, judge, held))

    async def receive_all(
        self,
        file: IncomingFile,
        judge: Judge,
        held: Held,
        memory: int,
        account: Account,
        room: Limit | None = None,
    ) -> WaitingFile:
        """The whole file, of which ``memory`` bytes at most are off the disk, until ``held`` is
        closed; no more than there is ``room`` for. Raises as ``read_head``."""
        head = await self.read_head(file, judge, account)
        # Others get their turn: inspection takes milliseconds, and a form may have many files.
        await asyncio.sleep(0)
        spool = await self._receive(file, head, judge, held, memory, room)
        judge.facts.size = spool.size
        waiting = WaitingFile(file, spool, judge.facts, judge.decision)
        await self.examine(waiting, judge, held, account)
        return waiting

    async def examine(
        self, waiting: WaitingFile, judge: Judge, held: Held, account: Account
    ) -> None:
        """Judge what is known only of a whole file. Raises Refused."""
        if judge.decision.examines:
            waiting.whole = await self._examine(waiting.file, waiting.whole, judge, held, account)

    async def judge_anew(
        self, waiting: WaitingFile, judge: Judge, held: Held, account: Account
    ) -> None:
        """The same for a file that was received before it was known who judges it."""
        judge_size(waiting.file, waiting.size, judge)
        judge_type(waiting.file, judge)
        await self.examine(waiting, judge, held, account)

    async def receive_into(
        self,
        spool: Spool,
        file: IncomingFile,
        judge: Judge,
        most: int,
        account: Account,
    ) -> None:
        """Receive the whole file, ``most`` bytes of it, at the end of ``spool``.

        Raises as ``read_head``.
        """
        head = await self.read_head(file, judge, account)
        await asyncio.sleep(0)  # as in ``receive_all``
        limit = Limit(most, self._limit(file, judge).refusal)
        if not judge.decision.examines:
            file = self._hashed(file, head, judge)
            judge.facts.size = await append(spool, head, file.source, limit)
            judge_size(file, judge.facts.size, judge)
            return
        with Held() as held:
            alone = self.spool(held)
            await fill(alone, head, file.source, limit)
            judge_size(file, alone.size, judge)
            whole = await self._examine(file, alone, judge, held, account)
            judge.facts.size = whole.size
            async for chunk in chunks(whole):
                await spool.write(chunk)

    async def receive_rest(self, ready: Ready, source: Source, limit: Limit, held: Held) -> Ready:
        """The whole of a file that was ready to be sent without its size, from ``source``."""
        spool = self.spool(held)
        await fill(spool, ready.content.first, source, limit)
        return at_rest(spool)

    def _hashed(self, file: IncomingFile, head: bytes, judge: Judge) -> IncomingFile:
        """``file``, whose ``head`` was read, and whose hash is going to be known if asked for."""
        if not self._hash_streams:
            return file
        return file._replace(source=Hashed(file.source, head, judge.facts))

    async def _receive(
        self,
        file: IncomingFile,
        head: bytes,
        judge: Judge,
        held: Held,
        memory: int = BLOCK_BYTES,
        room: Limit | None = None,
    ) -> Spool:
        spool = self.spool(held, memory)
        limit = self._limit(file, judge)
        if room is not None and room.size < limit.size:
            limit = room
        await fill(spool, head, file.source, limit)
        await self._examiner.hash(spool, judge.facts)
        if file.size is None:
            judge_size(file, spool.size, judge)
        return spool

    async def _examine(
        self, file: IncomingFile, whole: Whole, judge: Judge, held: Held, account: Account
    ) -> Whole:
        account.enter(Stage.EXAMINE)
        try:
            return await self._examiner.examine(file, whole, judge, held)
        finally:
            account.enter(Stage.RECEIVE)

    def _limit(self, file: IncomingFile, judge: Judge) -> Limit:
        limit = judge.decision.policy.max_file_size
        return Limit(limit, judge.worded(file_too_large(file.target.name, None, limit)))


def judge_size(file: IncomingFile, size: int | None, judge: Judge) -> None:
    """Raises Refused if the name, or a ``size`` that is known (bytes), may not pass."""
    judge.ask(judge_declaration, file.target.name, size)


def judge_type(file: IncomingFile, judge: Judge) -> None:
    """Raises Refused if the file's content may not pass."""
    name, content_type = file.target.name, judge.facts.content_type
    judge.facts.promised = unkept_promise(judge.decision.policy, name, content_type)
    judge.ask(judge_content, name, content_type, file.declared)


def at_rest(whole: Whole) -> Ready:
    """A whole file, to be sent."""
    return Ready(spooled(whole), whole.size)
