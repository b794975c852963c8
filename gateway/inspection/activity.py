"""What acts when a browser shows it: scripts, and what brings some in, in SVG and other XML.

Searched for is what could act, anywhere in the text, not parsed: a parser that disagrees with the
browser's is how scripts get by. Names are written in capital letters, characters as numbers, and
blanks stretched in order to be overlooked, so all of that is undone first.
"""

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from gateway.content import Finding, split, with_findings
from gateway.inspection.encodings import as_utf8, encoding_of
from gateway.inspection.roots import HTML, SVG, begins_markup, root

_HTML = frozenset({HTML, "application/xhtml+xml"})
_SEARCHED = frozenset({SVG, "text/plain", "text/xml", "application/xml"})
_BLOCK = 64 * 1024
_LONGEST = 16 * 1024
"""Bytes that something can stretch over and be found."""

_NUMBER = re.compile(rb"&#(?:x0*+([0-9a-f]{1,2})|0*+([0-9]{1,3}));")
_NAME = re.compile(rb"&(colon|sol|tab|newline);")
_NAMED = {b"colon": b":", b"sol": b"/", b"tab": b"", b"newline": b""}
"""Browsers know the names of MathML wherever a document type mentions it."""
_ZEROS = re.compile(rb"(&#x?)0{8,}+")
_LEFT_ALONE = frozenset(b"<>&\"'")
"""What is written as a number so that it is not markup."""

_ELEMENTS = (
    rb"script(?<=[<:]script)(?=[ />])",
    rb"foreignobject(?<=[<:]foreignobject)(?=[ />])(?! requiredextensions=.http://ns\.adobe\.com/)",
    rb"iframe(?<=[<:]iframe)(?=[ />])",
    rb"embed(?<=[<:]embed)(?=[ />])",
    rb"object(?<=[<:]object)(?=[ />])",
    rb"handler(?<=[<:]handler)(?=[ />])",
    rb"listener(?<=[<:]listener)(?=[ />])",
)
"""What is looked for comes first in each expression, which makes it ten times as fast. Illustrator
has a foreign object in every file, which no browser shows."""
_NAMES_SPACE = rb"(?! [^<> ]+ xmlns[^<> ]* cdata (?:#fixed )?(?:\"[^<>\"&]*\"|'[^<>'&]*') ?>)"
_DECLARATION = rb"<!entity|<!attlist" + _NAMES_SPACE
"""Entities stand for anything, and default attributes can be handlers; some are namespaces."""
_HANDLER = rb"on(?<=[ \"'/]on)[a-z]{3,24}+ ?+="
_LINKS = (
    rb"script:(?<=javascript:)",
    rb"data: ?+[a-z-]+/[a-z0-9.+-]*?(?:html|xml|script|svg)",
)
_ANIMATED = rb"attributename ?+= ?+[\"']? ?+(?:[^ :=\"'<>]+:)?(?:href|on)"
_USE = re.compile(rb"<(?:[^ <>:/\"']*+:)?use [^<]*+")
_ELSEWHERE = re.compile(rb"href ?+= ?+[\"'] ?+(?![#\"']|[^:/\\#\"']{1,64}\.svg#)")
"""``use`` shows a part of some document, which is to be this one or, among icons, one beside it."""
_SVG_ACTS = tuple(
    re.compile(pattern) for pattern in (*_ELEMENTS, _DECLARATION, _HANDLER, *_LINKS, _ANIMATED)
)
_NAMESPACES = (b"http://www.w3.org/1999/xhtml", b"http://www.w3.org/1999/xsl/transform")
_SVG_NAMESPACE = b"http://www.w3.org/2000/svg"
_HIDDEN_NAMESPACE = re.compile(rb"xmlns[^<>\"']{0,64}[\"'][^<>\"']{0,256}&(?!amp;)")
"""Put together from entities."""
_STYLE_SHEET = b"<?xml-stylesheet"
_STYLE = re.compile(rb"(?: [a-z]+ ?= ?(?:\"[^\"<&]*\"|'[^'<&]*'))* ?")
_STYLE_TYPE = re.compile(rb" type ?= ?[\"']([^\"']*)")
_XML_ENCODING = re.compile(rb"\s*+<\?xml[^>]{1,256}?\sencoding\s*=\s*[\"']([^\"']*)")
_SHIFTING = re.compile(rb"(?:cs)?iso-?2022.*|hz-.*|utf-?7")
"""Encodings in which a tag's name can be interrupted by bytes that are no character, and so is not
found, or can be written in other bytes."""


class Search:
    """Looks through a text that comes in pieces."""

    def __init__(self, *, svg: bool) -> None:
        """``svg`` if the text is one; in other XML some elements have to be said to be of SVG."""
        self._in_svg = svg
        self._acts_in_svg = False
        self._acts = False
        self._rest = b""
        self._begun = False

    def feed(self, text: bytes) -> bool:
        """Whether something that acts has been found so far. ``text`` is UTF-8."""
        if not self._begun and text:
            self._begun = True
            self._acts = _strangely_encoded(text)
        window = normalized(self._rest + text)
        self._rest = window[-_LONGEST - 256 :]
        self._acts = (
            self._acts
            or any(name in window for name in _NAMESPACES)
            or _hides_namespace(window)
            or _has_program_as_style(window)
        )
        self._in_svg = self._in_svg or _SVG_NAMESPACE in window
        self._acts_in_svg = self._acts_in_svg or _acts_in_svg(window)
        return self._acts or (self._in_svg and self._acts_in_svg)


def _acts_in_svg(window: bytes) -> bool:
    return any(pattern.search(window) for pattern in _SVG_ACTS) or (
        b"use " in window and any(_reaches_out(tag[0]) for tag in _USE.finditer(window))
    )


def _reaches_out(tag: bytes) -> bool:
    return len(tag) > _LONGEST or _ELSEWHERE.search(tag) is not None


def _hides_namespace(window: bytes) -> bool:
    return b"&" in window and _HIDDEN_NAMESPACE.search(window) is not None


def _strangely_encoded(text: bytes) -> bool:
    declared = _XML_ENCODING.match(text[:1024].lower())
    return declared is not None and _SHIFTING.fullmatch(declared[1]) is not None


def _has_program_as_style(window: bytes) -> bool:
    """A style sheet may be XSLT, which is a program, unless it certainly is CSS."""
    at = window.find(_STYLE_SHEET)
    while at >= 0:
        end = window.find(b"?>", at, at + _LONGEST)
        if end < 0:
            return len(window) - at > _LONGEST
        told = window[at + len(_STYLE_SHEET) : end]
        types = _STYLE_TYPE.findall(told)
        css = {*types} == {b"text/css"} or (not types and b".css" in told)
        if not css or not _STYLE.fullmatch(told):
            return True
        at = window.find(_STYLE_SHEET, end)
    return False


def normalized(text: bytes) -> bytes:
    """In small letters, with single blanks, and without characters written otherwise."""
    lowered = text.lower()
    if b"&" in lowered:
        lowered = _NAME.sub(lambda name: _NAMED[name[1]], lowered)
        lowered = _NUMBER.sub(_character, lowered)
        lowered = _ZEROS.sub(rb"\g<1>0", lowered)
    blanks = (lowered[:1].isspace() and b" ") or b"", (lowered[-1:].isspace() and b" ") or b""
    return b" ".join(lowered.split()).join(blanks)


def _character(number: re.Match[bytes]) -> bytes:
    code = int(number[1], 16) if number[1] else int(number[2])
    if code >= 128 or code in _LEFT_ALONE:
        return number[0]
    # Browsers drop tabs and line breaks from addresses.
    return bytes([code]).lower() if code not in b"\t\n\r" else b""


def is_searched(content_type: str) -> bool:
    """Whether a file of which the head looks like this can act by what is behind the head.

    HTML acts anyhow; other texts do when they are markup behind many blanks.
    """
    kind = split(content_type)[0]
    return kind in _SEARCHED or kind.endswith("+xml")


def may_act(head: bytes, content_type: str) -> bool:
    """The same of a file that begins with ``head``: a text has to be markup, or blank so far."""
    if split(content_type)[0] != "text/plain":
        return is_searched(content_type)
    text = as_utf8(head).lstrip()
    return not text or begins_markup(text)


def acts(file: BinaryIO, content_type: str) -> bool:
    """Whether a whole file acts when a browser shows it, as far as it is HTML or other XML.

    ``content_type`` is what its head looks like, as gateway.content writes it. Blocks; the file has
    to be seekable. Takes a second for some tens of MB, and some MiB of memory.
    """
    kind = split(content_type)[0]
    if kind in _HTML:
        return True
    blocks = _blocks(file)
    first = next((text for block in blocks if (text := block.lstrip())), b"")
    if kind != SVG:
        if not begins_markup(first):
            return False
        kind = root(first) or kind
    if kind in _HTML:
        return True
    search = Search(svg=kind == SVG)
    return search.feed(first) or any(search.feed(block) for block in blocks)


def search_whole(file: BinaryIO, content_type: str) -> str:
    """``content_type``, with what all of the file tells of whether it acts. Blocks, as ``acts``."""
    bare, findings = split(content_type)
    found = {Finding.SCRIPT} if acts(file, content_type) else set()
    return with_findings(bare, set(findings - {Finding.SCRIPT}) | found)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """The file in UTF-8, without a mark."""
    file.seek(0)
    head = file.read(_BLOCK)
    encoding, start = encoding_of(head)
    decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
    block = head[start:]
    while block:
        yield decoder.decode(block).encode("utf-8", "replace") if decoder else block
        block = file.read(_BLOCK)
