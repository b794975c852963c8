"""Which method a credential belongs to. Its form alone decides, and it never gets another try.

Credentials of the gateway's own stand in ``Authorization: Bearer`` and nowhere else.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Collection, Mapping
from urllib.parse import unquote_plus

from gateway.machines.keys import KEY_PREFIX
from gateway.phrases import phrase
from gateway.refusals import Refused, ambiguous_request, credential_refused
from gateway.values import Credential, CredentialKind

LONGEST_TOKEN = 8 * 1024
"""Bytes of a token of an issuer; those of forges and of Kubernetes have one or two thousand."""
_PREFIX = KEY_PREFIX.encode()
_IN_COOKIE = (b"MMAUTHTOKEN=" + _PREFIX, b'MMAUTHTOKEN="' + _PREFIX)
_IN_QUERY = b"access_token=" + _PREFIX
_TWICE = phrase("it has an API key or token, and a login of Mattermost’s beside it.")

NO_ISSUERS: Callable[[], Collection[str]] = frozenset


class CredentialError(Exception):
    """Why a credential was refused: for the log, with nothing secret in it."""


def refused(why: str) -> Refused:
    """The refusal of a credential, with its reason as its cause."""
    error = Refused(credential_refused())
    error.__cause__ = CredentialError(why)
    return error


class Forms:
    """Tells credentials of the gateway's own from all others."""

    def __init__(self, issuers: Callable[[], Collection[str]] = NO_ISSUERS) -> None:
        """``issuers`` gives those that are trusted at the moment."""
        self._issuers = issuers

    def find(self, headers: Mapping[bytes, bytes], query: bytes) -> Credential | None:
        """The credential, if it is one of the gateway's own; Mattermost's are none of it.

        Raises Refused if it is where it does not belong, or not alone.
        """
        authorization = headers.get(b"authorization")
        if authorization is not None and (
            _PREFIX in authorization or authorization.count(b".") == 2
        ):
            credential = self._read(authorization)
            if credential is not None:
                _check_alone(headers, query)
                return credential
        if _IN_QUERY in query:
            raise refused("an API key is in the query")
        cookies = headers.get(b"cookie")
        if cookies is not None and any(start in cookies for start in _IN_COOKIE):
            raise refused("an API key is in a cookie")
        return None

    def _read(self, authorization: bytes) -> Credential | None:
        scheme, *rest = authorization.split(None, 1)
        token = rest[0].strip() if rest else b""
        kind = self._kind(token)
        if kind is not None and scheme.lower() != b"bearer":
            raise refused(f"an {kind} came in another way than as a bearer token")
        return None if kind is None else Credential(kind, token.decode("latin-1"))

    def _kind(self, token: bytes) -> CredentialKind | None:
        if token.startswith(_PREFIX):
            return CredentialKind.API_KEY
        issuers = self._issuers()
        if issuers and token.count(b".") == 2:
            if len(token) > LONGEST_TOKEN:
                raise refused(f"a token is longer than {LONGEST_TOKEN} bytes")
            if claimed_issuer(token) in issuers:
                return CredentialKind.JWT
        return None


def claimed_issuer(token: bytes) -> str | None:
    """Who says to have issued ``token``, which nobody has verified; None if it does not say so."""
    payload = token.split(b".")[1]
    try:
        claims = json.loads(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return None
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) else None


def _check_alone(headers: Mapping[bytes, bytes], query: bytes) -> None:
    if b"MMAUTHTOKEN=" in headers.get(b"cookie", b"") or "access_token=" in unquote_plus(
        query.decode("latin-1")
    ):
        raise Refused(ambiguous_request(_TWICE))
