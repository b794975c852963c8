"""What the gateway fetches from issuers of tokens: small JSON documents, from where it was told."""

import asyncio
import json
import ssl
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx

_LARGEST = 512 * 1024
"""Bytes of a document."""


class IssuerError(Exception):
    """An issuer's document cannot be had; the text is for the log."""


def check_address(url: str) -> None:
    """Raises ValueError with a sentence unless what comes from ``url`` can be believed: it is
    ``https://``, or on this machine."""
    parts = urlsplit(url)
    if parts.username or parts.password or parts.fragment or not parts.hostname:
        raise ValueError(f"{url!r} is not an address such as https://issuer.example.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError(f"{url!r} does not begin with https://")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Documents:
    """Fetches documents, following no redirection."""

    def __init__(self, ca_file: str | None = None, *, timeout: float = 5.0) -> None:
        """``ca_file`` (PEM) says whom to trust in place of the system's; ``timeout`` is in
        seconds. Raises OSError for a file that has no certificates."""
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._timeout = timeout

    async def fetch(self, url: str, bearer: str = "") -> dict[str, object]:
        """The object that ``url`` names, asked for with the token ``bearer``, if there is one.

        Raises IssuerError."""
        try:
            check_address(url)
            async with asyncio.timeout(self._timeout):
                return _object(await self._read(url, bearer))
        except TimeoutError as error:
            raise IssuerError(f"{url}: it took longer than {self._timeout:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            raise IssuerError(f"{url}: {type(error).__name__}: {error}") from error

    async def _read(self, url: str, bearer: str) -> bytes:
        headers = {"accept": "application/json"}
        if bearer:
            headers["authorization"] = f"Bearer {bearer}"
        body = b""
        # A client for each, since they are minutes apart.
        async with (
            httpx.AsyncClient(timeout=self._timeout, trust_env=False, verify=self._tls) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise ValueError(f"it answered {response.status_code}")
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _LARGEST:
                    raise ValueError(f"it is longer than {_LARGEST} bytes")
        return body


def _object(document: bytes) -> dict[str, object]:
    value = json.loads(document)
    if not isinstance(value, dict):
        raise ValueError("it is no object of JSON")  # noqa: TRY004 - as for other documents
    return value
