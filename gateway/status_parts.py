"""The parts of the status page: what this process tells of itself, and what the page is told."""

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from gateway import __version__
from gateway.composition import Parts
from gateway.configuration import admin_token_from, quotas_from
from gateway.edge.admin import admin_app
from gateway.edge.caller import Origins
from gateway.edge.running import RunningUploads
from gateway.edge.status.access import Access, is_loopback
from gateway.edge.status.app import StatusPage
from gateway.edge.status.view import Filter, Part, ShownPolicy, View
from gateway.ledger.engine import NoticeBoard
from gateway.ledger.language import parse_zone
from gateway.ledger.standings import Standing, Standings
from gateway.metrics.exposition import Read, exposition, total
from gateway.metrics.families import AUDIT_FAILING, CREDENTIALS_STALE
from gateway.policy_file.description import described_rule
from gateway.settings import PREFIX, shown_value, split_address
from gateway.status.hour import Hour
from gateway.status.observing import GATEWAY, HOUR, NAMES, REFUSALS, RUNNING, Observer
from gateway.status.publishing import LONG, SHORT, Notice, Publisher
from gateway.status.values import GatewayState, written

_POLICY = (
    "enforce", "max_file_size", "allowed_types", "denied_types", "denied_extensions",
    "extension_agreement", "unlisted_uploads", "quotas", "quota_timezone", "ledger_on_error",
    "scanner_too_large", "scanner_unreachable", "audit_on_error", "mode",
)  # fmt: skip
"""Settings that say what may pass."""


@asynccontextmanager
async def telling_of_uploads(
    parts: Parts, board: NoticeBoard, connections: Collection[Any]
) -> AsyncIterator[None]:
    """Tell what happens to uploads of this process, which come in by ``connections``."""
    running = RunningUploads(connections)
    notices = {
        RUNNING: Notice(SHORT, _telling(running.look)),
        REFUSALS: Notice(LONG, _telling(parts.refusals.look)),
        NAMES: Notice(LONG, _telling(parts.names.look)),
    }
    async with _publishing(Publisher(secrets.token_hex(8), (board, parts.ledger), notices)):
        yield


def _telling(look: Callable[[], Sequence[object]]) -> Callable[[bool], Any]:
    async def tell(_: bool) -> str:  # noqa: FBT001 - a callback
        return written(look())

    return tell


@asynccontextmanager
async def _publishing(publisher: Publisher) -> AsyncIterator[None]:
    running = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        running.cancel()
        await publisher.publish(watched=True)  # others need not wait until its notices end


class AdminSide:
    """What the admin port serves, and what it tells of this gateway."""

    def __init__(self, parts: Parts, read_metrics: Read, board: NoticeBoard, address: str) -> None:
        """``address`` is where the port is. Raises SettingsError."""
        # Where there are workers, it is they who write the audit log and read credentials.
        parts.audit_fails = lambda: total(read_metrics, AUDIT_FAILING) > 0
        parts.stale_credentials = lambda file: total(read_metrics, CREDENTIALS_STALE, file) > 0
        self._parts = parts
        self._process = secrets.token_hex(8)
        self._boards = (board, parts.ledger)
        self._hour = Hour(read_metrics)
        self._started = time.time()
        self._zone = parse_zone(parts.settings.quota_timezone)
        self._observer = Observer(self._process, self._boards, self._standings)
        loopback = is_loopback(split_address(address)[0])
        access = Access(admin_token_from(parts.settings), loopback=loopback)
        self._page = StatusPage(self._look, access, Origins(parts.settings.trusted_proxies))
        self.app = admin_app(
            parts.readiness, partial(exposition, read_metrics), self._page.routes()
        )

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Tell all gateways of this one."""
        notices = {
            GATEWAY: Notice(SHORT, self._tell_state),
            HOUR: Notice(LONG, self._tell_hour),
        }
        async with _publishing(Publisher(self._process, self._boards, notices)):
            yield

    def close(self) -> None:
        """Let those go who have the page open."""
        self._page.close()

    async def _tell_state(self, watched: bool) -> str:  # noqa: FBT001 - a callback
        readiness, settings = self._parts.readiness, self._parts.settings
        problems = await readiness.problems() if watched else readiness.known
        return written(
            [
                GatewayState(
                    self._process,
                    socket.gethostname(),
                    __version__,
                    settings.workers,
                    round(self._started, 3),
                    dict(problems),
                    dict(readiness.details()),
                )
            ]
        )

    async def _tell_hour(self, _: bool) -> str:  # noqa: FBT001 - a callback
        self._hour.update()
        return written(self._hour.look())

    async def _standings(self) -> list[Standing]:
        parts = self._parts
        quotas = quotas_from(parts.settings, parts.policy.rulebook.rules.rules)
        return await Standings(parts.ledger, quotas, self._zone).all()

    async def _look(self, wanted: Filter) -> View:
        activity = await self._observer.activity()
        return View(activity, await self._health(), self._policy(), wanted, self._zone)

    async def _health(self) -> list[Part]:
        readiness, settings = self._parts.readiness, self._parts.settings
        problems, details = await readiness.problems(), readiness.details()
        scans = settings.scanner_url is not None and self._parts.policy.scans
        about = {
            "gateway": f"version {__version__}",
            "mattermost": settings.upstream_url,
            "ledger": shown_value("ledger_url", settings.ledger_url),
            "scanner": settings.scanner_url if scans else "no rule has files scanned",
            "audit": str(settings.audit_log) if settings.audit_log else "no audit log is kept",
            "policy": "the rules of the policy file" if settings.policy_file else "the settings",
        }
        off = {"scanner": not scans, "audit": settings.audit_log is None}
        parts = []
        told = dict.fromkeys((*problems, *details), "")
        for name, sentence in {**told, **about}.items():
            if name in problems:
                parts.append(Part(name, "failing", problems[name]))
            elif name in details:
                parts.append(Part(name, "degraded", details[name]))
            else:
                parts.append(Part(name, "off" if off.get(name) else "ok", sentence or ""))
        return parts

    def _policy(self) -> ShownPolicy:
        settings, rules = self._parts.settings, self._parts.policy.rulebook.rules.rules
        return ShownPolicy(
            str(settings.policy_file or ""),
            [described_rule(rule) for rule in rules],
            [
                (f"{PREFIX}{name.upper()}", shown_value(name, getattr(settings, name)))
                for name in _POLICY
            ],
        )
