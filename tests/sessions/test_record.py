"""The note in the ledger."""

from dataclasses import replace

import pytest

from gateway.upload.record import SessionRecord
from gateway.values import UploadSession

SESSION = UploadSession(
    "s1", "u1", is_import=False, channel_id="c1", name="ä.txt", size=10, offset=0
)
RECORD = SessionRecord.of(SESSION)


def test_a_note_reads_as_what_was_written() -> None:
    judged = replace(RECORD, content_type="text/plain", policy="abc")
    for record in (RECORD, judged):
        assert SessionRecord.read(record.note()) == record
    assert RECORD.note() == SessionRecord.of(replace(SESSION, offset=5)).note() != judged.note()


@pytest.mark.parametrize("note", ["", "{", "[]", "null", "{}", '{"user_id": "u1", "new": 1}'])
def test_a_note_of_another_version(note: str) -> None:
    assert SessionRecord.read(note) is None


def test_whether_it_is_a_sessions_own() -> None:
    assert RECORD.is_of(replace(SESSION, offset=5))
    assert not RECORD.is_of(replace(SESSION, user_id="u2"))
    assert not RECORD.is_of(replace(SESSION, is_import=True))
    assert not RECORD.is_of(replace(SESSION, name="b.txt"))
    assert not RECORD.is_of(replace(SESSION, size=11))
