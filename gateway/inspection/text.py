"""Which kind of text a text is, for those that certainly are one.

libmagic takes milliseconds for text, and is often wrong: two lines with one comma each are CSV to
it, numbers are NDJSON, and JSON is JSON only if its end is in sight.
"""

import codecs
import csv
import json
import re

from gateway.inspection.encodings import as_utf8

TEXT = "text/plain"
CSV = "text/csv"
TSV = "text/tab-separated-values"
JSON = "application/json"
NDJSON = "application/x-ndjson"

TEXT_BYTES = 16 * 1024
"""How much of a text is looked at. From 8 KiB on more of it changed no answer of libmagic's but
from one kind of text to another, on 4,782 real files."""

_PLAIN = bytes(c for c in range(256) if c >= 32 and c != 127) + b"\b\t\n\v\f\r\x1b"
"""What file(1) takes for text: no control characters but those that terminals know."""
_LONGEST_CHARACTER = 4
_BEYOND_ASCII = bytes(range(128, 256))
_UNDECODABLE = "\N{REPLACEMENT CHARACTER}".encode()
_NOT_OURS = re.compile(
    rb"!<|%!|%PDF-|%FDF-|\{\\rtf|-----BEGIN PGP|P[1-7]\s|/\* XPM|#define \S+_width|solid |#VRML|"
    rb"WARC/|begin [0-7]{3} |\(This file must be converted with BinHex|d\d+:|070707|07070[12]|"
    rb"#FIG|AC10|<MakerFile|\\documentclass|\\input texinfo|GIF8|II\*|MM|BM|RIFF|OggS|"
    rb"#!AMR|#EXTM3U|ply\s|SIMPLE  =|BZh|LZIP|PAR1|SQLite format|ITSF|MThd|FORM|\.snd|\.ra\xfd"
)
"""Formats that begin with text and can have nothing else in their head: libmagic knows them."""
_STARTS_JSON = re.compile(r"\s*[\[{]")
_STARTS = (
    (re.compile(rb"<\?xml\s", re.IGNORECASE), "text/xml"),
    (re.compile(rb"BEGIN:VCARD\s", re.IGNORECASE), "text/vcard"),
    (re.compile(rb"BEGIN:VCALENDAR\s", re.IGNORECASE), "text/calendar"),
    (re.compile(rb"WEBVTT\s"), "text/vtt"),
    (
        re.compile(
            rb"(?:From \S++ [^\n]*+\n)?(?:Return-Path|Received|Delivered-To|Message-ID|From|To|"
            rb"Subject|Date|MIME-Version|X-[\w-]++|DKIM-Signature|Authentication-Results):"
            rb"[^\n]*+\n(?:[ \t][^\n]*+\n)*+[A-Za-z][\w-]*+: ",
            re.IGNORECASE,
        ),
        "message/rfc822",
    ),
)
_CUT_OFF = 8
"""Characters at the end of a head that may be half a word of JSON: ``fals``, ``\\u00f``."""
_TABLE_LINES = 20
_LEAST_TABLE_LINES = 3
_decoder = json.JSONDecoder(parse_int=str, parse_float=str)


def certain_text(head: bytes) -> bytes | None:
    """The beginning of ``head`` in UTF-8, if it is nothing but text; otherwise None."""
    text = as_utf8(head[:TEXT_BYTES])
    if text.translate(None, _PLAIN) or _NOT_OURS.match(text):
        return None
    if text.isascii() or _is_utf8(text):
        return None if _UNDECODABLE in text else text
    # In some other encoding. All bytes beyond ASCII are no text of any.
    return text if text.translate(None, _BEYOND_ASCII) else None


def kind_of_text(text: bytes, *, complete: bool) -> str:
    """``text`` is what ``certain_text`` gave; ``complete`` if it ends there."""
    begin = text.lstrip()
    for pattern, content_type in _STARTS:
        if pattern.match(begin):
            return content_type
    readable = text.decode(errors="ignore")
    if _STARTS_JSON.match(readable):
        return _kind_of_json(readable, complete=complete)
    return _kind_of_table(readable, complete=complete) or TEXT


def _is_utf8(text: bytes) -> bool:
    try:
        _, used = codecs.utf_8_decode(text, "strict")
    except UnicodeDecodeError:
        return False
    return used == len(text) or len(text) >= TEXT_BYTES - _LONGEST_CHARACTER


def _kind_of_json(text: str, *, complete: bool) -> str:
    try:
        _, end = _decoder.raw_decode(text.lstrip())
    except json.JSONDecodeError as error:
        open_ended = error.msg.startswith("Unterminated string")
        cut = open_ended or error.pos >= len(error.doc) - _CUT_OFF
        return JSON if cut and not complete else TEXT
    except RecursionError:
        return TEXT
    rest = text.lstrip()[end:]
    if not rest.strip():
        return JSON
    return NDJSON if re.match(r"[ \t]*\r?\n\s*[\[{]", rest) else TEXT


def _kind_of_table(text: str, *, complete: bool) -> str | None:
    lines = [line.rstrip("\r") for line in text.split("\n", _TABLE_LINES)]
    if not complete or len(lines) > _TABLE_LINES or not lines[-1]:
        lines.pop()  # it may be half a line, or all the rest
    if len(lines) < _LEAST_TABLE_LINES:
        return None
    for separator, content_type in ((",", CSV), (";", CSV), ("\t", TSV)):
        if separator in lines[0] and _is_table(lines, separator):
            return content_type
    return None


def _is_table(lines: list[str], separator: str) -> bool:
    try:
        widths = {len(row) for row in csv.reader(lines, delimiter=separator)}
    except csv.Error:
        return False
    return len(widths) == 1 and widths.pop() > 1
