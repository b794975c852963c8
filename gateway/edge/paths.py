"""One spelling for each path: made canonical once, before routing, and forwarded like that.

Mattermost decodes a path before it routes, so ``/api/v4/%66iles`` is its upload endpoint too
(recorded). A filter that compares spellings is passed by another spelling.
"""

import re
from urllib.parse import unquote_to_bytes

from gateway.phrases import phrase
from gateway.refusals import Refused, ambiguous_request

# RFC 3986: unreserved characters mean the same encoded or not; the others may stay as they are.
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PLAIN = re.compile(rb"(?:/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9_.~!$&'()*+,;=:@-]*)+/?|/")
_ESCAPE = re.compile(rb"%(.{0,2})", re.DOTALL)
_SLASHES = re.compile(rb"%(?:2f|5c)|\\", re.IGNORECASE)


def canonical(path: bytes) -> bytes:
    """``path`` with needless percent-encoding removed. Raises Refused if it is ambiguous."""
    if _PLAIN.fullmatch(path):
        return path
    if not path.startswith(b"/"):
        raise Refused(ambiguous_request(phrase("the request's target is not a path.")))
    if _SLASHES.search(path):
        raise Refused(ambiguous_request(phrase("the path holds an encoded slash or a backslash.")))
    path = _ESCAPE.sub(_decode_needless, path)
    segments = path.split(b"/")
    if b"" in segments[1:-1]:
        raise Refused(ambiguous_request(phrase("the path holds an empty segment (//).")))
    if b"." in segments or b".." in segments:
        raise Refused(ambiguous_request(phrase("the path holds a dot segment.")))
    return path


def _decode_needless(match: re.Match[bytes]) -> bytes:
    character = unquote_to_bytes(match[0])
    if len(match[0]) != 3 or len(character) != 1:
        raise Refused(ambiguous_request(phrase("the path holds a malformed percent-encoding.")))
    if character[0] < 0x20 or character[0] == 0x7F:
        raise Refused(ambiguous_request(phrase("the path holds an encoded control character.")))
    return character if character[0] in _UNRESERVED else match[0].upper()
