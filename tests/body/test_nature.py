"""What a body says it is, and whether that can be believed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.body.nature import LOOK_BYTES, Look, Nature, declared
from tests.inspection import files


@pytest.mark.parametrize(
    ("content_type", "nature"),
    [
        ("", Nature.TEXT),
        ("application/json", Nature.JSON),
        ("Application/JSON ; charset=utf-8", Nature.JSON),
        ("application/merge-patch+json", Nature.JSON),
        ("application/json;", Nature.JSON),
        ("text/plain", Nature.TEXT),
        ("text/json; charset=utf-8", Nature.TEXT),
        ("application/x-www-form-urlencoded", Nature.TEXT),
        ("application/x-www-form-urlencoded; charset=UTF-8", Nature.TEXT),
        # Nobody knows what these are to mean, so the bytes tell.
        ("json", Nature.TEXT),
        ("application/json, application/json", Nature.TEXT),
        ("application/octet-stream, text/plain", Nature.TEXT),
        ("/", Nature.TEXT),
        ("application/octet-stream", Nature.FILE),
        ("image/png", Nature.FILE),
        ("application/xml", Nature.FILE),
        ("application/jsonp", Nature.FILE),
        ("x/json+json+x", Nature.FILE),
        ("application/x-www-form-urlencoded-x", Nature.FILE),
        ("multipart/form-data; boundary=x", Nature.FORM),
        ("Multipart/Mixed", Nature.FORM),
        ("multipart", Nature.FORM),
        ("application/json, multipart/form-data; boundary=x", Nature.FORM),
        ("text/plain; x=multipart/form-data", Nature.FORM),
    ],
)
def test_what_a_body_says_it_is(content_type: str, nature: Nature) -> None:
    assert declared(content_type.encode()) is nature


JSON = ["{}", '{"a": 1}', "[]", '["a"]', "[[1]]", '"a"', "0", "-1.5", "true", "false", "null",
        ' \r\n\t{ \n "a" : "\u20ac" }', "\ufeff{}", "[ -1 ]", "[true]", "[null, {}]"]  # fmt: skip


@pytest.mark.parametrize("text", JSON)
def test_json_is_believed_however_it_is_cut(text: str) -> None:
    body = text.encode()
    for cut in range(len(body) + 1):
        look = Look(Nature.JSON)
        assert look.believes(body[:cut])
        assert look.believes(body[cut:])
    look = Look(Nature.JSON)
    assert all(look.believes(body[i : i + 1]) for i in range(len(body)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
)


@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_what_is_written_as_json_is_believed(
    value: object, ascii_only: bool, indent: int | str | None
) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert Look(Nature.JSON).believes(written.encode("utf-8", "replace"))


NOT_JSON = [
    b"hello", b"{a", b"{{", b"{1", b"[x", b"trick", b"no", b"f\xff", b"<html>", b"#!/bin/sh\n",
    rb"{\rtf1\ansi}", b"%PDF-1.7\n", b"GIF89a", b"PK\3\4", b'{"a": "\0"}', b'{"a": "\x1f\x8b"}',
    b"\xef\xbb{}", b"\xfe\xff\0{\0}",
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_JSON)
def test_what_is_no_json_is_not_believed_however_it_is_cut(body: bytes) -> None:
    assert not Look(Nature.JSON).believes(body)
    look = Look(Nature.JSON)
    assert not all(look.believes(body[i : i + 1]) for i in range(len(body)))


TEXTS = [
    b"hello", b"payload=%7B%7D", b"a\tb\r\nc\x0cd \x1b[1m", "Grüße \u20ac".encode(), b"\xfc\xff",
    b"<html></html>", b"#!/bin/sh\n", b"{not json", b"", b" ",
]  # fmt: skip


@pytest.mark.parametrize("body", TEXTS)
def test_text_is_believed(body: bytes) -> None:
    assert Look(Nature.TEXT).believes(body)


@pytest.mark.parametrize("byte", [0, 1, 7, 8, 0x0B, 0x0E, 0x1A, 0x1C, 0x1F])
def test_a_control_character_is_not_believed(byte: int) -> None:
    for nature in (Nature.TEXT, Nature.JSON):
        assert not Look(nature).believes(b'{"' + bytes([byte]))


FILES = [files.png(), files.jpeg(), files.gif(), files.webp(), files.pdf(), files.docx(),
         files.tar_gz(), b"%!PS-Adobe-3.0\n", rb"{\rtf1 x}", b"\n%PDF-1.4"]  # fmt: skip


@pytest.mark.parametrize("body", FILES, ids=lambda body: repr(body[:6]))
def test_no_file_is_believed_to_be_text(body: bytes) -> None:
    for nature in (Nature.TEXT, Nature.JSON):
        assert not Look(nature).believes(body)


def test_a_look_goes_so_far_and_no_further() -> None:
    look = Look(Nature.TEXT)
    assert look.believes(b"a" * (LOOK_BYTES - 1))
    assert look.left == 1
    assert not look.believes(b"\0")
    look = Look(Nature.TEXT)
    assert look.believes(b"a" * LOOK_BYTES + b"\0")
    assert look.left == 0
