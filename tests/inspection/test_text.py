"""Text is told from all else, and one kind from another, whatever its encoding and length."""

import json

import pytest

from gateway.inspection.encodings import as_utf8
from gateway.inspection.text import (
    CSV,
    JSON,
    NDJSON,
    TEXT,
    TEXT_BYTES,
    TSV,
    certain_text,
    kind_of_text,
)

WORDS = "Grüße aus Köln, 東京 und Ελλάδα\n"
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_any_unicode_with_a_mark_is_read(encoding: str) -> None:
    assert as_utf8((MARK + WORDS).encode(encoding)) == WORDS.encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_and_without_a_mark(encoding: str) -> None:
    assert as_utf8("Dear all, ä\n".encode(encoding)) == "Dear all, ä\n".encode()


@pytest.mark.parametrize("data", [bytes(64), b"a\0b\0", b"\0\0\0a\0\0\0", b"a\0b\1" * 40])
def test_binary_data_is_not_taken_for_unicode(data: bytes) -> None:
    assert as_utf8(data) == data


@pytest.mark.parametrize(
    "text",
    [
        b"a",
        b"\n",
        WORDS.encode(),
        (MARK + WORDS).encode("utf-16"),
        "Привет, мир\n".encode("cp1251"),
        "こんにちは 世界\n".encode("shift-jis"),
        b"\x1b[1mbold\x1b[0m\x08\x0c\n",
        ("ä" * TEXT_BYTES).encode(),  # a character is cut in two
    ],
)
def test_certain_text(text: bytes) -> None:
    assert certain_text(text) is not None


@pytest.mark.parametrize(
    "other",
    [
        b"\0",
        b"\xe9",
        b"\xe9\xff\xfe",
        b"text\0text",
        b"text\x01",
        b"text\x7f",
        b"\xff\xfe\0\xd8\0\xd8",  # UTF-16, but half characters
        b"{\\rtf1 x}",
        b"%!PS-Adobe",
        b"!<arch>\n",
        b"P1\n1 1\n0\n",
        b"-----BEGIN PGP MESSAGE-----\n",
    ],
)
def test_no_certain_text(other: bytes) -> None:
    assert certain_text(other) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        # libmagic takes these for CSV and NDJSON.
        (b"Dear Bob,\nthank you, Al\n", TEXT),
        (b"1\n2\n3\n", TEXT),
        (b'"a"\n"b"\n', TEXT),
        (b"a,b\n1,2\n", TEXT),
        (b"a,b\n1,2\n3,4\n", CSV),
        (b"a;b\r\n1;2\r\n3;4\r\n", CSV),
        (b'a,b\n"x, y",2\n3,4\n', CSV),
        (b"a,b\n1,2\n3\n", TEXT),
        (b"a\tb\n1\t2\n3\t4", TSV),
        (b"[]", JSON),
        (b' {"a": [1, 2.5e3, null, "x"]}\n', JSON),
        (b"[section]\nkey = 1\n", TEXT),
        (b"[1] A reference.\n", TEXT),
        (b"{ block }\n", TEXT),
        (b'{"a": 1', TEXT),
        (b"[" * 5000, TEXT),
        (b"[" + b"9" * 9000 + b"]", JSON),
        (b'{"a": 1}\n{"a": 2}\n', NDJSON),
        (b'{"a": 1} and more\n', TEXT),
        (b"<?xml version='1.0'?><a/>", "text/xml"),
        (b"begin:vcard\r\nversion:3.0\r\n", "text/vcard"),
        (b"BEGIN:VCALENDAR\r\n", "text/calendar"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", "text/vtt"),
        (b"From: a@b\nTo: c@d\nSubject: x\n\nHello\n", "message/rfc822"),
        (b"From a@b Mon\nReceived: x\n\ty\nTo: c\n", "message/rfc822"),
        (b"Subject: a talk\nIt was nice.\n", TEXT),
    ],
)
def test_kinds(text: bytes, kind: str) -> None:
    assert kind_of_text(text, complete=True) == kind


LISTS = [
    json.dumps([{"id": n, "name": f"gä{n}\n", "ok": True, "x": -1.5e-3} for n in range(500)]),
    json.dumps(["a long word" * 10] * 200, indent=2, ensure_ascii=False),
    json.dumps({"a": {"b": list(range(5000))}}),
]


@pytest.mark.parametrize("whole", LISTS)
def test_json_is_json_however_much_is_seen(whole: str) -> None:
    for size in range(10, 600):
        assert kind_of_text(whole[:size].encode(), complete=False) == JSON, whole[:size]
    assert kind_of_text(whole.encode(), complete=True) == JSON


def test_a_table_is_one_however_much_is_seen() -> None:
    whole = b"a,b,c\n" * 100
    for size in range(24, len(whole)):
        assert kind_of_text(whole[:size], complete=False) == CSV
