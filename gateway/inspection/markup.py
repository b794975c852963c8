"""HTML and SVG: text that acts when a browser shows it.

libmagic looks for tags anywhere in the first 4 KiB, so it takes notes about HTML for HTML, and
overlooks HTML behind enough blanks or comments. Browsers look at the first tag only.
"""

import re

# https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type
_HTML_TAGS = frozenset(
    b"a b body br div font h1 head html iframe p script style table title".split()
)
_ROOTS = (b"html", b"svg")
_PROLOG = rb"(?:\xef\xbb\xbf)?(?>\s++|<\?xml.*?\?>|<!--(?:-?>|.*?--!?>))*+"
_FIRST_TAG = re.compile(
    _PROLOG + rb"<(?:(!--)|(?:!doctype\s+|\w+:(?=html|svg))?([a-z][a-z0-9]*)[\s>/])",
    re.DOTALL | re.IGNORECASE,
)
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*+<\?xml")
_BEGINS_WITH_TAG = re.compile(rb"(?:\xef\xbb\xbf)?\s*+<")
_UNICODE_MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def markup(head: bytes) -> str | None:
    """The type of an HTML or SVG document, told by its first tag as browsers do."""
    head = _ascii_compatible(head)
    match = _FIRST_TAG.match(head)
    if match is None:
        return None
    if match[1] is not None:
        return "text/html"  # a comment longer than the head
    tag = match[2].lower()
    if tag not in _ROOTS and _XML.match(head):
        return None  # in other XML the tags have other meanings
    if tag == b"svg":
        return "image/svg+xml"
    return "text/html" if tag in _HTML_TAGS else None


def begins_with_tag(head: bytes) -> bool:
    return _BEGINS_WITH_TAG.match(_ascii_compatible(head)) is not None


def _ascii_compatible(head: bytes) -> bytes:
    for mark, encoding in _UNICODE_MARKS:
        if head.startswith(mark):
            return head[2:].decode(encoding, "replace").encode()
    return head
