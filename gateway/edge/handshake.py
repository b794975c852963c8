"""Which requests ask for a WebSocket (RFC 6455, 4.1); any other offer of an upgrade is none."""

from collections.abc import Iterator

RawHeaders = list[tuple[bytes, bytes]]


def asks_for_websocket(method: str, version: str, headers: RawHeaders) -> bool:
    """Whether this is a whole handshake, of which every reader sees the same.

    ``headers`` have names in lower case.
    """
    return (
        method == "GET"
        and version == "1.1"
        and [value.lower() for value in _values(headers, b"upgrade")] == [b"websocket"]
        and b"upgrade" in _options(headers)
        and [bool(key) for key in _values(headers, b"sec-websocket-key")] == [True]
        and not list(_values(headers, b"transfer-encoding"))
        and set(_values(headers, b"content-length")) <= {b"0"}
    )


def _values(headers: RawHeaders, wanted: bytes) -> Iterator[bytes]:
    return (value for name, value in headers if name == wanted)


def _options(headers: RawHeaders) -> set[bytes]:
    """Of the connection, on however many lines (RFC 9110, 7.6.1)."""
    lines = b",".join(_values(headers, b"connection"))
    return {option.strip().lower() for option in lines.split(b",")}
