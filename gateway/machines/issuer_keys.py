"""The keys of an issuer: fetched where it says, remembered, and fetched again when they change.

An issuer that cannot be reached does not stop anybody at once: what it said last holds for a
while. Nothing that a token says decides what is fetched, and strangers cannot make it often.
"""

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from gateway.machines.issuers import Ages
from gateway.upstream.issuers import IssuerError, check_address

Fetch = Callable[[str], Awaitable[Mapping[str, object]]]
"""Fetches a document; raises IssuerError."""
PublicKey = RSAKey | ECKey | OKPKey

_MOST_KEYS = 100
_KINDS: Mapping[str, type[PublicKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_PRIVATE = "d"


class UnknownKey(Exception):
    """An issuer has no such key; the text is for the log."""


class IssuerKeys:
    """What is known of one issuer's keys."""

    def __init__(
        self,
        fetch: Fetch,
        issuer: str,
        jwks_url: str | None = None,
        *,
        ages: Ages,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Without a ``jwks_url``, the issuer's discovery document has it."""
        self._fetch = fetch
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._ages = ages
        self._clock = clock
        self._keys: list[PublicKey] = []
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._trouble = "nobody has asked yet"
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None, algorithm: str) -> PublicKey:
        """The key that a token was signed with. Raises UnknownKey, and IssuerError if it cannot
        be told."""
        key = self._select(key_id, algorithm)
        if key is None or self._age >= self._ages.refresh:
            await self._refresh()
            key = self._select(key_id, algorithm)
        if self._age >= self._ages.keep:
            raise IssuerError(self._trouble)
        if key is None:
            raise UnknownKey(f"{self._issuer} has no key {key_id!r} for {algorithm}")
        return key

    @property
    def _age(self) -> float:
        return self._clock() - self._fetched

    def _select(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        fitting = [key for key in self._keys if _fits(key, key_id, algorithm)]
        return fitting[0] if len(fitting) == 1 or (fitting and key_id is not None) else None

    async def _refresh(self) -> None:
        if self._fetching is None:
            if self._clock() - self._tried < self._ages.retry:
                return
            self._tried = self._clock()
            self._fetching = asyncio.create_task(self._fetch_keys())
            self._fetching.add_done_callback(self._fetched_keys)
        # A caller that goes away must not take the keys from the others.
        await asyncio.shield(self._fetching)

    def _fetched_keys(self, _: object) -> None:
        self._fetching = None

    async def _fetch_keys(self) -> None:
        try:
            url = self._jwks_url or await self._discover()
            self._keys = _keys(await self._fetch(url))
        except IssuerError as error:
            self._trouble = str(error)
        else:
            self._fetched = self._clock()

    async def _discover(self) -> str:
        address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        document = await self._fetch(address)
        if document.get("issuer") != self._issuer:
            raise IssuerError(f"{address} is about another issuer")
        url = document.get("jwks_uri")
        if not isinstance(url, str):
            raise IssuerError(f"{address} has no jwks_uri")
        try:
            check_address(url)
        except ValueError as error:
            raise IssuerError(f"{address}: jwks_uri: {error}") from error
        return url


def _keys(document: Mapping[str, object]) -> list[PublicKey]:
    """Those of a key set that tokens can be signed with. Raises IssuerError."""
    given = document.get("keys")
    if not isinstance(given, list) or len(given) > _MOST_KEYS:
        raise IssuerError(f"expected a list of at most {_MOST_KEYS} keys")
    keys = [key for item in given if (key := _key(item)) is not None]
    if not keys:
        raise IssuerError("there is no key that tokens can be signed with")
    return keys


def _key(item: object) -> PublicKey | None:
    if not isinstance(item, dict) or _PRIVATE in item or item.get("use", "sig") != "sig":
        return None
    kind = _KINDS.get(str(item.get("kty")))
    if kind is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)  # of an RSA key that is too short
            return kind.import_key(item)
    except (JoseError, SecurityWarning, ValueError, TypeError, KeyError, AttributeError):
        return None


def _fits(key: PublicKey, key_id: str | None, algorithm: str) -> bool:
    if key_id is not None and key.kid != key_id:
        return False
    if key.alg is not None and key.alg != algorithm:
        return False
    try:
        JWSRegistry.algorithms[algorithm].check_key(key)
    except JoseError:
        return False
    return True
