"""Files judged as the gateway judges them, without a gateway."""

import asyncio
import io
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import TypeVar

from gateway.body.spool import SpoolArea
from gateway.checking.files import Checked, check, check_file
from gateway.inspection.detector import Detector
from gateway.policy.rules import Policy
from gateway.policy.ruleset import Decision
from gateway.upload.examination import Examiner
from gateway.upload.reception import Reception

T = TypeVar("T")


def judged(policy: Policy, name: str, content: bytes, declared: str | None = None) -> Checked:
    """What ``policy`` says to a file, received whole where it wants it so."""
    file, decision = io.BytesIO(content), Decision(policy)
    return _received(lambda by: check_file(name, file, len(content), decision, by, declared))


def judged_files(policy: Policy, paths: Sequence[Path]) -> list[Checked]:
    """The same of files on this machine. Raises ValueError if one cannot be read."""
    checked, unread = _received(lambda by: check(paths, Decision(policy), by))
    if unread:
        raise ValueError(f"these cannot be read: {unread}")
    return checked


def _received(work: Callable[[Reception], Coroutine[None, None, T]]) -> T:
    async def run() -> T:
        spools = SpoolArea(Path(gettempdir()), 2**30)
        examiner = Examiner(spools=spools, scanner=None, count_scan=lambda result, seconds: None)
        try:
            return await work(Reception(detector=Detector(), examiner=examiner, spools=spools))
        finally:
            spools.close()
            examiner.close()

    return asyncio.run(run())
