"""HTML and SVG: text that acts when a browser shows it.

libmagic looks for tags anywhere in the first 4 KiB, so it takes notes about HTML for HTML, and
overlooks HTML behind enough blanks or comments. Browsers look at the first tag only.
"""

import re

from gateway.content import Finding, with_findings
from gateway.inspection.encodings import as_utf8

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
_SVG_ACTIVE = re.compile(
    rb"<(?:\w+:)?(?:script|foreignobject|iframe|embed|object|handler|listener)\b|<!entity|"
    rb"<\?xml-stylesheet(?![^>]{0,256}css)"
)
_SVG_HANDLER = re.compile(rb"on(?<=[\s\"'/]on)[a-z]{3,24}+\s*+=")
_SVG_LINKS = (b"javascript:", b"data:text/html", b"data:image/svg")
_SVG_ANIMATED = re.compile(rb"attributename\s*+=\s*+[\"']?+(?:xlink:)?(?:href|on)")
"""What can make an SVG act, in lower case."""
_XML_ACTIVE = re.compile(
    rb"<\?xml-stylesheet(?![^>]{0,256}css)|http://www\.w3\.org/(?:1999/xhtml|1999/XSL/Transform)",
    re.IGNORECASE,
)


def markup(head: bytes, *, complete: bool) -> str | None:
    """The type of an HTML or SVG document, told by its first tag as browsers do.

    An SVG counts as one with a script unless it is ``complete`` and shows none.
    """
    head = as_utf8(head).lstrip()
    match = _FIRST_TAG.match(head)
    if match is None:
        return None
    if match[1] is not None:
        return "text/html"  # a comment longer than the head
    tag = match[2].lower()
    if tag not in _ROOTS and _XML.match(head):
        return None  # in other XML the tags have other meanings
    if tag == b"svg":
        harmless = complete and not _svg_acts(head.lower())
        return with_findings("image/svg+xml", set() if harmless else {Finding.SCRIPT})
    return "text/html" if tag in _HTML_TAGS else None


def begins_with_tag(head: bytes) -> bool:
    return _BEGINS_WITH_TAG.match(as_utf8(head)) is not None


def _svg_acts(lowered: bytes) -> bool:
    return any(link in lowered for link in _SVG_LINKS) or any(
        pattern.search(lowered) for pattern in (_SVG_ACTIVE, _SVG_HANDLER, _SVG_ANIMATED)
    )


def xml_acts(text: bytes) -> bool:
    """Whether a browser that shows this XML would transform it, or find HTML in it."""
    return _XML_ACTIVE.search(text) is not None
