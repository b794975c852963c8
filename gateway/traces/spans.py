"""Spans, as OpenTelemetry's SDK sends them to a collector (OTLP over HTTP).

A request's spans are made when its account is closed, with the times that this has: until then
nobody pays for them. They wait in a queue with an end, and a thread sends them on; nothing but
that thread ever waits for a collector.
"""

import time
from os import urandom
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway import __version__
from gateway.accounting import Account, TimedAccount
from gateway.endpoints import ENDPOINTS
from gateway.metrics.families import STAGES
from gateway.metrics.metrics import METHODS
from gateway.values import Outcome, Spans

SERVICE = "mattermost-upload-gateway"
_ROUTES = {row.name: row.path for row in ENDPOINTS}
_FORWARD = STAGES.index("forward")
_ANSWERED = frozenset({"none", "mattermost_refused", "mattermost_failed"})
"""Reasons of requests whose status is that of Mattermost's answer."""
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_ERROR = Status(StatusCode.ERROR)
_UNSET = Status(StatusCode.UNSET)
_STOP_WITHIN = 3.0
"""Seconds for which the end of the process waits for a collector."""

Attributes = dict[str, str | int]


class _Closed(NamedTuple):
    """A request that has ended."""

    account: TimedAccount
    spans: Spans
    path: str
    shift: float
    """What makes Unix times of those by the account's clock."""

    @property
    def times(self) -> tuple[float, float]:
        return self.account.started, self.account.started + self.account.answered

    def way_to_mattermost(self) -> tuple[float, float] | None:
        """When it was on its way there, if it came so far."""
        steps = self.account.steps
        forwarded = [(began, ended) for stage, began, ended in steps if stage == _FORWARD]
        if forwarded:
            return forwarded[0][0], forwarded[-1][1]
        return self.times if self.account.passed_on else None


class SpanWriter:
    """Turns closed accounts into spans, named and described as the semantic conventions for
    HTTP have it (https://opentelemetry.io/docs/specs/semconv/http/http-spans/)."""

    def __init__(self, url: str, upstream: str) -> None:
        """``upstream`` is Mattermost's address. What the ``OTEL_`` variables of the exporter, its
        queue and the resource say holds, but for the collector's address."""
        resource = Resource.create({"service.name": SERVICE, "service.version": __version__})
        self._resource = resource.merge(OTELResourceDetector().detect())
        self._upstream = upstream
        parts = urlsplit(upstream)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._server = (parts.hostname or "", port)
        self._scope = InstrumentationScope(SERVICE, __version__)
        self._processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=url))

    def close(self, account: Account) -> None:
        """Have the spans of ``account`` sent; never waits."""
        spans = account.trace.spans
        if spans is None or not isinstance(account, TimedAccount):
            return
        shift = time.time() - account.clock()
        request = _Closed(account, spans, account.path.decode("latin-1"), shift)
        self._end_request(request)
        if (way := request.way_to_mattermost()) is not None:
            self._end_call(request, way)
        ids = urandom(8 * len(account.steps))
        for number, (stage, began, ended) in enumerate(account.steps):
            id_of_span = int.from_bytes(ids[8 * number :][:8]) or 1
            self._end(request, STAGES[stage], id_of_span, spans.server, (began, ended), {})

    def stop(self) -> None:
        """Send what waits; gives up after a while."""
        # The processor itself would wait much longer for a collector that is gone.
        stopping = Thread(target=self._processor.shutdown, daemon=True)
        stopping.start()
        stopping.join(_STOP_WITHIN)

    def _end_request(self, request: _Closed) -> None:
        account, spans = request.account, request.spans
        attributes = _method(account.method) | {
            "url.path": request.path,
            "http.response.status_code": account.status,
            "client.address": account.client,
            "upload_gateway.request_id": account.request_id,
            "upload_gateway.endpoint": account.endpoint,
            "upload_gateway.outcome": account.outcome,
            "upload_gateway.reason": account.reason,
        }
        route = _ROUTES.get(account.endpoint)
        if route is not None:
            attributes["http.route"] = route
        if account.user_id is not None:
            attributes["user.id"] = account.user_id
        if account.bytes_received:
            attributes["http.request.body.size"] = account.bytes_received
        if account.files:
            attributes["upload_gateway.files"] = len(account.files)
        if account.visitor is not None:
            attributes["url.scheme"] = account.visitor.scheme
            attributes["network.protocol.version"] = account.visitor.protocol.partition("/")[2]
            if account.visitor.user_agent:
                attributes["user_agent.original"] = account.visitor.user_agent
        failed = account.status >= 500 or account.outcome is Outcome.FAILED
        if failed:
            attributes["error.type"] = account.reason
        self._end(
            request,
            " ".join(filter(None, (str(attributes["http.request.method"]), route))),
            int(spans.server, 16),
            spans.parent,
            request.times,
            attributes,
            SpanKind.SERVER,
            failed=failed,
        )

    def _end_call(self, request: _Closed, way: tuple[float, float]) -> None:
        account, spans = request.account, request.spans
        attributes = _method(account.method) | {
            "url.full": f"{self._upstream}{request.path}",
            "server.address": self._server[0],
            "server.port": self._server[1],
        }
        failed = account.reason != "none"
        if account.reason in _ANSWERED:
            attributes["http.response.status_code"] = account.status
        if failed:
            answered = account.reason in _ANSWERED
            attributes["error.type"] = str(account.status) if answered else account.reason
        self._end(
            request,
            str(attributes["http.request.method"]),
            int(spans.client, 16),
            spans.server,
            way,
            attributes,
            SpanKind.CLIENT,
            failed=failed,
        )

    def _end(
        self,
        request: _Closed,
        name: str,
        span_id: int,
        parent: str,
        times: tuple[float, float],
        attributes: Attributes,
        kind: SpanKind = SpanKind.INTERNAL,
        *,
        failed: bool = False,
    ) -> None:
        """``times`` are by the account's clock."""
        trace_id = int(request.account.trace.id, 16)
        self._processor.on_end(
            ReadableSpan(
                name,
                SpanContext(trace_id, span_id, is_remote=False, trace_flags=_SAMPLED),
                _parent(trace_id, parent),
                self._resource,
                attributes,
                kind=kind,
                status=_ERROR if failed else _UNSET,
                start_time=int((times[0] + request.shift) * 1e9),
                end_time=int((times[1] + request.shift) * 1e9),
                instrumentation_scope=self._scope,
            )
        )


def _parent(trace_id: int, span_id: str) -> SpanContext | None:
    if not span_id:
        return None
    return SpanContext(trace_id, int(span_id, 16), is_remote=False, trace_flags=_SAMPLED)


def _method(method: str) -> Attributes:
    if method in METHODS:
        return {"http.request.method": method}
    return {"http.request.method": "_OTHER", "http.request.method_original": method}
