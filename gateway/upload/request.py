"""An upload as it reaches the story: plain values, and a body to be read.

Named tuples, since every upload makes one of each: a frozen dataclass costs three times as much.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.machines.admission import Machine
from gateway.policy.circumstances import IdentityKind
from gateway.upstream.exchange import Content
from gateway.upstream.sink import Sink
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
        """The next piece; empty at the end.

        Raises ClientGone, and Refused as soon as it is known that the request will be refused.
        """

    async def read_on(self) -> bytes:
        """The next piece of what is being forwarded; empty at the end.

        Raises ClientGone, and Refused only where the end will not come: nothing else is a reason
        any more to forward less than all.
        """

    def check(self) -> None:
        """Raises ClientGone if the client is known to have left."""

    async def pour(self, sink: Sink) -> bool:
        """Write all that is left into ``sink``, or return False. Raises as ``read_on``."""


@dataclass(slots=True)
class Passage:
    """The body with which a request goes on to Mattermost, and how far it came."""

    content: Content
    content_type: bytes | None = None
    """None leaves that of the request."""
    delivered: bool = False
    """Whether all of it was sent."""
    status: int = 0
    """Of the answer, if one came."""

    @property
    def may_be_stored(self) -> bool:
        """What was sent whole counts as stored, unless an answer says otherwise.

        A redirection may be what follows a success here.
        """
        return self.delivered and self.status < 400


Onward = Callable[[Passage], Awaitable[None]]
"""Sends a request on, and its answer back. Raises UpstreamError, ClientGone, and what reading
the content raises."""


class UploadRequest(NamedTuple):
    """A request with a file, as the edge has read its head."""

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
    client: str = ""
    """The client's IP address."""
    endpoint: str = ""
    """The name of the row that it is for; empty for what is no upload to one."""


class Sender(NamedTuple):
    """Whoever sends a file, as far as that is known."""

    identity: Identity | None
    kind: IdentityKind
    credential: Credential | None = None
    forwarded: RawHeaders = []  # noqa: RUF012 - nobody changes it
    """Headers that go along with what Mattermost is asked in their name."""
    machine: Machine | None = None
    """The program that sends it with a credential of the gateway's own; the rest is of the
    account that it stands for."""

    @property
    def user_id(self) -> str:
        """Whose quota it is; empty if nobody's."""
        return self.identity.user_id if self.identity else ""


class Caller(NamedTuple):
    """Somebody whom Mattermost knows, and how to speak to it in their name."""

    identity: Identity
    credential: Credential
    head: bytes
    """The header lines of each of their uploads, but for framing."""
    sender: Sender


class Answer(NamedTuple):
    """What the client gets."""

    status: int
    headers: RawHeaders
    body: bytes


class FileTarget(NamedTuple):
    """Where an attachment goes: the parameters of Mattermost's raw upload."""

    channel_id: str
    name: str
    client_id: str


class RowTarget(NamedTuple):
    """Where another file goes: to the address of its request, with the query as it came."""

    name: str
    request_target: bytes
    team_id: str = ""
    """Of the team that the address is about."""
