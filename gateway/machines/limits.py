"""What a credential of the gateway's own is good for, and how an administrator writes that."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeVar

from gateway.endpoints import ENDPOINTS, FROM_SERVERS, RULED, UNLISTED
from gateway.ledger import language
from gateway.ledger.quotas import Quota
from gateway.policy.rules import Agreement, Policy
from gateway.policy.ruleset import NO_LIMIT
from gateway.policy.selectors import EVERYTHING, NOTHING, TypeSelector
from gateway.units import parse_size

T = TypeVar("T")
Network = IPv4Network | IPv6Network

ACCOUNT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DEFAULT_ACCOUNT = "default"
"""The name of the account whose token is in ``GATEWAY_ACCOUNT_TOKEN``."""
_CHANNEL = re.compile(r"[a-z0-9]{26}|[a-z0-9-]{1,64}/[a-z0-9_-]{1,64}")
"""An id, or the name of a team and that of a channel, as Mattermost makes them."""


class Permission(StrEnum):
    """What a credential may do beside uploading."""

    FILES_READ = "files:read"
    """Download what its account may see."""
    POSTS_CREATE = "posts:create"
    """Write messages, with the files that it has uploaded."""


ENDPOINT_NAMES = (
    frozenset(RULED) - {UNLISTED} - {row.name for row in ENDPOINTS if row.way in FROM_SERVERS}
)
"""What ``endpoints`` may list; the chunks of an upload session belong to ``uploads``."""
_USUAL_ENDPOINTS = frozenset({"files", "uploads"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one may be used for, and from where. Policies hold beside it."""

    endpoints: frozenset[str] = _USUAL_ENDPOINTS
    channels: frozenset[str] = frozenset()
    """Ids, and names with that of the team; empty for all that the account may write to."""
    max_file_size: int = NO_LIMIT
    """Bytes."""
    types: TypeSelector = EVERYTHING
    networks: tuple[Network, ...] = ()
    """Where clients have to be; empty for anywhere."""
    quota: Quota | None = None
    permissions: frozenset[Permission] = frozenset()

    @property
    def has_max_file_size(self) -> bool:
        return self.max_file_size != NO_LIMIT

    def policy(self, name: str) -> Policy:
        """What it says of files, under the name of its credential."""
        return Policy(
            max_file_size=self.max_file_size,
            allowed=self.types,
            denied=NOTHING,
            denied_extensions=frozenset(),
            agreement=Agreement.OFF,
            name=name,
        )

    def allow_address(self, address: str) -> bool:
        if not self.networks:
            return True
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)


class Reader:
    """Reads one table of a file, and remembers what is wrong with it."""

    def __init__(self, table: Mapping[str, object], where: str, problems: list[str]) -> None:
        """``where`` is what people call the table."""
        self._table = dict(table)
        self._where = where
        self._problems = problems

    def text(self, name: str, parse: Callable[[str], T], fallback: T) -> T:
        """The text ``name``, parsed; ``fallback`` if it is not there, or wrong."""
        value = self._table.pop(name, None)
        if value is None:
            return fallback
        if not isinstance(value, str):
            self.wrong(name, "expected a text in quotes")
            return fallback
        return self._parsed(name, value, parse, fallback)

    def texts(self, name: str, parse: Callable[[str], T], fallback: tuple[T, ...]) -> tuple[T, ...]:
        """The same for a list of texts; an empty one is wrong."""
        value = self._table.pop(name, None)
        if value is None:
            return fallback
        if not isinstance(value, list) or not value or not all(isinstance(i, str) for i in value):
            self.wrong(name, 'expected a list of texts such as ["one", "two"]')
            return fallback
        found = [self._parsed(name, item, parse, None) for item in value]
        return tuple(item for item in found if item is not None)

    def take(self, name: str) -> object:
        """The value ``name`` as it is; None if it is not there."""
        return self._table.pop(name, None)

    def wrong(self, name: str, problem: str) -> None:
        self._problems.append(f"{self._where}: {name}: {problem}")

    def end(self) -> None:
        """Nothing else may be there: a limit that is misspelt would not hold."""
        for name in self._table:
            self.wrong(name, "this is not known here")

    def _parsed(self, name: str, value: str, parse: Callable[[str], T], fallback: T) -> T:
        try:
            return parse(value)
        except ValueError as error:
            self.wrong(name, str(error))
            return fallback


def read_limits(reader: Reader) -> Limits:
    """What ``reader``'s table says of limits; what is wrong is told to it."""
    limits = Limits(
        endpoints=frozenset(reader.texts("endpoints", _endpoint, tuple(_USUAL_ENDPOINTS))),
        channels=frozenset(reader.texts("channels", parse_channel, ())),
        max_file_size=reader.text("max_size", _size, NO_LIMIT),
        types=_selector(reader.texts("types", _type, ())),
        networks=reader.texts("addresses", parse_network, ()),
        quota=reader.text("quota", parse_quota, None),
        permissions=frozenset(reader.texts("allow", _permission, ())),
    )
    if limits.channels and Permission.FILES_READ in limits.permissions:
        reader.wrong(
            "allow", "files:read reaches all files that the account may see, whatever channels say"
        )
    return limits


def read_account(reader: Reader) -> str:
    return reader.text("account", parse_account, DEFAULT_ACCOUNT)


def parse_account(text: str) -> str:
    if not ACCOUNT_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a name of letters, digits, dots, dashes")
    return text


def parse_channel(text: str) -> str:
    if not _CHANNEL.fullmatch(text):
        raise ValueError(f"{text!r} is neither a channel's id nor team-name/channel-name")
    return text


def parse_network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an address or network such as 10.0.0.0/8") from None


def parse_quota(text: str) -> Quota | None:
    """``1GiB/day``, ``200 files/hour``, ``4 at once``."""
    return language.parse_quota(f"key {text}")


def _endpoint(text: str) -> str:
    if text not in ENDPOINT_NAMES:
        raise ValueError(f"{text!r} is none of {', '.join(sorted(ENDPOINT_NAMES))}")
    return text


def _permission(text: str) -> Permission:
    try:
        return Permission(text)
    except ValueError:
        raise ValueError(f"{text!r} is none of {', '.join(Permission)}") from None


def _size(text: str) -> int:
    size = parse_size(text)
    if size < 1:
        raise ValueError("expected at least one byte")
    return size


def _type(text: str) -> str:
    if TypeSelector.parse(text) == NOTHING:
        raise ValueError(f"{text!r} is no type")
    return text


def _selector(types: tuple[str, ...]) -> TypeSelector:
    return TypeSelector.parse(",".join(types)) if types else EVERYTHING
