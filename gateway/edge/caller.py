"""Where a request comes from, and what Mattermost is told of that.

Nothing that a client says of addresses or request ids is believed, unless its connection comes
from a proxy that the administrator trusts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from os import urandom
from typing import NamedTuple

from gateway.accounting import Visitor
from gateway.edge.tracing import continued_trace, new_trace
from gateway.refusals import Headers
from gateway.values import NO_TRACE, Trace

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}")

# Of the client's headers, these go along with an upload; the rest is the gateway's own.
_FORWARDED = (b"user-agent", b"accept-language", b"x-csrf-token", b"x-requested-with")

# Headers that the gateway looks into, and that are lists: what stands between their items.
_LISTS = (
    (b"connection", b", "),
    (b"content-encoding", b", "),
    (b"cookie", b"; "),
    (b"traceparent", b", "),  # of which there may be one only: several are none
    (b"tracestate", b","),
    (b"x-forwarded-for", b", "),
)

_MOST_TOLD = 512
"""Bytes of what a client says of itself that the log tells."""
_USER_INFO = re.compile(rb"//[^/?#]*@")
_QUERY = re.compile(rb"[?#;]")

RawHeaders = list[tuple[bytes, bytes]]


class Origin(NamedTuple):
    """Who asks, for logs and for Mattermost."""

    client: str
    """IP address of the client, as far as trusted proxies tell."""
    request_id: str
    headers: RawHeaders
    """``X-Forwarded-*``, ``X-Real-Ip``, ``X-Request-Id`` and ``traceparent`` for Mattermost."""
    trace: Trace = NO_TRACE


class Origins:
    """Reads origins, believing ``trusted`` proxies only."""

    def __init__(
        self, trusted: Sequence[IPv4Network | IPv6Network], record: int | None = None
    ) -> None:
        """``record`` is the threshold of traces that are recorded; None for none."""
        self._record = record
        self._trusted = tuple(trusted)
        self._is_trusted = lru_cache(4096)(self._look_up)

    def read(self, peer: str, scheme: str, headers: Mapping[bytes, bytes]) -> Origin:
        """The origin of a request that came over a connection from ``peer``."""
        peer = peer.removeprefix("::ffff:")  # an IPv4 client of an IPv6 socket
        if not self._trusted or not self._is_trusted(peer):
            request_id, trace = next(_fresh_request_ids), new_trace(self._record)
            about = [
                *_forwarded("", peer, peer, scheme),
                (b"x-request-id", request_id),
                *trace.headers,
            ]
            if host := headers.get(b"host"):
                about.append((b"x-forwarded-host", host))
            return Origin(peer, request_id.decode(), about, trace)
        chain = headers.get(b"x-forwarded-for", b"").decode("latin-1")
        client = self._client(chain, peer)
        scheme = headers.get(b"x-forwarded-proto", scheme.encode()).decode("latin-1")
        request_id = headers.get(b"x-request-id", b"")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = new_request_id()
        trace = continued_trace(headers, self._record)
        about = [
            *_forwarded(chain, peer, client, scheme),
            (b"x-request-id", request_id),
            *trace.headers,
        ]
        if host := headers.get(b"x-forwarded-host") or headers.get(b"host"):
            about.append((b"x-forwarded-host", host))
        return Origin(client, request_id.decode(), about, trace)

    def _client(self, chain: str, peer: str) -> str:
        """The nearest address that no trusted proxy of ours has."""
        client = peer
        for address in reversed([item.strip() for item in chain.split(",")]):
            if not _is_address(address):
                break
            client = address
            if not self._is_trusted(address):
                break
        return client

    def _look_up(self, address: str) -> bool:
        if not _is_address(address):
            return False
        parsed = ip_address(address)
        return any(parsed in network for network in self._trusted)


def join_lists(first: dict[bytes, bytes], headers: RawHeaders) -> None:
    """Put into ``first`` the whole lists that may come on several lines (RFC 9110, 5.3).

    A proxy may add a line of its own below what its client sent, and Mattermost reads the
    cookies of all lines.
    """
    for name, separator in _LISTS:
        if name in first:
            first[name] = separator.join(value for key, value in headers if key == name)


@lru_cache(4096)
def _forwarded(chain: str, peer: str, client: str, scheme: str) -> Headers:
    forwarded_for = f"{chain}, {peer}" if chain else peer
    return (
        (b"x-forwarded-for", forwarded_for.encode("latin-1")),
        (b"x-forwarded-proto", b"https" if scheme == "https" else b"http"),
        (b"x-real-ip", client.encode("latin-1")),
    )


def upload_headers(headers: Mapping[bytes, bytes], host: bytes, origin: Origin) -> RawHeaders:
    """The headers that an upload to Mattermost begins with."""
    kept = [(name, headers[name]) for name in _FORWARDED if name in headers]
    return [(b"host", headers.get(b"host") or host), *kept, *origin.headers]


def visitor(headers: Mapping[bytes, bytes], origin: Origin, version: str) -> Visitor:
    """What a client says of itself, without what may be secret: queries can have tokens in them."""
    agent = headers.get(b"user-agent", b"")[:_MOST_TOLD].decode("latin-1")
    referer = _QUERY.split(_USER_INFO.sub(b"//", headers.get(b"referer", b"")))[0]
    scheme = dict(origin.headers)[b"x-forwarded-proto"].decode()
    return Visitor(scheme, f"HTTP/{version}", referer[:_MOST_TOLD].decode("latin-1"), agent)


def _request_ids() -> Iterator[bytes]:
    # Drawn many at once: a system call for each costs more than the rest of it.
    while True:
        digits = urandom(13 * 256).hex().encode()
        for start in range(0, len(digits), 26):
            yield digits[start : start + 26]


_fresh_request_ids = _request_ids()


def new_request_id() -> bytes:
    """26 lower-case letters and digits, as long as Mattermost's own ids."""
    return next(_fresh_request_ids)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
