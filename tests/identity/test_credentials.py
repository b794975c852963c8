"""Where a credential is looked for, and in which order: as Mattermost 5.37 does."""

import pytest

from gateway.identity.credentials import (
    csrf_passes,
    find_credential,
    find_plugin_credential,
    find_server_credential,
)
from gateway.refusals import Refused
from gateway.values import Credential, CredentialKind

HEADER, COOKIE, QUERY = CredentialKind.HEADER, CredentialKind.COOKIE, CredentialKind.QUERY
SERVER = CredentialKind.SERVER


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        # Nothing.
        ({}, b"", None),
        ({b"authorization": b"Basic abc"}, b"", None),
        ({b"authorization": b"Bearerabc"}, b"", None),
        ({b"cookie": b"a=b"}, b"", None),
        ({b"cookie": b"xMMAUTHTOKEN=abc"}, b"", None),
        ({b"cookie": b"mmauthtoken=abc"}, b"", None),
        ({b"cookie": b"MMAUTHTOKEN"}, b"", None),
        ({}, b"access_token=", None),
        ({}, b"xaccess_token=abc", None),
        # The header, in any case.
        ({b"authorization": b"Bearer abc"}, b"", (HEADER, "abc")),
        ({b"authorization": b"BEARER abc"}, b"", (HEADER, "abc")),
        ({b"authorization": b"bearer abc"}, b"", (HEADER, "abc")),
        ({b"authorization": b"Token abc"}, b"", (HEADER, "abc")),
        ({b"authorization": b"tOkEn abc"}, b"", (HEADER, "abc")),
        ({b"authorization": b"Bearer  abc "}, b"", (HEADER, "abc")),
        ({b"authorization": b"Bearer "}, b"", (HEADER, "")),
        # The cookie, among others.
        ({b"cookie": b"MMAUTHTOKEN=abc"}, b"", (COOKIE, "abc")),
        ({b"cookie": b"a=b; MMAUTHTOKEN=abc; MMCSRF=x"}, b"", (COOKIE, "abc")),
        ({b"cookie": b"a=b;MMAUTHTOKEN=abc"}, b"", (COOKIE, "abc")),
        ({b"cookie": b'MMAUTHTOKEN="abc"'}, b"", (COOKIE, "abc")),
        ({b"cookie": b"MMAUTHTOKEN=abc; MMAUTHTOKEN=def"}, b"", (COOKIE, "abc")),
        ({b"cookie": b"MMAUTHTOKEN="}, b"", (COOKIE, "")),
        # The query.
        ({}, b"access_token=abc", (QUERY, "abc")),
        ({}, b"a=b&access_token=a%62c&c=d", (QUERY, "abc")),
        ({}, b"xaccess_token=def&access_token=abc", (QUERY, "abc")),
        ({b"authorization": b"Basic abc"}, b"access_token=def", (QUERY, "def")),
        # The first of these counts, even if it is empty.
        ({b"cookie": b"MMAUTHTOKEN=a", b"authorization": b"Bearer b"}, b"", (COOKIE, "a")),
        ({b"cookie": b"MMAUTHTOKEN=", b"authorization": b"Bearer b"}, b"", (COOKIE, "")),
        ({b"cookie": b"a=b", b"authorization": b"Bearer b"}, b"access_token=c", (HEADER, "b")),
    ],
)
def test_where_a_credential_is_found(
    headers: dict[bytes, bytes], query: bytes, expected: tuple[CredentialKind, str] | None
) -> None:
    found = find_credential(headers, query)
    assert found == (None if expected is None else Credential(*expected))


@pytest.mark.parametrize("first", [b"", b"abc", b"def"])
def test_two_tokens_in_a_query_are_ambiguous(first: bytes) -> None:
    with pytest.raises(Refused) as refused:
        find_credential({}, b"access_token=" + first + b"&access_token=abc")
    assert refused.value.refusal.id == "gateway.ambiguous_request"


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer " + b"a" * 4097},
        {b"cookie": b"MMAUTHTOKEN=" + b"a" * 4097},
    ],
)
def test_a_token_that_is_too_long_is_nobodys(headers: dict[bytes, bytes]) -> None:
    found = find_credential(headers, b"")
    assert found is not None
    assert found.token == ""


def test_bytes_beyond_ascii_are_kept_as_they_are() -> None:
    found = find_credential({b"authorization": b"Bearer \xff\xe9"}, b"")
    assert found is not None
    assert found.token.encode("latin-1") == b"\xff\xe9"


@pytest.mark.parametrize(
    ("kind", "headers", "passes"),
    [
        (COOKIE, {}, False),
        (COOKIE, {b"x-csrf-token": b""}, False),
        (COOKIE, {b"x-csrf-token": b"anything"}, True),
        (COOKIE, {b"x-requested-with": b"XMLHttpRequest"}, True),
        (COOKIE, {b"x-requested-with": b"xmlhttprequest"}, False),
        (COOKIE, {b"origin": b"https://chat.example"}, False),
        (HEADER, {}, True),
        (QUERY, {}, True),
        (SERVER, {}, True),
    ],
)
def test_only_a_cookie_needs_protection_against_forgery(
    kind: CredentialKind, headers: dict[bytes, bytes], *, passes: bool
) -> None:
    assert csrf_passes(Credential(kind, "abc"), headers) is passes


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({b"x-remotecluster-id": b"id"}, None),
        ({b"x-remotecluster-token": b"abc"}, None),
        ({b"x-remotecluster-id": b"", b"x-remotecluster-token": b"abc"}, None),
        ({b"x-remotecluster-id": b"id", b"x-remotecluster-token": b""}, None),
        ({b"authorization": b"Bearer abc", b"x-remotecluster-id": b"id"}, None),
        (
            {b"x-remotecluster-id": b"id", b"x-remotecluster-token": b"abc"},
            Credential(SERVER, "abc", "id"),
        ),
    ],
)
def test_another_server_says_who_it_is(
    headers: dict[bytes, bytes], expected: Credential | None
) -> None:
    assert find_server_credential(headers) == expected


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({}, b"", None),
        ({b"authorization": b"Basic abc"}, b"", None),
        # The header comes first, even if it is empty.
        ({b"cookie": b"MMAUTHTOKEN=a", b"authorization": b"Bearer b"}, b"", (HEADER, "b")),
        ({b"cookie": b"MMAUTHTOKEN=a", b"authorization": b"TOKEN b"}, b"", (HEADER, "b")),
        ({b"cookie": b"MMAUTHTOKEN=a", b"authorization": b"Bearer "}, b"", (HEADER, "")),
        ({b"cookie": b"MMAUTHTOKEN=a", b"authorization": b"Basic b"}, b"", (COOKIE, "a")),
        ({b"cookie": b"MMAUTHTOKEN="}, b"access_token=c", (COOKIE, "")),
        # Any token counts in the query.
        ({b"cookie": b"a=b"}, b"access_token=c", (HEADER, "c")),
        ({b"authorization": b"Bearer b"}, b"access_token=c", (HEADER, "b")),
    ],
)
def test_where_a_plugin_gets_its_user_from(
    headers: dict[bytes, bytes], query: bytes, expected: tuple[CredentialKind, str] | None
) -> None:
    found = find_plugin_credential(headers, query)
    assert found == (None if expected is None else Credential(*expected))


def test_a_credential_does_not_show_its_token() -> None:
    assert "abc" not in repr(Credential(HEADER, "abc"))
    assert "abc" not in str(Credential(HEADER, "abc"))
