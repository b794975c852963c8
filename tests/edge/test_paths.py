"""One spelling for each path, or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.paths import canonical
from gateway.refusals import Refused


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/api/v4/files",
        b"/api/v4/files/",
        b"/static/main.5a1.js",
        b"/files/.hidden",
        b"/a/..b/c..",
        b"/a/...",
        b"/~user/-_.!$&'()*+,;=:@",
        b"/caf%C3%A9",
        b"/a%20b",
        b"/a%25b",
        b"/a%3Fb%23c",
        b"/a|b",
        b'/a"b',
    ],
)
def test_a_canonical_path_stays_as_it_is(path: bytes) -> None:
    assert canonical(path) == path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/api/v4/%66iles", b"/api/v4/files"),
        (b"/%61%70%69/v4/files", b"/api/v4/files"),
        (b"/a%2db%2Ec%5fd%7e", b"/a-b.c_d~"),
        (b"/caf%c3%a9", b"/caf%C3%A9"),
        (b"/a%3fb", b"/a%3Fb"),
        # Decoded once: what comes out is no encoding any more.
        (b"/api/v4/%2566iles", b"/api/v4/%2566iles"),
    ],
)
def test_needless_encoding_is_removed(path: bytes, expected: bytes) -> None:
    assert canonical(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"*",
        b"api/v4/files",
        b"//",
        b"//api/v4/files",
        b"/api//v4/files",
        b"/api/v4/files//",
        b"/./api",
        b"/api/./v4",
        b"/api/../v4",
        b"/api/.",
        b"/api/..",
        b"/.",
        b"/..",
        b"/api/%2e/v4",
        b"/api/%2E%2e/v4",
        b"/api/.%2e",
        b"/api%2fv4",
        b"/api%2Fv4",
        b"/api%5cv4",
        b"/api\\v4",
        b"/api%00",
        b"/api%0d%0a",
        b"/api%7f",
        b"/api%",
        b"/api%6",
        b"/api%zz",
        b"/api%6g",
        b"/api%%66",
    ],
)
def test_a_path_that_can_be_read_in_two_ways_is_refused(path: bytes) -> None:
    with pytest.raises(Refused) as refused:
        canonical(path)
    assert (refused.value.refusal.status, refused.value.refusal.reason) == (
        400,
        "ambiguous_request",
    )


PIECES = [b"/", b".", b"%", b"2", b"f", b"e", b"6", b"\\", b"a", b"%2f", b"%2e", b"\xff"]
PATHS = st.lists(st.sampled_from(PIECES), max_size=10).map(b"".join)


@given(PATHS)
def test_a_canonical_path_has_one_spelling(path: bytes) -> None:
    try:
        result = canonical(path)
    except Refused:
        return
    assert canonical(result) == result
    assert result.startswith(b"/")
    assert b"//" not in result
    assert b"\\" not in result
    assert not {b".", b".."} & set(result.split(b"/"))
