"""HTML and SVG: text that acts when a browser shows it.

libmagic looks for tags anywhere in the first 4 KiB, so it takes notes about HTML for HTML, and
overlooks HTML behind enough blanks or comments. Browsers look at the first tag only.
"""

import re

from gateway.content import Finding, with_findings
from gateway.inspection.activity import Search
from gateway.inspection.encodings import as_utf8
from gateway.inspection.roots import HTML, SVG, begins_markup, root

_BEGINS_WITH_TAG = re.compile(rb"(?:\xef\xbb\xbf)?\s*+<")
_XML = "text/xml"


def markup(head: bytes) -> str | None:
    """The type of an HTML or SVG document, told by its first tag as browsers do; or of other XML
    that acts, as far as ``head`` tells."""
    head = as_utf8(head).lstrip()
    if not begins_markup(head):
        return None
    kind = root(head)
    if kind == HTML:
        return kind
    if kind is None:
        return with_findings(_XML, {Finding.SCRIPT}) if Search(svg=False).feed(head) else None
    return with_findings(SVG, {Finding.SCRIPT} if Search(svg=True).feed(head) else set())


def begins_with_tag(head: bytes) -> bool:
    return _BEGINS_WITH_TAG.match(as_utf8(head)) is not None
