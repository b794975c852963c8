"""What the first tag of a text makes of it, to browsers."""

import re

HTML = "text/html"
SVG = "image/svg+xml"

# https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type
_HTML_TAGS = frozenset(
    b"a b body br div font h1 head html iframe p script style table title".split()
)
_PROLOG = (
    rb"(?>\s++|<\?(?!php|=).*?\?>|<!--(?:-?>|.*?--!?>)|"
    rb"<!doctype\s++(?!html[\s>]|svg[\s>])[^>\[]*+(?:\[.*?\]\s*+)?>)*+"
)
"""What may stand before it. A document type tells it, if it is a known one."""
_FIRST_TAG = re.compile(
    _PROLOG + rb"<(?:(!--)|(?:!doctype\s+|[^\s:<>/!?=&\"']+:(?=html|svg))?([a-z][a-z0-9]*)[\s>/])",
    re.DOTALL | re.IGNORECASE,
)
_XML = re.compile(rb"<\?xml")
_BEGINS_MARKUP = re.compile(rb"<(?:[^\s<>/=%&?]|\?(?!php)[a-z])", re.IGNORECASE)
"""Not PHP, nor another language between ``<%`` and ``%>``."""


def begins_markup(text: bytes) -> bool:
    """Whether ``text``, without blanks before it, begins with a tag or what may precede one."""
    return _BEGINS_MARKUP.match(text) is not None


def root(text: bytes) -> str | None:
    """HTML or SVG; ``text`` is UTF-8 and begins with what is no blank."""
    match = _FIRST_TAG.match(text)
    if match is None:
        return None
    if match[1] is not None:
        return HTML  # a comment that does not end
    tag = match[2].lower()
    if tag == b"svg":
        return SVG
    if tag not in _HTML_TAGS or (tag != b"html" and _XML.match(text)):
        return None  # in other XML the tags have other meanings
    return HTML
