"""Who may see the status page.

With a token: whoever shows it, or has signed in with it. Without one: whoever reaches a loopback
address by a loopback name, since a name of somebody else's that leads here is how web pages of
others would come in (DNS rebinding). What other sites have a browser ask for is refused in any
case, but for a person's own step to the page.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.identity.attempts import Attempts
from gateway.refusals import Refused

COOKIE = "upload-gateway-admin"
SESSION_SECONDS = 12 * 3600
_ATTEMPTS_A_MINUTE = 10
_THROUGH_PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")

Headers = Mapping[str, str]
"""By names in lower case, or whatever case does not matter in."""


class Denied(NamedTuple):
    """Why somebody does not see the page."""

    status: int
    sentence: str
    retry_after: int | None = None


_NO_TOKEN = Denied(
    403,
    "The status page is closed: the admin port can be reached from other machines, and no token "
    "is set. Set GATEWAY_ADMIN_TOKEN to a long random value, or bind GATEWAY_ADMIN_LISTEN to a "
    "loopback address.",
)
_OTHER_SITE = Denied(403, "This was asked for by another site.")
_OTHER_NAME = Denied(
    403,
    "Without a token the status page answers only to loopback names, such as localhost. Set "
    "GATEWAY_ADMIN_TOKEN to use another name.",
)
_PROXY = Denied(
    403,
    "This came through a proxy, so that anybody may have sent it. Set GATEWAY_ADMIN_TOKEN to use "
    "the status page behind a proxy.",
)
_SIGN_IN = Denied(401, "Sign in with the admin token, or send it as a bearer token.")
_NOTHING_TO_KNOW = Denied(403, "There is no token to sign in with.")
_WRONG = Denied(401, "This is not the admin token.")


class Access:
    """Decides about requests, by their headers."""

    def __init__(
        self, token: str | None, *, loopback: bool, clock: Callable[[], float] = time.time
    ) -> None:
        """``loopback``: whether only this machine can connect."""
        self._token = None if token is None else _digest(token)
        self._loopback = loopback
        self._clock = clock
        self._attempts = Attempts(_ATTEMPTS_A_MINUTE)
        # Of the token, so that a session holds in all gateways, and ends when the token changes.
        key = b"" if token is None else token.encode()
        self._session_key = hmac.digest(key, b"session of the status page", "sha256")

    @property
    def asks_for_token(self) -> bool:
        return self._token is not None

    def check(self, headers: Headers, cookie: str, client: str) -> Denied | None:
        """Why the page is not for this request; None if it is. ``cookie`` is that of a session."""
        return _foreign(headers) or self._unknown(headers, cookie, client)

    def sign_in(self, headers: Headers, token: str, client: str) -> Denied | str:
        """The cookie of a new session."""
        if denied := _foreign(headers):
            return denied
        if self._token is None:
            return _NOTHING_TO_KNOW
        return self._tried(token, client) or self._new_session()

    def _unknown(self, headers: Headers, cookie: str, client: str) -> Denied | None:
        if self._token is None:
            return self._from_elsewhere(headers)
        if self._is_session(cookie):
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._tried(token.strip(), client)
        return _SIGN_IN

    def _from_elsewhere(self, headers: Headers) -> Denied | None:
        if not self._loopback:
            return _NO_TOKEN
        if any(name in headers for name in _THROUGH_PROXIES):
            return _PROXY
        return None if _is_loopback_name(headers.get("host", "")) else _OTHER_NAME

    def _tried(self, token: str, client: str) -> Denied | None:
        try:
            self._attempts.check(client)
        except Refused as refused:
            wait = refused.refusal.retry_after or 1
            return Denied(429, f"Too many attempts. Try again in {wait} seconds.", wait)
        if self._token is not None and hmac.compare_digest(_digest(token), self._token):
            return None
        self._attempts.failed(client)
        return _WRONG

    def _new_session(self) -> str:
        ends = f"{int(self._clock()) + SESSION_SECONDS}.{secrets.token_urlsafe(16)}"
        return f"{ends}.{self._signature(ends)}"

    def _is_session(self, cookie: str) -> bool:
        signed, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode()):
            return False
        return int(signed.partition(".")[0]) > self._clock()

    def _signature(self, text: str) -> str:
        return hmac.new(self._session_key, text.encode(), sha256).hexdigest()


def _digest(token: str) -> bytes:
    """Of one length, whatever the token's."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _foreign(headers: Headers) -> Denied | None:
    """By what browsers say of requests (Fetch Metadata), and by ``Origin`` where they do not."""
    site = headers.get("sec-fetch-site")
    if site in ("same-origin", "none"):
        return None
    origin = headers.get("origin")
    if site is not None:
        step = headers.get("sec-fetch-mode") == "navigate" and origin is None
        own_window = headers.get("sec-fetch-dest") == "document"
        return None if step and own_window else _OTHER_SITE
    if origin is None or urlsplit(origin).netloc == headers.get("host"):
        return None
    return _OTHER_SITE


def _is_loopback_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)


def is_loopback(address: str) -> bool:
    """Whether it is an address that only this machine can connect to."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
