"""Traces that go on, or begin here: W3C Trace Context (https://www.w3.org/TR/trace-context/).

The gateway is a step of each trace, and keeps no record of it but the ``trace_id`` of a log line.
"""

import re
from collections.abc import Iterator, Mapping
from os import urandom

from gateway.values import Trace

_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_STATE_BYTES = 512
"""What everybody has to pass on (3.3.1.5); more may be dropped."""
_SAMPLED = 1
_ID_BYTES = 24


def new_trace() -> Trace:
    """One that begins here; whether anybody records it is not decided here."""
    return Trace(*next(_fresh))


def continued_trace(headers: Mapping[bytes, bytes]) -> Trace:
    """That of a request whose ``headers`` are believed; a new one if they are in none."""
    parent = _TRACEPARENT.fullmatch(headers.get(b"traceparent", b""))
    if parent is None or (parent[1] == b"00" and parent[5] is not None):
        return new_trace()
    step = urandom(8).hex().encode()
    flags = b"%02x" % (int(parent[4], 16) & _SAMPLED)
    trace = Trace(parent[2].decode(), _headers(parent[2], step, flags))
    state = headers.get(b"tracestate", b"")
    if not state or len(state) > _STATE_BYTES:
        return trace
    return trace._replace(headers=(*trace.headers, (b"tracestate", state)))


_Headers = tuple[tuple[bytes, bytes], ...]


def _headers(trace_id: bytes, step: bytes, flags: bytes) -> _Headers:
    return ((b"traceparent", b"00-%b-%b-%b" % (trace_id, step, flags)),)


def _traces() -> Iterator[tuple[str, _Headers]]:
    # Drawn many at once, as request ids are.
    while True:
        digits = urandom(_ID_BYTES * 256).hex()
        for start in range(0, len(digits), 2 * _ID_BYTES):
            trace_id, step = digits[start : start + 32], digits[start + 32 : start + 48]
            yield trace_id, ((b"traceparent", f"00-{trace_id}-{step}-00".encode()),)


_fresh = _traces()
