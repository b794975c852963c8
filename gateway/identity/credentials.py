"""Finding the credential in a request, where and in the order in which Mattermost looks for it.

Source: ``ParseAuthTokenFromRequest`` and ``checkCSRFToken`` of Mattermost 5.37, and recordings.
"""

from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from gateway.phrases import phrase
from gateway.refusals import Refused, ambiguous_request
from gateway.values import COOKIE, HEADER, QUERY, Credential, CredentialKind

_COOKIE = b"MMAUTHTOKEN"
_LONGEST_TOKEN = 4096


def find_credential(headers: Mapping[bytes, bytes], query: bytes) -> Credential | None:
    """The cookie, else ``Authorization: Bearer|Token``, else ``?access_token=``.

    ``headers`` holds the first header of each name, in lower case. A cookie decides even if it
    is empty, as it does for Mattermost. Raises Refused if the query has two tokens.
    """
    cookies = headers.get(b"cookie")
    if cookies is not None and _COOKIE in cookies:
        token = _cookie_token(cookies)
        if token is not None:
            return _credential(COOKIE, token)
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() in (b"bearer", b"token"):
            return _credential(HEADER, token)
    if b"access_token=" in query:
        token = _query_token(query)
        if token:
            return _credential(QUERY, token)
    return None


def find_plugin_credential(headers: Mapping[bytes, bytes], query: bytes) -> Credential | None:
    """The same at the address of a plugin: ``Authorization`` comes first, and in the query any
    token counts as if it were there (``servePluginRequest`` of Mattermost 5.37)."""
    scheme = headers.get(b"authorization", b"").partition(b" ")[0].lower()
    if scheme in (b"bearer", b"token"):
        headers = {b"authorization": headers[b"authorization"]}
    credential = find_credential(headers, query)
    if credential is not None and credential.kind is QUERY:
        return Credential(HEADER, credential.token)
    return credential


def find_server_credential(headers: Mapping[bytes, bytes]) -> Credential | None:
    """That of another Mattermost, which is told from a user by these headers."""
    remote_id = headers.get(b"x-remotecluster-id", b"").decode("latin-1")
    token = headers.get(b"x-remotecluster-token", b"").decode("latin-1")
    if not remote_id or not token:
        return None
    return Credential(CredentialKind.SERVER, token, remote_id)


def csrf_passes(credential: Credential, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request that changes something may go on to Mattermost with ``credential``.

    A cookie needs a header that no foreign site can send; whether its value is right,
    Mattermost decides, since the gateway forwards it.
    """
    if credential.kind is not COOKIE:
        return True
    return bool(headers.get(b"x-csrf-token")) or (
        headers.get(b"x-requested-with") == b"XMLHttpRequest"
    )


def _cookie_token(cookies: bytes) -> bytes | None:
    for pair in cookies.split(b";"):
        name, separator, value = pair.strip().partition(b"=")
        if name == _COOKIE and separator:
            return value.strip(b'"')
    return None


def _query_token(query: bytes) -> bytes:
    pairs = (pair.partition(b"=") for pair in query.split(b"&"))
    tokens = [value for name, _, value in pairs if name == b"access_token"]
    if len(tokens) > 1:
        raise Refused(ambiguous_request(phrase("the parameter access_token is given twice.")))
    return unquote_to_bytes(tokens[0].replace(b"+", b" ")) if tokens else b""


def _credential(kind: CredentialKind, token: bytes) -> Credential:
    if len(token) > _LONGEST_TOKEN:
        token = b""  # nobody's; Mattermost's own have 26 characters
    return Credential(kind, token.strip().decode("latin-1"))
