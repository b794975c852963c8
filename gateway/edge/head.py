"""What a request's head has to be, where the parser is content with less (RFC 9110, RFC 9112).

Whatever two readers could take in two ways is refused; docs/http.md has the whole list.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from gateway.edge.paths import canonical
from gateway.phrases import phrase
from gateway.refusals import (
    Refused,
    ambiguous_request,
    content_encoding_refused,
    expectation_failed,
    malformed_request,
    method_not_allowed,
    transfer_coding_refused,
)

_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)((?:/[^?#]*)?)(?:\?[^#]*)?", re.IGNORECASE)
_HOST = re.compile(rb"(?:(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?)?")

# Of which one asks for a tunnel, and the other for the request itself, credentials and all.
_NEVER = frozenset({"CONNECT", "TRACE"})


def check_target(target: bytes) -> None:
    """Raises ValueError unless ``target``, which is no plain path, is one that a server may get.

    That is an address without user name and fragment, or ``*`` (RFC 9112, 3.2).
    """
    if target != b"*" and not _ABSOLUTE.fullmatch(target):
        raise ValueError("neither a path nor an address")


@lru_cache(1024)
def check_host(version: str, host: bytes | None) -> None:
    """Raises Refused, which is not remembered, so that what is remembered is short."""
    if host is None:
        if version == "1.1":  # RFC 9112, 3.2
            raise Refused(malformed_request(phrase("it has no Host header.")))
    elif not _HOST.fullmatch(host):
        raise Refused(malformed_request(phrase("its Host header is not a host.")))


def check_rarities(version: str, headers: Mapping[bytes, bytes]) -> None:
    """Raises Refused. ``headers`` holds the first header of each name, in lower case."""
    if version != "1.1" and b"transfer-encoding" in headers:  # RFC 9112, 6.1
        raise Refused(malformed_request(phrase("HTTP/1.0 has no Transfer-Encoding.")))
    if version == "1.1" and headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise Refused(expectation_failed())
    if b"transfer-encoding" in headers:
        _check_coding(headers[b"transfer-encoding"].lower())
        if b"upgrade" in headers:
            raise Refused(ambiguous_request(phrase("it offers an upgrade and has a chunked body.")))


def _check_coding(codings: bytes) -> None:
    """Raises Refused unless there is one transfer coding, and that is chunked (RFC 9112, 6)."""
    if codings == b"chunked":
        return
    if codings.rpartition(b",")[2].strip(b" \t") != b"chunked":
        raise Refused(malformed_request(phrase("where its body ends cannot be told.")))
    raise Refused(transfer_coding_refused())


def requested_path(method: str, path: bytes, headers: Mapping[bytes, bytes]) -> bytes:
    """The path that is asked for, canonical; ``path`` is the target up to its query.

    Raises Refused.
    """
    if method in _NEVER:
        raise Refused(method_not_allowed(method))
    if path.startswith(b"/"):
        return canonical(path)
    absolute = _ABSOLUTE.fullmatch(path)
    if absolute is None:
        if method != "OPTIONS":
            raise Refused(malformed_request(phrase("the target * is for OPTIONS only.")))
        return path
    if absolute[1].lower() != headers.get(b"host", absolute[1]).lower():
        raise Refused(ambiguous_request(phrase("its target and its Host header name two hosts.")))
    return canonical(absolute[2] or b"/")


def refuse_encoded(coding: bytes) -> None:
    """What comes as a file is inspected as it comes, and Mattermost stores it like that.

    Raises Refused.
    """
    if coding.lower() != b"identity":
        raise Refused(content_encoding_refused())
