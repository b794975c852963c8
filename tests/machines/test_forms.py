"""Whose a credential is, by its form; and where it may stand."""

import base64
import json

import pytest

from gateway.machines.forms import LONGEST_TOKEN, Forms
from gateway.refusals import Refused
from gateway.values import Credential, CredentialKind

ISSUER = "https://issuer.example"


def token(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


RIGHT = token(iss=ISSUER)


@pytest.fixture
def forms() -> Forms:
    return Forms(lambda: {ISSUER})


def find(forms: Forms, authorization: str, query: bytes = b"", **headers: bytes) -> object:
    given = {b"authorization": authorization.encode()} if authorization else {}
    given |= {name.encode(): value for name, value in headers.items()}
    return forms.find(given, query)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer " + "a" * 26,
        "Bearer ",
        "Bearer",
        "Basic bW11Z18=",
        "mmug_a",
        "Bearer xmmug_abc",
        "Bearer a.b",
        "Bearer a.b.c",
        "Bearer ..",
        f"Bearer {RIGHT}.d",
        f"Bearer {token(iss='https://another.example')}",
        f"Bearer {token(iss=ISSUER + '/')}",
        f"Bearer {token(iss=[ISSUER])}",
        f"Bearer {token(sub='a')}",
        "Bearer e30." + base64.urlsafe_b64encode(b"[" * 3000).decode() + ".c2ln",
    ],
)
def test_what_is_mattermosts(authorization: str, forms: Forms) -> None:
    assert find(forms, authorization) is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_what_is_the_gateways_own(scheme: str, forms: Forms) -> None:
    assert find(forms, f"{scheme}\t mmug_a") == find(forms, f"{scheme} mmug_a")
    assert find(forms, f"{scheme} mmug_a") == Credential(CredentialKind.API_KEY, "mmug_a")
    assert find(forms, f"{scheme} {RIGHT}") == Credential(CredentialKind.JWT, RIGHT)


def test_a_method_that_is_off() -> None:
    """A key is one all the same; tokens of others are nothing to the gateway."""
    assert find(Forms(), "Bearer mmug_a") is not None
    assert find(Forms(), f"Bearer {RIGHT}") is None
    assert find(Forms(), f"Bearer {'a' * 9000}.b.c") is None


def test_tokens_that_are_too_long(forms: Forms) -> None:
    longest = LONGEST_TOKEN - len(token(iss=ISSUER, a=""))
    assert find(forms, f"Bearer {token(iss=ISSUER, a='x' * (longest * 3 // 4 - 4))}") is not None
    with pytest.raises(Refused) as refused:
        find(forms, f"Bearer {token(iss=ISSUER, a='x' * LONGEST_TOKEN)}")
    assert refused.value.refusal.status == 401


@pytest.mark.parametrize(
    ("authorization", "query", "cookie"),
    [
        ("Token mmug_a", b"", b""),
        (f"Token {RIGHT}", b"", b""),
        ("", b"access_token=mmug_a", b""),
        ("", b"a=b&access_token=mmug_a", b""),
        ("", b"", b"MMAUTHTOKEN=mmug_a"),
        ("", b"", b'a=b; MMAUTHTOKEN="mmug_a"'),
    ],
)
def test_places_where_keys_do_not_belong(
    authorization: str, query: bytes, cookie: bytes, forms: Forms
) -> None:
    with pytest.raises(Refused) as refused:
        find(forms, authorization, query, **({"cookie": cookie} if cookie else {}))
    assert refused.value.refusal.id == "gateway.credential_refused"
    assert "mmug_" not in str(refused.value.__cause__)


def test_words_that_only_look_like_it(forms: Forms) -> None:
    assert find(forms, "", b"filename=mmug_a.txt&channel_id=a") is None
    assert find(forms, "Bearer " + "a" * 26, b"", cookie=b"theme=mmug_a") is None


@pytest.mark.parametrize(
    ("query", "cookie"),
    [
        (b"access_token=abc", b""),
        (b"acce%73s_token=abc", b""),
        (b"", b"MMAUTHTOKEN=abc"),
        (b"", b"a=b; MMAUTHTOKEN="),
    ],
)
def test_two_credentials(query: bytes, cookie: bytes, forms: Forms) -> None:
    for mine in ("mmug_a", RIGHT):
        with pytest.raises(Refused) as refused:
            find(forms, f"Bearer {mine}", query, cookie=cookie)
        assert refused.value.refusal.id == "gateway.ambiguous_request"
