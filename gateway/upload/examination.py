"""What needs a file whole before its verdict: whatever its head does not tell."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from functools import partial
from typing import BinaryIO, TypeVar

from gateway.body.spool import Spool, SpoolArea, Whole, chunks
from gateway.contents import Contents, Limits
from gateway.dimensions import Dimensions
from gateway.inspection import activity
from gateway.inspection.archives.formats import is_archive
from gateway.inspection.archives.look import look_into
from gateway.inspection.detector import HEAD_SIZE, Detector
from gateway.inspection.pictures import is_measured, measure, measured_in_head
from gateway.inspection.whole import detect_whole, looks_at_whole
from gateway.policy.archives import judge_contents
from gateway.policy.images import judge_picture
from gateway.policy.judge import judge_content
from gateway.policy.rules import Policy
from gateway.policy.ruleset import Decision
from gateway.policy.traits import Trait
from gateway.refusals import Refusal, Refused, spool_full
from gateway.scanner.scanner import Scanner
from gateway.upload.facts import Facts
from gateway.upload.hashing import sha256_of
from gateway.upload.incoming import IncomingFile
from gateway.upload.judging import Judge
from gateway.upload.receive import Held
from gateway.upload.stripping import is_stripped, is_stripped_whole, strip

_THREADS = 4
_HIDDEN_DEEP = frozenset({Trait.MACROS, Trait.ENCRYPTED})

T = TypeVar("T")


class Examiner:
    """Examines files as far as the policies that judge them ask for it.

    What takes time is done in threads, so that nobody else waits for it.
    """

    def __init__(
        self,
        *,
        spools: SpoolArea,
        scanner: Scanner | None,
        count_scan: Callable[[str, float], None],
        hashes: bool = False,
    ) -> None:
        """``scanner`` may be None where no policy has files scanned; ``hashes``: whether it is to
        be told what the SHA-256 of whole files is."""
        self._hashes = hashes
        self._spools = spools
        self._scanner = scanner
        self._count_scan = count_scan
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="examine")
        self._of_thread = threading.local()

    def close(self) -> None:
        """Waits for what is being looked into."""
        self._threads.shutdown()

    def look_at_head(self, head: bytes, name: str, judge: Judge) -> None:
        """Judge how large a picture is, if its head tells. Raises Refused."""
        if all(policy.images is None for policy in judge.decision.policies):
            return
        dimensions = measured_in_head(head)
        judge.facts.measured = dimensions is not None or not is_measured(head)
        if dimensions is not None:
            judge.ask(judge_picture, name, dimensions)

    def may_want(self, decision: Decision) -> bool:
        """Whether a file of which nothing is known but its ``decision`` may have to be whole for
        the policy that holds; what is only watched does not matter."""
        return decision.policy.examines

    def wants(self, judge: Judge) -> bool:
        """Whether the file has to be received whole first."""
        decision = judge.decision
        if not decision.examines:
            return False
        return is_stripped_whole(judge) or any(_wants(p, judge.facts) for p in decision.policies)

    async def examine(self, file: IncomingFile, whole: Whole, judge: Judge, held: Held) -> Whole:
        """What may be sent of ``whole``, until ``held`` is closed. Raises Refused."""
        policies, facts = judge.decision.policies, judge.facts
        if facts.sha256 is None:
            await self.hash(whole, facts)
        if any(_may_have_more(policy, facts.content_type) for policy in policies):
            await self._tell_type(file, whole, judge, detect_whole)
        if any(_may_act(policy, facts.content_type) for policy in policies):
            await self._tell_type(file, whole, judge, activity.search_whole)
        if any(_has_to_measure(policy, facts) for policy in policies):
            await self._measure(file, whole, judge)
        if any(_has_to_look_into(policy, facts.content_type) for policy in policies):
            await self._look_into(file, whole, judge)
        if any(policy.scan for policy in policies):
            await self._scan(file, whole, judge)
        if not is_stripped(judge):
            return whole
        spool = held.add(Spool(self._spools))
        pad_to = whole.size if file.keeps_size else None
        stripped = await strip(whole, file.target.name, judge, spool, self._run, pad_to=pad_to)
        await self.hash(stripped, facts)
        return stripped

    async def hash(self, whole: Whole, facts: Facts) -> None:
        """Tell what the SHA-256 of ``whole`` is, if anybody asks. Raises Refused."""
        if self._hashes:
            facts.sha256 = await self._spools.run(sha256_of, whole)

    async def _tell_type(
        self,
        file: IncomingFile,
        whole: Whole,
        judge: Judge,
        tell: Callable[[BinaryIO, str], str],
    ) -> None:
        """``tell`` says what the file is, given what it is by its head."""
        facts, name = judge.facts, file.target.name
        told = await self._run(partial(tell, whole.open(), facts.content_type))
        if told != facts.content_type:
            facts.content_type = told
            judge.ask(judge_content, name, told, file.declared)

    async def _measure(self, file: IncomingFile, whole: Whole, judge: Judge) -> None:
        def measured(opened: BinaryIO) -> tuple[bool, Dimensions | None]:
            return is_measured(opened.read(HEAD_SIZE)), measure(opened)

        owed, dimensions = await self._run(partial(measured, whole.open()))
        if owed:
            name = file.target.name
            judge.ask(judge_picture, name, dimensions)

    async def _look_into(self, file: IncomingFile, whole: Whole, judge: Judge) -> None:
        limits = _widest([p.archives.limits for p in judge.decision.policies if p.archives])
        closely = judge.decision.looks_closely
        name, policies = file.target.name, judge.decision.policies
        searches = any(Trait.ACTIVE in policy.denied.traits for policy in policies)

        def look(opened: BinaryIO) -> tuple[Contents, dict[str, Refusal | None]]:
            detect = partial(self._detector().detect, closely=closely)
            found = look_into(
                opened,
                judge.facts.content_type,
                limits,
                detect,
                searches=searches,
                folder=self._spools.directory,
            )
            # Thousands of entries take a while to judge, too.
            return found, {p.name: judge_contents(p, name, found) for p in policies}

        contents, refusals = await self._run(partial(look, whole.open()))
        judge.facts.entries = len(contents.entries)
        judge.ask(lambda policy: refusals[policy.name])

    async def _scan(self, file: IncomingFile, whole: Whole, judge: Judge) -> None:
        if self._scanner is None:
            raise ValueError("no rule has files scanned where there is no scanner")
        verdict = await self._scanner.verdict(file.target.name, whole.size, partial(chunks, whole))
        self._count_scan(verdict.result, verdict.seconds)
        judge.facts.scan = verdict.result
        judge.facts.scan_detail = verdict.detail
        judge.ask(lambda policy: verdict.refusal if policy.scan else None)

    def _detector(self) -> Detector:
        """That of the present thread: libmagic is for one at a time."""
        if not hasattr(self._of_thread, "detector"):
            self._of_thread.detector = Detector()
        detector: Detector = self._of_thread.detector
        return detector

    async def _run(self, work: Callable[[], T]) -> T:
        """In a thread, where it goes on to its end if the caller is cancelled. Raises Refused."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, work)
        except OSError as error:
            raise Refused(spool_full()) from error


def _wants(policy: Policy, facts: Facts) -> bool:
    return (
        policy.scan
        or _may_have_more(policy, facts.content_type)
        or _may_act(policy, facts.content_type)
        or _has_to_measure(policy, facts)
        or _has_to_look_into(policy, facts.content_type)
    )


def _may_have_more(policy: Policy, content_type: str) -> bool:
    """Whether ``policy`` denies what the head of such a file does not tell."""
    return not _HIDDEN_DEEP.isdisjoint(policy.denied.traits) and looks_at_whole(content_type)


def _may_act(policy: Policy, content_type: str) -> bool:
    """Whether ``policy`` denies what may lie behind the head of such a file."""
    return Trait.ACTIVE in policy.denied.traits and activity.is_searched(content_type)


def _has_to_measure(policy: Policy, facts: Facts) -> bool:
    return policy.images is not None and not facts.measured


def _has_to_look_into(policy: Policy, content_type: str) -> bool:
    return policy.archives is not None and is_archive(content_type)


def _widest(limits: list[Limits]) -> Limits:
    """Within which each of ``limits`` is passed if it is passed at all."""
    return Limits(*map(max, zip(*map(astuple, limits), strict=True)))
