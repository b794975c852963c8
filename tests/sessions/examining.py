"""A gateway as it is but for its examiner, which wants the files that tests say it wants:
``python -m tests.sessions.examining serve``.

What the examiner sees tells it what to do: a file with ``kept`` in its name is wanted, one with
``INFECTED`` in its content is refused. Files in ``GATEWAY_SPOOL_DIR`` tell more, see ``Orders``.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import composition
from gateway.body.spool import Spool, SpoolArea, Whole, chunks
from gateway.cli import main
from gateway.phrases import phrase
from gateway.policy.ruleset import Decision
from gateway.refusals import Refused, type_denied, upstream_unreachable
from gateway.upload.examination import Examiner
from gateway.upload.incoming import IncomingFile
from gateway.upload.judging import Judge
from gateway.upload.receive import Held

INFECTED = b"INFECTED"


@dataclass(frozen=True)
class Orders:
    """How a test tells an examiner what to do, and hears of it."""

    folder: Path

    @property
    def examining(self) -> Path:
        """Made by an examination."""
        return self.folder / "examining"

    @property
    def wait(self) -> Path:
        """While it is there, examinations do not end."""
        return self.folder / "wait"

    @property
    def fail(self) -> Path:
        """While it is there, nobody can say what a file is."""
        return self.folder / "fail"

    @property
    def refuse(self) -> Path:
        """While it is there, every file is refused."""
        return self.folder / "refuse"

    @property
    def watch(self) -> Path:
        """While it is there, what is wanted is wanted by rules that are only watched."""
        return self.folder / "watch"


class Obedient(Examiner):
    """Does what the test's orders say."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._orders = Orders(Path(os.environ["GATEWAY_SPOOL_DIR"]))

    def close(self) -> None:
        """It has no threads."""

    def may_want(self, decision: Decision) -> bool:
        return not self._orders.watch.exists()

    def wants(self, judge: Judge) -> bool:
        return "kept" in judge.facts.name

    async def examine(self, file: IncomingFile, whole: Whole, judge: Judge, held: Held) -> Whole:
        if "unread" in file.target.name:
            return whole
        self._orders.examining.touch()
        content = await asyncio.to_thread(_read, whole)
        if content != b"".join([chunk async for chunk in chunks(whole)]):
            raise AssertionError("two ways to read the file differ")
        while self._orders.wait.exists():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)
        if self._orders.fail.exists():
            raise Refused(upstream_unreachable(5))
        if INFECTED in content or self._orders.refuse.exists():
            raise Refused(type_denied(file.target.name, "application/x-virus", phrase("a virus")))
        if "short" in file.target.name:
            spool = held.add(Spool(SpoolArea(Path(os.environ["GATEWAY_SPOOL_DIR"]), 2**30)))
            await spool.write(content[:-1])
            await spool.seal()
            return spool
        return whole


def _read(whole: Whole) -> bytes:
    with whole.open() as file:
        return file.read()


if __name__ == "__main__":
    composition.Examiner = Obedient  # type: ignore[attr-defined]
    main()
