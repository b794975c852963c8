"""Traces that go on, or begin here: W3C Trace Context (https://www.w3.org/TR/trace-context/).

The gateway is a step of each trace. What is to be recorded of it is decided here: what is part
of a trace that others record, and a share of those that begin here.
"""

import re
from collections.abc import Iterator, Mapping
from os import urandom

from gateway.values import Spans, Trace

_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_STATE_BYTES = 512
"""What everybody has to pass on (3.3.1.5); more may be dropped."""
_SAMPLED = 1
_ID_BYTES = 24
_ALL = 2**64


def sampling(ratio: float) -> int:
    """The threshold for ``new_trace`` that has this share of traces recorded (0 to 1)."""
    return int(ratio * _ALL)


def new_trace(threshold: int | None = None) -> Trace:
    """One that begins here, recorded if its id is below ``threshold``, as OpenTelemetry's
    TraceIdRatioBased decides; None if none is."""
    trace = next(_fresh)
    if threshold is None or int(trace.id[16:], 16) >= threshold:
        return trace
    return _recorded(trace.id, "")


def continued_trace(headers: Mapping[bytes, bytes], threshold: int | None = None) -> Trace:
    """That of a request whose ``headers`` are believed; a new one if they are in none.

    With a ``threshold``, it is recorded if those before it say that they do.
    """
    parent = _TRACEPARENT.fullmatch(headers.get(b"traceparent", b""))
    if parent is None or (parent[1] == b"00" and parent[5] is not None):
        return new_trace(threshold)
    flags = int(parent[4], 16) & _SAMPLED
    if flags and threshold is not None:
        trace = _recorded(parent[2].decode(), parent[3].decode())
    else:
        step = urandom(8).hex()
        trace = Trace(parent[2].decode(), _headers(parent[2], step.encode(), b"%02x" % flags))
    state = headers.get(b"tracestate", b"")
    if not state or len(state) > _STATE_BYTES:
        return trace
    return trace._replace(headers=(*trace.headers, (b"tracestate", state)))


_Headers = tuple[tuple[bytes, bytes], ...]


def _recorded(trace_id: str, parent: str) -> Trace:
    digits = urandom(16).hex()
    spans = Spans(parent, digits[:16], digits[16:])
    return Trace(trace_id, _headers(trace_id.encode(), spans.client.encode(), b"01"), spans)


def _headers(trace_id: bytes, step: bytes, flags: bytes) -> _Headers:
    return ((b"traceparent", b"00-%b-%b-%b" % (trace_id, step, flags)),)


def _traces() -> Iterator[Trace]:
    # Drawn many at once, as request ids are.
    while True:
        digits = urandom(_ID_BYTES * 256).hex()
        for start in range(0, len(digits), 2 * _ID_BYTES):
            trace_id, step = digits[start : start + 32], digits[start + 32 : start + 48]
            yield Trace(trace_id, ((b"traceparent", f"00-{trace_id}-{step}-00".encode()),))


_fresh = _traces()
