"""Whom to believe about addresses and request ids."""

import re
from ipaddress import ip_network

import pytest

from gateway.edge.caller import Origin, Origins, join_lists, new_request_id, upload_headers

TRUSTED = Origins([ip_network("10.0.0.0/8"), ip_network("192.0.2.1/32"), ip_network("fd00::/8")])


def read(peer: str, scheme: str = "http", **headers: str) -> Origin:
    """The origin of a request with headers such as ``x_forwarded_for``."""
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return TRUSTED.read(peer, scheme, named)


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        # Nobody between.
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        # A proxy of ours tells.
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("fd00::1", "1.2.3.4", "1.2.3.4"),
        ("192.0.2.1", "1.2.3.4", "1.2.3.4"),
        ("192.0.2.2", "1.2.3.4", "192.0.2.2"),
        # What was forged stands farther away.
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6,1.2.3.4 , 10.0.0.2,10.0.0.3", "1.2.3.4"),
        ("10.0.0.1", "10.0.0.2, 1.2.3.4", "1.2.3.4"),
        # All are ours: the farthest of them asks for itself.
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # What is no address ends the chain.
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4, unknown", "10.0.0.1"),
        ("10.0.0.1", "unknown, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4, , 10.0.0.2", "10.0.0.2"),
        # A connection without an address.
        ("unknown", "1.2.3.4", "unknown"),
    ],
)
def test_the_address_of_a_client(peer: str, chain: str, client: str) -> None:
    origin = read(peer, x_forwarded_for=chain)
    assert origin.client == client
    assert dict(origin.headers)[b"x-real-ip"] == client.encode()


def test_an_ipv4_address_may_come_as_an_ipv6_address() -> None:
    """As it does where the gateway listens on ``[::]`` (RFC 4291, 2.5.5.2)."""
    assert read("::ffff:10.0.0.1", x_forwarded_for="1.2.3.4").client == "1.2.3.4"


@pytest.mark.parametrize(
    ("peer", "chain", "told"),
    [
        ("203.0.113.9", "1.2.3.4", b"203.0.113.9"),
        ("10.0.0.1", "", b"10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", b"6.6.6.6, 1.2.3.4, 10.0.0.1"),
    ],
)
def test_the_chain_that_mattermost_is_told(peer: str, chain: str, told: bytes) -> None:
    assert dict(read(peer, x_forwarded_for=chain).headers)[b"x-forwarded-for"] == told


@pytest.mark.parametrize(
    ("peer", "scheme", "claimed", "told"),
    [
        ("203.0.113.9", "http", "https", b"http"),
        ("10.0.0.1", "http", "https", b"https"),
        ("10.0.0.1", "https", "http", b"http"),
        ("10.0.0.1", "http", "gopher", b"http"),
        ("203.0.113.9", "https", "http", b"https"),
    ],
)
def test_the_scheme_that_mattermost_is_told(
    peer: str, scheme: str, claimed: str, told: bytes
) -> None:
    origin = read(peer, scheme, x_forwarded_proto=claimed)
    assert dict(origin.headers)[b"x-forwarded-proto"] == told


@pytest.mark.parametrize("request_id", ["a", "Root=1-67891233-abcdef;", "a" * 128, "a/b+c=d:e@f~g"])
def test_a_proxys_request_id(request_id: str) -> None:
    origin = read("10.0.0.1", x_request_id=request_id)
    taken = origin.request_id == request_id
    assert taken is (";" not in request_id)
    assert dict(origin.headers)[b"x-request-id"] == origin.request_id.encode()
    assert read("203.0.113.9", x_request_id=request_id).request_id != request_id


def test_lists_on_several_lines_are_one() -> None:
    headers = [
        (b"cookie", b"a=b"), (b"x-one", b"1"), (b"x-forwarded-for", b"1.2.3.4"),
        (b"cookie", b"c=d"), (b"x-one", b"2"), (b"x-forwarded-for", b"10.0.0.1"),
    ]  # fmt: skip
    first = dict(reversed(headers))
    join_lists(first, headers)
    assert first == {
        b"cookie": b"a=b; c=d", b"x-one": b"1", b"x-forwarded-for": b"1.2.3.4, 10.0.0.1",
    }  # fmt: skip


def test_request_ids_look_like_mattermosts() -> None:
    ids = {new_request_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(rb"[a-z0-9]{26}", request_id) for request_id in ids)


@pytest.mark.parametrize(
    ("peer", "host", "claimed", "told"),
    [
        ("203.0.113.9", "chat", "forged", b"chat"),
        ("203.0.113.9", "chat", "", b"chat"),
        ("10.0.0.1", "inside", "chat", b"chat"),
        ("10.0.0.1", "inside", "", b"inside"),
        ("203.0.113.9", "", "forged", None),
        ("10.0.0.1", "", "", None),
    ],
)
def test_the_host_that_mattermost_is_told(
    peer: str, host: str, claimed: str, told: bytes | None
) -> None:
    origin = read(peer, host=host, x_forwarded_host=claimed)
    assert dict(origin.headers).get(b"x-forwarded-host") == told


def test_nobody_is_trusted_by_default() -> None:
    origin = Origins([]).read(
        "10.0.0.1", "http", {b"x-forwarded-for": b"1.2.3.4", b"x-request-id": b"a"}
    )
    assert origin.client == "10.0.0.1"
    assert origin.request_id != "a"


def test_what_goes_along_with_an_upload() -> None:
    headers = {
        b"host": b"chat.example",
        b"user-agent": b"test",
        b"accept-language": b"de",
        b"x-csrf-token": b"token",
        b"x-requested-with": b"XMLHttpRequest",
        b"authorization": b"Bearer abc",
        b"cookie": b"MMAUTHTOKEN=abc",
        b"content-type": b"multipart/form-data",
        b"content-length": b"5",
        b"transfer-encoding": b"chunked",
        b"expect": b"100-continue",
        b"x-forwarded-for": b"1.2.3.4",
        b"connection": b"close",
    }
    origin = read("203.0.113.9")
    assert upload_headers(headers, b"upstream", origin) == [
        (b"host", b"chat.example"),
        (b"user-agent", b"test"),
        (b"accept-language", b"de"),
        (b"x-csrf-token", b"token"),
        (b"x-requested-with", b"XMLHttpRequest"),
        *origin.headers,
    ]


@pytest.mark.parametrize("headers", [{}, {b"host": b""}])
def test_a_request_without_a_host_is_for_mattermost(headers: dict[bytes, bytes]) -> None:
    assert (b"host", b"upstream") in upload_headers(headers, b"upstream", read("203.0.113.9"))
