"""Tokens of issuers (JSON Web Tokens, RFC 7519): verified, and what they stand for."""

import time
from collections.abc import Callable, Collection, Mapping

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwt import JWTClaimsRegistry

from gateway.machines.forms import CredentialError, claimed_issuer, refused
from gateway.machines.issuer_keys import IssuerKeys, UnknownKey
from gateway.machines.issuers import Issuer, Issuers, Source, TokenRule
from gateway.machines.watched import FileProblem, Watched, read_file
from gateway.refusals import Refused, credential_refused, issuer_unavailable, shown
from gateway.upstream.issuers import Documents, IssuerError

_FETCHING = frozenset({"jku", "x5u", "jwk", "x5c"})
"""Headers with which a token would bring its own key, or say where to get it."""
_TYPES = frozenset({"jwt", "at+jwt"})
_RETRY_AFTER = 30

_Open = Callable[[Source], IssuerKeys]


class Tokens:
    """Knows the issuers, and their keys."""

    def __init__(
        self,
        issuers: Watched[Issuers],
        open_keys: _Open,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``open_keys`` makes what knows an issuer's keys; ``now`` is in seconds since 1970."""
        self._issuers = issuers
        self._open_keys = open_keys
        self._now = now
        self._keys: dict[Source, IssuerKeys] = {}

    def issuers(self) -> Collection[str]:
        """What is trusted at the moment, as tokens have it in ``iss``."""
        return self._issuers.value

    async def verify(self, token: str) -> tuple[Issuer, TokenRule, Mapping[str, object]]:
        """Who issued ``token``, what it stands for, and what it claims.

        Raises Refused, with the reason as its cause."""
        issuer = self._issuers.value.get(claimed_issuer(token.encode("latin-1")) or "")
        if issuer is None:
            raise refused("a token of an issuer that is not trusted any more")
        try:
            claims = await self._claims(token, issuer)
        except (JoseError, UnknownKey, ValueError, RecursionError) as error:
            why = f"a token of {issuer.name}: {shown(str(error), 200)}"
            raise Refused(credential_refused()) from CredentialError(why)
        except IssuerError as error:
            raise Refused(issuer_unavailable(_RETRY_AFTER)) from error
        rule = issuer.rule_for(claims)
        if rule is None:
            subject = shown(str(claims.get("sub", "")), 200)
            raise refused(f"a token of {issuer.name} for {subject!r}: no rule is about its claims")
        return issuer, rule, claims

    async def _claims(self, token: str, issuer: Issuer) -> Mapping[str, object]:
        algorithm, key_id = _header(token, issuer)
        key = await self._keys_of(issuer.source).find(key_id, algorithm)
        registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        claims = jwt.decode(token, key, registry=registry).claims
        _check(claims, issuer, int(self._now()))
        return claims

    def _keys_of(self, source: Source) -> IssuerKeys:
        keys = self._keys.get(source)
        if keys is None:
            wanted = {issuer.source for issuer in self._issuers.value.values()}
            self._keys = {known: kept for known, kept in self._keys.items() if known in wanted}
            keys = self._keys[source] = self._open_keys(source)
        return keys


def _header(token: str, issuer: Issuer) -> tuple[str, str | None]:
    """The algorithm and the key's id. Raises ValueError and JoseError."""
    header = jws.extract_compact(token.encode("latin-1")).headers()
    if found := _FETCHING & set(header):
        raise ValueError(f"its header has {', '.join(sorted(found))}")
    if "crit" in header or "b64" in header:
        raise ValueError("its header has extensions")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in issuer.algorithms:
        raise ValueError(f"its algorithm {algorithm!r} is not allowed")
    if key_id is not None and not isinstance(key_id, str):
        raise ValueError("its kid is no text")
    if str(header.get("typ", "JWT")).lower().removeprefix("application/") not in _TYPES:
        raise ValueError(f"its type {header['typ']!r} is another one")
    return str(algorithm), key_id


def _check(claims: dict[str, object], issuer: Issuer, now: int) -> None:
    """Raises JoseError."""
    required = {name: {"essential": True} for name in issuer.required}
    registry = JWTClaimsRegistry(
        now=now,
        leeway=int(issuer.leeway),
        **{  # type: ignore[arg-type]
            **required,
            "iss": {"essential": True, "value": issuer.source.url},
            "aud": {"essential": True, "values": list(issuer.audiences)},
            "exp": {"essential": True},
        },
    )
    registry.validate(claims)


def opening(documents: Callable[[str | None], Documents]) -> _Open:
    """Opens issuers' keys, fetched by what ``documents`` makes for a file of certificates."""

    def open_keys(source: Source) -> IssuerKeys:
        fetcher = documents(source.ca_file)

        async def fetch(url: str) -> Mapping[str, object]:
            return await fetcher.fetch(url, _bearer(source))

        return IssuerKeys(fetch, source.url, source.jwks_url, ages=source.ages)

    return open_keys


def _bearer(source: Source) -> str:
    if source.bearer_file is None:
        return ""
    try:
        return read_file(source.bearer_file).decode("latin-1").strip()
    except FileProblem as error:
        raise IssuerError(f"bearer_file: {error}") from error
