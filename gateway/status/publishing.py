"""Tells all gateways what happens in this process, by notices that are put up anew on change.

Nothing of it is on an upload's way: what happens is looked at from time to time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from gateway.ledger.engine import NoticeBoard
from gateway.ledger.quotas import LedgerUnavailable
from gateway.status.values import NOTHING

LOOK_EVERY = 1.0
"""Seconds between two looks while somebody watches."""
_LOOKS_UNWATCHED = 5
"""So many times as rarely else."""
_PATIENCE = 2.0
"""Seconds that a board may take."""
WATCHED = "watched/"
"""What names of notices begin with that say that somebody watches."""
WATCHED_TTL = 10.0
SHORT = 15.0
"""Seconds that a notice of what happens now is up."""
LONG = 3600.0
"""The same of what happened in the last hour: it outlives the process."""
UNREACHABLE = (LedgerUnavailable, OSError, TimeoutError)


class Notice(NamedTuple):
    """What there is to tell of one subject."""

    ttl: float
    tell: Callable[[bool], Awaitable[str]]
    """Is told whether somebody watches."""


class _Posted(NamedTuple):
    text: str
    due: float
    """When it has to be put up again even if it is the same; by the monotonic clock."""


class Publisher:
    """Puts up this process's notices, each on all boards."""

    def __init__(
        self,
        process: str,
        boards: Sequence[NoticeBoard],
        notices: Mapping[str, Notice],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``process`` is a name that no other has. The first of ``boards`` is this gateway's own,
        which costs little; the other ones are all gateways'."""
        self._own, *self._shared = boards
        self._notices = {f"{subject}/{process}": notice for subject, notice in notices.items()}
        self._clock = clock
        self._posted: dict[tuple[NoticeBoard, str], _Posted] = {}

    async def run(self) -> None:
        """For ever."""
        looks, watched = 0, False
        while True:
            seldom = looks % _LOOKS_UNWATCHED == 0
            looks += 1
            watched = await self._is_watched(seldom=seldom, watched=watched)
            await self.publish(seldom=seldom, watched=watched)
            await asyncio.sleep(LOOK_EVERY)

    async def publish(self, *, seldom: bool = True, watched: bool = False) -> None:
        """Put up what has changed. A board that is not there gets it next time.

        Here that is at once. Elsewhere those who watch hear of all, and others ``seldom`` of what
        happened in the last hour, so that it outlives this process.
        """
        texts = {name: await notice.tell(watched) for name, notice in self._notices.items()}
        await self._post_all(self._own, texts)
        if seldom or watched:
            wanted = [name for name in texts if watched or self._notices[name].ttl == LONG]
            for board in self._shared:
                await self._post_all(board, {name: texts[name] for name in wanted})

    async def _post_all(self, board: NoticeBoard, texts: Mapping[str, str]) -> None:
        with suppress(*UNREACHABLE):
            async with asyncio.timeout(_PATIENCE):
                for name, text in texts.items():
                    await self._post(board, name, text)

    async def _post(self, board: NoticeBoard, name: str, text: str) -> None:
        now, ttl = self._clock(), self._notices[name].ttl
        posted = self._posted.get((board, name))
        if posted is None and text == NOTHING:
            return
        if posted is None or posted.text != text or posted.due <= now:
            await board.post(name, text, ttl)
            self._posted[board, name] = _Posted(text, now + ttl / 3)

    async def _is_watched(self, *, seldom: bool, watched: bool) -> bool:
        """The boards of all gateways are asked seldom."""
        if await _has_watchers(self._own):
            return True
        if not seldom:
            return watched
        return any([await _has_watchers(board) for board in self._shared])


async def _has_watchers(board: NoticeBoard) -> bool:
    with suppress(*UNREACHABLE):
        async with asyncio.timeout(_PATIENCE):
            return bool(await board.notices(WATCHED))
    return False
