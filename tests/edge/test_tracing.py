"""W3C Trace Context: which traces go on, and which begin here."""

import re

import pytest

from gateway.edge.tracing import continued_trace, new_trace, sampling

ID, STEP = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")


def told(trace_headers: tuple[tuple[bytes, bytes], ...]) -> tuple[str, str, str]:
    """Trace, step and flags that Mattermost is told."""
    match = TRACEPARENT.fullmatch(dict(trace_headers)[b"traceparent"].decode())
    assert match is not None
    return match[1], match[2], match[3]


@pytest.mark.parametrize(
    ("parent", "flags"),
    [
        (f"00-{ID}-{STEP}-01", "01"),
        (f"00-{ID}-{STEP}-00", "00"),
        # Flags that nobody knows are not passed on (3.2.2.5).
        (f"00-{ID}-{STEP}-ff", "01"),
        (f"00-{ID}-{STEP}-fe", "00"),
        # Of a later version what is known counts (3.2.4).
        (f"01-{ID}-{STEP}-01", "01"),
        (f"cc-{ID}-{STEP}-01-what-the-future-brings", "01"),
    ],
)
def test_a_trace_goes_on_with_a_step_of_the_gateways_own(parent: str, flags: str) -> None:
    trace = continued_trace({b"traceparent": parent.encode()})
    assert trace.id == ID
    trace_id, step, told_flags = told(trace.headers)
    assert (trace_id, told_flags) == (ID, flags)
    assert step != STEP


@pytest.mark.parametrize(
    "parent",
    [
        "",
        f"00-{ID}-{STEP}",
        f"00-{ID}-{STEP}-01-more",
        f"00-{ID}-{STEP}-01-",
        f"cc-{ID}-{STEP}-01more",
        f"ff-{ID}-{STEP}-01",
        f"00-{'0' * 32}-{STEP}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID.upper()}-{STEP}-01",
        f"00-{ID}-{STEP}-0x",
        f"00-{ID}-{STEP}-01, 00-{ID}-{STEP}-01",
        f" 00-{ID}-{STEP}-01",
        f"00-{ID}-{STEP}-01\n",
    ],
)
def test_what_is_no_traceparent_begins_a_new_trace(parent: str) -> None:
    trace = continued_trace({b"traceparent": parent.encode(), b"tracestate": b"a=1"})
    assert trace.id != ID
    assert told(trace.headers)[::2] == (trace.id, "00")
    assert b"tracestate" not in dict(trace.headers)


def test_the_state_goes_along_unless_it_is_too_long() -> None:
    headers = {b"traceparent": f"00-{ID}-{STEP}-01".encode(), b"tracestate": b"a=1,b=2"}
    assert dict(continued_trace(headers).headers)[b"tracestate"] == b"a=1,b=2"
    headers[b"tracestate"] = b"a=" + b"1" * 511
    assert b"tracestate" not in dict(continued_trace(headers).headers)


def test_no_two_new_traces_are_the_same() -> None:
    traces = [new_trace() for _ in range(1000)]
    assert len({trace.id for trace in traces}) == 1000
    assert len({told(trace.headers)[1] for trace in traces}) == 1000


def test_a_share_of_new_traces_is_recorded_as_their_ids_say() -> None:
    threshold = sampling(0.25)
    traces = [new_trace(threshold) for _ in range(1000)]
    assert all((trace.spans is not None) == (int(trace.id[16:], 16) < 2**62) for trace in traces)
    assert all(new_trace(sampling(1)).spans is not None for _ in range(1000))
    assert all(new_trace(sampling(0)).spans is None for _ in range(1000))
    assert new_trace().spans is None


@pytest.mark.parametrize("threshold", [sampling(0), sampling(1)])
def test_a_trace_that_goes_on_is_recorded_if_others_do(threshold: int) -> None:
    trace = continued_trace({b"traceparent": f"00-{ID}-{STEP}-01".encode()}, threshold)
    assert trace.spans is not None
    assert trace.spans.parent == STEP
    assert told(trace.headers) == (ID, trace.spans.client, "01")
    assert trace.spans.server != trace.spans.client
    unrecorded = continued_trace({b"traceparent": f"00-{ID}-{STEP}-00".encode()}, threshold)
    assert unrecorded.spans is None
    assert told(unrecorded.headers)[2] == "00"


def test_a_new_trace_that_is_recorded_says_so() -> None:
    trace = new_trace(sampling(1))
    assert trace.spans is not None
    assert trace.spans.parent == ""
    assert told(trace.headers) == (trace.id, trace.spans.client, "01")
