"""The admin port: metrics for Prometheus, liveness and readiness for whoever restarts things."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.logs import Log
from gateway.upstream.connection import Untrusted

METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_CHECK_EVERY = 1.0
_CHECK_TIMEOUT = 5.0

_WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")

Check = Callable[[], Awaitable[None]]
"""Returns if a part works, raises if it does not."""


class Exposition(Protocol):
    """Makes the text of a scrape."""

    def __call__(self, *, openmetrics: bool) -> bytes: ...


class Readiness:
    """Whether the gateway could serve an upload now; asked for at most once a second."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        log: Log,
        *,
        details: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """``details`` tells what is wrong, by part, and keeps nobody from being served."""
        self.details = details
        self._checks = checks
        self._log = log
        self._lock = asyncio.Lock()
        self._checked = -_CHECK_EVERY
        self._problems: dict[str, str] = {}
        self.draining = False

    @property
    def known(self) -> Mapping[str, str]:
        """What did not work when it was last asked for."""
        return self._problems

    async def problems(self) -> dict[str, str]:
        """What does not work, by part; empty means ready."""
        if self.draining:
            return {"gateway": "shutting down"}
        async with self._lock:
            if monotonic() - self._checked >= _CHECK_EVERY:
                results = await asyncio.gather(*(self._run(name) for name in self._checks))
                self._problems = {name: problem for name, problem in results if problem}
                self._checked = monotonic()
        return self._problems

    async def _run(self, name: str) -> tuple[str, str]:
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT):
                await self._checks[name]()
        except TimeoutError:
            problem = "no answer"
        except Untrusted as error:
            problem = "its certificate is not trusted"
            self._log.warning("not_ready", part=name, detail=f"Untrusted: {error}")
        except Exception as error:
            problem = "not available"
            self._log.warning("not_ready", part=name, detail=f"{type(error).__name__}: {error}")
        else:
            problem = ""
        return name, problem


def _json(document: object, status: int) -> Response:
    body = json.dumps(document, separators=(",", ":")) + "\n"
    return Response(body, status, media_type="application/json")


def _wants_openmetrics(accept: str) -> bool:
    """Whether a scraper would rather have OpenMetrics than plain text (RFC 9110, 12.5.1)."""
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for media_range in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in media_range.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        if kind in weights and _WEIGHT.fullmatch(weight):
            weights[kind] = max(weights[kind], float(weight))
    openmetrics, plain = weights.values()
    return openmetrics > 0 and openmetrics >= plain


def admin_app(readiness: Readiness, exposition: Exposition, more: Sequence[Route]) -> Starlette:
    """``/metrics``, ``/healthz``, ``/readyz``, and ``more``."""

    async def metrics(request: Request) -> Response:
        openmetrics = _wants_openmetrics(request.headers.get("accept", ""))
        text = exposition(openmetrics=openmetrics)
        return Response(text, media_type=OPENMETRICS_TYPE if openmetrics else METRICS_TYPE)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        problems = await readiness.problems()
        details = readiness.details()
        told = {"details": details} if details else {}
        if problems:
            return _json({"status": "not ready", "problems": problems, **told}, 503)
        return _json({"status": "ready", **told}, 200)

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *more,
        ]
    )
