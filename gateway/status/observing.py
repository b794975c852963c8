"""What all gateways tell, put together; asked for by whoever has the status page open."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from gateway.ledger.engine import NoticeBoard
from gateway.ledger.quotas import LedgerUnavailable
from gateway.ledger.standings import Standing
from gateway.status.hour import added_up
from gateway.status.publishing import UNREACHABLE, WATCHED, WATCHED_TTL
from gateway.status.recent import UserName
from gateway.status.values import NOTHING, GatewayState, Minute, Refusal, RunningUpload, read

GATEWAY, HOUR, RUNNING, REFUSALS, NAMES = "gateway", "hour", "running", "refusals", "names"
"""Subjects of notices: what their names begin with."""
TOP_QUOTAS = 20
_MOST_RUNNING = 200
_MOST_REFUSALS = 500
_FRESH_FOR = 0.9
_PATIENCE = 2.0
_QUOTAS_FRESH_FOR = 5.0
_QUOTAS_SHARE = 50
"""To read all of the ledger takes at most this part of the time: one second in fifty."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What is known at one moment."""

    time: float
    gateways: Sequence[GatewayState] = ()
    running: Sequence[RunningUpload] = ()
    """Those that began first, first."""
    running_in_all: int = 0
    minutes: Sequence[Minute] = ()
    """Of the last hour, oldest first."""
    refusals: Sequence[Refusal] = ()
    """Newest first."""
    names: dict[str, str] = field(default_factory=dict)
    """User names, by the users' ids."""
    ledger_problem: str = ""
    """Why only this gateway's own activity is known; empty if that is not so."""
    standings: Sequence[Standing] = ()
    standings_problem: str = ""


class Observer:
    """Reads the boards, at most once a second however many look."""

    def __init__(
        self,
        process: str,
        boards: Sequence[NoticeBoard],
        standings: Callable[[], Awaitable[list[Standing]]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """The first of ``boards`` is this gateway's own, the other one all gateways'."""
        self._name = f"{WATCHED}{process}"
        self._boards = boards
        self._ask_standings = standings
        self._clock = clock
        self._lock = asyncio.Lock()
        self._activity = Activity(0.0)
        self._looked = -_FRESH_FOR
        self._say_due = 0.0
        self._standings: list[Standing] = []
        self._standings_problem = ""
        self._standings_due = 0.0

    async def activity(self) -> Activity:
        """What happens now and happened in the last hour."""
        async with self._lock:
            if monotonic() - self._looked >= _FRESH_FOR:
                self._activity = await self._look()
                self._looked = monotonic()
        return self._activity

    async def _look(self) -> Activity:
        notices: dict[str, str] = {}
        problem = ""
        if say := monotonic() >= self._say_due:
            self._say_due = monotonic() + WATCHED_TTL / 4
        for board in reversed(self._boards):  # what is nearer is newer
            try:
                async with asyncio.timeout(_PATIENCE):
                    if say:
                        await board.post(self._name, NOTHING, WATCHED_TTL)
                    notices |= await board.notices("")
            except UNREACHABLE as error:
                problem = str(error) or "no answer"
        await self._look_at_quotas()
        return self._read(notices, problem)

    async def _look_at_quotas(self) -> None:
        began = monotonic()
        if began < self._standings_due:
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                standings = await self._ask_standings()
            self._standings, self._standings_problem = standings[:TOP_QUOTAS], ""
        except (LedgerUnavailable, TimeoutError) as error:
            self._standings_problem = str(error) or "no answer"
        took = monotonic() - began
        self._standings_due = began + max(_QUOTAS_FRESH_FOR, _QUOTAS_SHARE * took)

    def _read(self, notices: dict[str, str], problem: str) -> Activity:
        def texts(subject: str) -> list[str]:
            begin = f"{subject}/"
            return [text for name, text in notices.items() if name.startswith(begin)]

        now = self._clock()
        running = read(RunningUpload, texts(RUNNING))
        running.sort(key=lambda upload: (-upload.seconds, upload.id))
        refusals = read(Refusal, texts(REFUSALS))
        refusals.sort(key=lambda refusal: -refusal.time)
        gateways = read(GatewayState, texts(GATEWAY))
        return Activity(
            now,
            sorted(gateways, key=lambda gateway: (gateway.host, gateway.id)),
            running[:_MOST_RUNNING],
            len(running),
            added_up(read(Minute, texts(HOUR)), now),
            refusals[:_MOST_REFUSALS],
            {name.id: name.username for name in read(UserName, texts(NAMES))},
            problem,
            self._standings,
            self._standings_problem,
        )
