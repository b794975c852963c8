"""Tokens of a real issuer: what is believed, and every trick that is not."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from gateway.machines.issuers import parse_issuers
from gateway.machines.tokens import Tokens, opening
from gateway.machines.watched import Watched
from gateway.refusals import Refused
from gateway.upstream.issuers import Documents
from tests.support.issuer import AUDIENCE, DISCOVERY, KEYS, Issuer

RULES = """
[[issuers.forge.rules]]
name = "job"
claims = { sub = "job" }
"""


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


def tokens_of(issuer: Issuer, folder: Path, *settings: str) -> Tokens:
    path = folder / "oidc.toml"
    lines = [
        "[issuers.forge]",
        f'url = "{issuer.url}"',
        f'audience = ["{AUDIENCE}"]',
        *settings,
        RULES,
    ]
    path.write_text("\n".join(lines))
    return Tokens(Watched(path, parse_issuers), opening(Documents))


@pytest.fixture
def tokens(issuer: Issuer, tmp_path: Path) -> Tokens:
    return tokens_of(issuer, tmp_path)


async def why_refused(tokens: Tokens, token: str) -> str:
    """The reason, which is for the log only."""
    with pytest.raises(Refused) as refused:
        await tokens.verify(token)
    assert refused.value.refusal.id == "gateway.credential_refused"
    assert token not in str(refused.value.__cause__)
    return str(refused.value.__cause__)


def dated(claims: dict[str, object]) -> dict[str, object]:
    """``claims``, whose differences from now have become times."""
    return {
        name: int(time.time() + value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in claims.items()
    }


def signed(issuer: Issuer, header: dict[str, object], key: Key | None = None) -> str:
    """A token with these things in its header beside the usual ones."""
    key = key or issuer.keys[-1]
    given = {"alg": "ES256", "kid": issuer.keys[-1].kid, **header}
    registry = JWSRegistry(algorithms=["HS256", "ES256", "RS256"], strict_check_header=False)
    return jwt.encode(given, issuer.claims(), key, registry=registry)


def encoded(value: object) -> str:
    document = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(document).decode().rstrip("=")


async def test_a_token_is_believed(issuer: Issuer, tokens: Tokens) -> None:
    for _ in range(3):
        found, rule, claims = await tokens.verify(issuer.token(project="a"))
        assert (found.name, rule.name, claims["project"]) == ("forge", "job", "a")
    assert issuer.asked == {DISCOVERY: 1, KEYS: 1}


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": None}, "Missing claim: 'exp'"),
        ({"exp": 1}, "expired"),
        ({"exp": timedelta(seconds=-90)}, "expired"),
        ({"exp": "9999999999"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"nbf": timedelta(seconds=600)}, "not yet valid"),
        ({"iat": timedelta(seconds=600)}, "issued in the future"),
        ({"aud": None}, "Missing claim: 'aud'"),
        ({"aud": "https://elsewhere.example"}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": {AUDIENCE: 1}}, "aud"),
        ({"aud": AUDIENCE + "/"}, "aud"),
        ({"sub": "another"}, "no rule is about its claims"),
        ({"sub": None}, "no rule is about its claims"),
        ({"sub": ["job"]}, "sub"),
    ],
)
async def test_claims_that_do_not_do(
    claims: dict[str, object], reason: str, issuer: Issuer, tokens: Tokens
) -> None:
    assert reason in await why_refused(tokens, issuer.token(**dated(claims)))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": timedelta(seconds=-5)},
        {"nbf": timedelta(seconds=5)},
        {"aud": ["https://elsewhere.example", AUDIENCE]},
        {"iat": None},
    ],
)
async def test_claims_that_do(claims: dict[str, object], issuer: Issuer, tokens: Tokens) -> None:
    """Clocks differ, and a token can be for several."""
    await tokens.verify(issuer.token(**dated(claims)))


async def test_claims_that_have_to_be_there(issuer: Issuer, tmp_path: Path) -> None:
    tokens = tokens_of(issuer, tmp_path, 'required = ["jti"]', 'leeway = "0s"')
    assert "jti" in await why_refused(tokens, issuer.token())
    await tokens.verify(issuer.token(jti="1"))
    assert "expired" in await why_refused(tokens, issuer.token(jti="1", exp=int(time.time()) - 5))


async def test_without_a_signature(issuer: Issuer, tokens: Tokens) -> None:
    for algorithm in ("none", "None", "NONE", ""):
        body = f"{encoded({'alg': algorithm})}.{encoded(issuer.claims())}."
        assert await why_refused(tokens, body)
    header, payload, signature = issuer.token().split(".")
    for forged in (
        f"{header}.{payload}.",
        f"{header}.{encoded(issuer.claims(sub='job', admin=True))}.{signature}",
        f"{header}.{payload}.{signature[:-4]}",
        f"{encoded({'typ': 'JWT'})}.{payload}.{signature}",
        f"{encoded(b'no JSON')}.{payload}.{signature}",
        f"{encoded([])}.{payload}.{signature}",
        f"{'[' * 3}.{payload}.{signature}",
    ):
        assert await why_refused(tokens, forged)


async def test_with_the_public_key_as_a_secret(issuer: Issuer, tokens: Tokens) -> None:
    """The confusion of algorithms: whoever knows the public key could sign for the issuer."""
    key = RSAKey.generate_key(2048, auto_kid=True)
    issuer.rotate(key)
    await tokens.verify(issuer.token())
    for secret in (key.as_pem(private=False), json.dumps(key.as_dict(private=False)).encode()):
        header = {"alg": "HS256", "kid": key.kid}
        start = f"{encoded(header)}.{encoded(issuer.claims())}"
        mac = hmac.new(secret, start.encode(), hashlib.sha256).digest()
        reason = await why_refused(tokens, f"{start}.{encoded(mac)}")
        assert "algorithm 'HS256' is not allowed" in reason


async def test_a_secret_among_the_issuers_keys(issuer: Issuer, tokens: Tokens) -> None:
    """Nobody signs with what is published."""
    secret = OctKey.generate_key(256, auto_kid=True)
    issuer.documents[KEYS] = {"keys": [issuer.keys[0].as_dict(private=False), secret.as_dict()]}
    reason = await why_refused(tokens, signed(issuer, {"alg": "HS256", "kid": secret.kid}, secret))
    assert "not allowed" in reason


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "http://127.0.0.1:9/keys"},
        {"x5u": "http://127.0.0.1:9/cert"},
        {"jwk": ECKey.generate_key("P-256").as_dict(private=False)},
        {"x5c": ["MIIB"]},
    ],
)
async def test_tokens_that_bring_a_key(
    header: dict[str, object], issuer: Issuer, tokens: Tokens
) -> None:
    """Whatever it is signed with."""
    for key in (issuer.keys[0], ECKey.generate_key("P-256")):
        assert f"its header has {next(iter(header))}" in await why_refused(
            tokens, signed(issuer, header, key)
        )
    assert not issuer.asked


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"], "exp": 1},
        {"b64": False},
        {"kid": 7},
        {"kid": ["a"]},
        {"typ": "dpop+jwt"},
        {"typ": "logout+jwt"},
        {"alg": "ES384"},
    ],
)
async def test_headers_that_do_not_do(
    header: dict[str, object], issuer: Issuer, tokens: Tokens
) -> None:
    payload = encoded(issuer.claims())
    start = {"alg": "ES256", "kid": issuer.keys[0].kid, **header}
    assert await why_refused(tokens, f"{encoded(start)}.{payload}.{encoded(bytes(64))}")
    assert not issuer.asked


@pytest.mark.parametrize(
    "key_id",
    ["http://127.0.0.1:9/keys", "../../etc/passwd", "' OR 1=1 --", "x" * 100, "", "\n"],
)
async def test_key_ids_are_looked_up_and_nothing_else(
    key_id: str, issuer: Issuer, tokens: Tokens
) -> None:
    await tokens.verify(issuer.token())
    reason = await why_refused(tokens, signed(issuer, {"kid": key_id}))
    assert "\n" not in reason
    assert set(issuer.asked) == {DISCOVERY, KEYS}


async def test_a_key_of_another_kind_under_the_same_id(issuer: Issuer, tokens: Tokens) -> None:
    (right,) = issuer.keys
    other = ECKey.generate_key("P-256", parameters={"kid": str(right.kid)})
    assert "bad_signature" in await why_refused(tokens, signed(issuer, {}, other))


async def test_keys_that_are_not_for_signing(issuer: Issuer, tokens: Tokens) -> None:
    (key,) = issuer.keys
    issuer.documents[KEYS] = {"keys": [{**key.as_dict(private=False), "use": "enc"}]}
    with pytest.raises(Refused) as refused:
        await tokens.verify(issuer.token())
    assert refused.value.refusal.id == "gateway.issuer_unavailable"


async def test_an_rsa_key_that_is_too_short(issuer: Issuer, tokens: Tokens) -> None:
    with pytest.warns(Warning, match="2048"):
        issuer.rotate(RSAKey.generate_key(1024, auto_kid=True))
    with pytest.raises(Refused) as refused:
        await tokens.verify(issuer.token())
    assert refused.value.refusal.id == "gateway.issuer_unavailable"


async def test_a_token_without_a_key_id(issuer: Issuer, tokens: Tokens) -> None:
    """It can only be the one key that there is."""
    (key,) = issuer.keys
    bare = jwt.encode({"alg": "ES256"}, issuer.claims(), key)
    await tokens.verify(bare)


async def test_an_issuer_that_is_taken_out(issuer: Issuer, tmp_path: Path) -> None:
    path = tmp_path / "oidc.toml"
    path.write_text(f'[issuers.forge]\nurl = "{issuer.url}"\naudience = ["{AUDIENCE}"]\n{RULES}')
    tokens = Tokens(Watched(path, parse_issuers, interval=0), opening(Documents))
    await tokens.verify(issuer.token())
    path.write_text("")
    assert "not trusted any more" in await why_refused(tokens, issuer.token())


async def test_an_issuer_that_wants_to_see_a_token(issuer: Issuer, tmp_path: Path) -> None:
    (tmp_path / "bearer").write_text("mine\n")
    tokens = tokens_of(issuer, tmp_path, f'bearer_file = "{tmp_path / "bearer"}"')
    await tokens.verify(issuer.token())
    assert issuer.bearers == ["Bearer mine"] * 2
    (tmp_path / "bearer").unlink()
    issuer.rotate()
    assert "has no key" in await why_refused(tokens, issuer.token())
