"""Which requests ask for a WebSocket, and which only look like it."""

import pytest

from gateway.edge.handshake import RawHeaders, asks_for_websocket

WHOLE = [
    (b"host", b"chat"),
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]


def changed(name: bytes, *values: bytes) -> RawHeaders:
    """The headers with other ``values`` of one of them."""
    return [header for header in WHOLE if header[0] != name] + [(name, item) for item in values]


def test_a_whole_handshake() -> None:
    assert asks_for_websocket("GET", "1.1", WHOLE)


@pytest.mark.parametrize(
    "headers",
    [
        changed(b"upgrade", b"WebSocket"),
        changed(b"connection", b"keep-alive, Upgrade"),  # Firefox
        changed(b"connection", b"keep-alive", b"UPGRADE"),
        changed(b"content-length", b"0"),
        changed(b"sec-websocket-version"),  # Mattermost's to refuse
    ],
)
def test_other_spellings_of_one(headers: RawHeaders) -> None:
    assert asks_for_websocket("GET", "1.1", headers)


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "CONNECT"])
def test_another_method(method: str) -> None:
    assert not asks_for_websocket(method, "1.1", WHOLE)


def test_an_older_version() -> None:
    assert not asks_for_websocket("GET", "1.0", WHOLE)


@pytest.mark.parametrize(
    "headers",
    [
        changed(b"upgrade"),
        changed(b"upgrade", b"h2c"),
        changed(b"upgrade", b"websocket, h2c"),
        changed(b"upgrade", b"websocket/13"),
        changed(b"upgrade", b"websocket", b"websocket"),
        changed(b"upgrade", b"h2c", b"websocket"),
        changed(b"connection"),
        changed(b"connection", b"keep-alive"),
        changed(b"connection", b"upgraded"),
        changed(b"connection", b"up grade"),
        changed(b"sec-websocket-key"),
        changed(b"sec-websocket-key", b""),
        changed(b"sec-websocket-key", b"a", b"b"),
        changed(b"sec-websocket-key", b"a", b""),
        changed(b"content-length", b"1"),
        changed(b"content-length", b"00"),
        changed(b"content-length", b"0", b"1"),
        changed(b"transfer-encoding", b"chunked"),
        changed(b"transfer-encoding", b""),
    ],
)
def test_what_only_looks_like_one(headers: RawHeaders) -> None:
    assert not asks_for_websocket("GET", "1.1", headers)
