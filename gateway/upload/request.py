"""An upload as it reaches the story: plain values, and a body to be read."""

from dataclasses import dataclass
from typing import Protocol

from gateway.values import Credential, Identity

RawHeaders = list[tuple[bytes, bytes]]


class ClientGone(Exception):
    """The client closed its connection before its request was complete."""


class Source(Protocol):
    """Bytes that arrive: a request's body, or a file within a form."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""

    @property
    def received(self) -> int:
        """Bytes that have come."""

    async def read(self) -> bytes:
        """The next piece; empty at the end. Raises ClientGone, Refused."""


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """``POST /api/v4/files``, as the edge has read its head."""

    query: bytes
    content_types: list[bytes]
    """The values of all Content-Type headers."""
    content_length: int | None
    """Bytes; None for a chunked body."""
    credential: Credential | None
    csrf_passes: bool
    forwarded: RawHeaders
    """Headers that go along to Mattermost: host, addresses, request id, language, CSRF."""
    body: Source


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whom Mattermost knows, and how to speak to it in their name."""

    identity: Identity
    credential: Credential
    headers: RawHeaders


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets."""

    status: int
    headers: RawHeaders
    body: bytes


@dataclass(frozen=True, slots=True)
class FileTarget:
    """Where a file goes: the parameters of Mattermost's raw upload."""

    channel_id: str
    name: str
    client_id: str
