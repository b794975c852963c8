"""Promise 7 for random spellings of all addresses at which Mattermost takes files.

Whether it would take one at a spelling, the stand-in itself is asked, with the same request.
"""

from dataclasses import dataclass
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.endpoints import Endpoint, Way
from tests.promises.rows import TAKING, Headers, Row
from tests.promises.tricks import FORM, GOOD, PROGRAM, Outcome, Scene

ROWS: list[Endpoint | None] = [*TAKING, None]
"""None stands for a chunk of an upload session."""
ODD = st.sampled_from(
    [
        "/", "//", "/.", "/./", "/..", "/x/../", "/%2e", "/%2E%2e/", "%2f", "%2F", "%5c", "\\",
        ";x=1", "%00", "%0a", "%", "%6", "%zz", "%25", "%20", "%3f", "%23", ".", "%c0%af", "?", "&",
        "%e2%80%8b", "~", "*", "@", ":", "+", "x",
    ]
)  # fmt: skip
FORMS = ("{}", "%{:02x}", "%{:02X}", "%25{:02x}", "%c1%{:02x}")


class Spelling(NamedTuple):
    row: Endpoint | None
    forms: tuple[int, ...]
    """How each character is written, in turn."""
    odd: str
    place: int
    """Where ``odd`` is put, if it is."""

    def of(self, path: str) -> str:
        letters = [
            letter if form == 0 or letter == "/" else FORMS[form].format(ord(letter))
            for letter, form in zip(path, self.forms * len(path), strict=False)
        ]
        letters.insert(self.place % (len(letters) + 1), self.odd)
        return "".join(letters)


RARELY = st.lists(st.sampled_from([0] * 9 + [1, 2]), min_size=7, max_size=40)
OFTEN = st.lists(st.sampled_from([0, 0, 1, 2, 3, 4]), min_size=7, max_size=40)
SPELLINGS = st.builds(
    Spelling,
    st.sampled_from(ROWS),
    (RARELY | RARELY | OFTEN).map(tuple),
    st.just("") | st.just("") | ODD,
    st.integers(0, 60),
)


@dataclass(frozen=True)
class Upload:
    """A request with a file, but for its address."""

    path: str
    query: str
    credentials: Headers
    headers: Headers
    body: bytes


Rows = dict[str, Row]


@pytest.fixture(scope="module")
def rows(scene: Scene) -> Rows:
    """By their paths."""
    return {row.path: Row(row, scene.mattermost, scene.gateway) for row in TAKING}


def upload(scene: Scene, rows: Rows, row: Endpoint | None, *, good: bool, directly: bool) -> Upload:
    """With a file that may pass at ``row``, or with one that may not."""
    if row is None:
        at = scene.places["upload_data"]
        content = at.content if good else PROGRAM
        target = scene.target(at, content, directly=directly)
        return Upload(target, "", scene.client.head(), [FORM], at.fill(GOOD, content))
    there = rows[row.path]
    if row.way is Way.SERVER_UPLOAD:  # its session takes a file once
        there = Row(row, scene.mattermost, scene.gateway)
    case = there.case
    headers, body = there.request(case.content if good else case.wrong, case.name)
    return Upload(there.path, there.query, there.credentials, headers, body)


def send(
    scene: Scene, rows: Rows, spelling: Spelling, *, good: bool = True, directly: bool = False
) -> Outcome:
    """What comes of a file at this spelling of its address."""
    wanted = upload(scene, rows, spelling.row, good=good, directly=directly)
    return scene.post(
        spelling.of(wanted.path) + wanted.query,
        wanted.body,
        *wanted.headers,
        credentials=wanted.credentials,
        directly=directly,
    )


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(spelling=SPELLINGS)
def test_no_spelling_leads_around_the_rules(spelling: Spelling, rows: Rows, scene: Scene) -> None:
    refused = send(scene, rows, spelling, good=False)
    assert refused.took == []
    assert not refused.left
    taken = send(scene, rows, spelling, directly=True).took
    passed = send(scene, rows, spelling)
    assert passed.took in ([], taken)
    if taken:
        assert refused.error is not None
        assert refused.error[1].startswith("gateway.")
        assert passed.took == taken or (passed.error or (0, ""))[0] == 400
