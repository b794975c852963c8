"""Values that the layers hand to each other: frozen, without I/O."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """How a request ended; each request has exactly one."""

    ACCEPTED = "accepted"
    """Mattermost has it."""
    REFUSED = "refused"
    """A rule, the caller's form or Mattermost said no."""
    FAILED = "failed"
    """Mattermost, the ledger or the gateway could not do its part."""
    ABORTED = "aborted"
    """The client went away before its answer."""


ACCEPTED = Outcome.ACCEPTED
"""For whoever asks on each upload's way: in Python 3.11, to look up a member costs as much as
a call."""


class CredentialKind(StrEnum):
    """Where a Mattermost session token was found; or that it is something else."""

    COOKIE = "cookie"
    HEADER = "header"
    QUERY = "query"
    SERVER = "server"
    """Another Mattermost's."""
    API_KEY = "api_key"
    """A key of the gateway's own; Mattermost never sees it."""
    JWT = "jwt"
    """Signed by an issuer that the gateway trusts; Mattermost never sees it either."""


COOKIE, HEADER, QUERY = CredentialKind.COOKIE, CredentialKind.HEADER, CredentialKind.QUERY


class Credential(NamedTuple):
    """What a caller presented, a Mattermost session token mostly. Its repr keeps the secret."""

    kind: CredentialKind
    token: str
    remote_id: str = ""
    """Who another Mattermost says it is."""

    def __repr__(self) -> str:
        return f"Credential({self.kind}, …)"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling, as Mattermost's ``GET /api/v4/users/me`` says; or another Mattermost."""

    user_id: str
    username: str
    """Empty for another Mattermost."""
    roles: frozenset[str]
    is_bot: bool = False
    locale: str = ""
    """The language of their account, such as ``pt-BR``; empty if that is not told."""

    def __post_init__(self) -> None:
        if not self.user_id:
            raise ValueError("an identity needs a user id")


@dataclass(frozen=True, slots=True)
class UploadSession:
    """An upload in several requests, as Mattermost describes it. Sizes are bytes."""

    id: str
    user_id: str
    is_import: bool
    """A server's import; else an attachment."""
    channel_id: str
    name: str
    size: int
    """Of the whole file."""
    offset: int
    """What of it Mattermost has."""
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False, compare=False)
    """With which it said so, in lower case."""

    def __post_init__(self) -> None:
        if not 0 <= self.offset <= self.size:
            raise ValueError(f"{self.offset} bytes of {self.size} cannot be there")

    @property
    def left(self) -> int:
        return self.size - self.offset


class Spans(NamedTuple):
    """The ids, 16 hexadecimal digits each, of what a trace has of a request."""

    parent: str
    """Of whoever sent it; empty if the trace begins here."""
    server: str
    """Of the request itself."""
    client: str
    """Of its way to Mattermost, which is told this one."""


class Trace(NamedTuple):
    """A request's place in a trace (https://www.w3.org/TR/trace-context/)."""

    id: str
    """32 hexadecimal digits."""
    headers: tuple[tuple[bytes, bytes], ...]
    """For Mattermost."""
    spans: Spans | None = None
    """None if nobody records it."""


NO_TRACE = Trace("", ())
