"""What processes tell each other of themselves, and how it is written down. No I/O.

Another version of the gateway may have written a notice: what cannot be read is left out.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

_LONGEST_NAME = 255
"""Characters of a file's name; Mattermost takes no longer ones."""


@dataclass(frozen=True, slots=True)
class RunningUpload:
    """An upload that is on its way."""

    id: str
    """Of its request."""
    name: str
    user_id: str
    machine: str
    """The label of the API key or token that it comes with, if it does."""
    channel_id: str
    client: str
    endpoint: str
    stage: str
    size: int | None
    """Bytes of the request's body, where it tells."""
    received: int
    speed: float
    """Bytes a second."""
    seconds: float
    """Since it began."""

    @property
    def share(self) -> float | None:
        """How much of it has come, from 0 to 1; None where that is not known."""
        return None if not self.size else min(1.0, self.received / self.size)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An upload that was refused, or that failed."""

    id: str
    """Of its request."""
    time: float
    name: str
    user_id: str
    machine: str
    channel_id: str
    client: str
    endpoint: str
    status: int
    outcome: str
    reason: str
    rule: str
    content_type: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Minute:
    """What became of uploads in one minute."""

    start: int
    """Seconds since the epoch."""
    accepted: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    """By reason."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """By reason."""
    aborted: int = 0
    stored: int = 0
    """Bytes."""
    latency: Sequence[int] = ()
    """Accepted uploads by their seconds: one number for each of ``SECONDS``, and one for more."""

    def plus(self, other: "Minute") -> "Minute":
        """Both together."""
        return Minute(
            self.start,
            self.accepted + other.accepted,
            _sum(self.refused, other.refused),
            _sum(self.failed, other.failed),
            self.aborted + other.aborted,
            self.stored + other.stored,
            _added(self.latency, other.latency),
        )


@dataclass(frozen=True, slots=True)
class GatewayState:
    """One gateway, which may have several workers."""

    id: str
    host: str
    version: str
    workers: int
    started: float
    problems: Mapping[str, str]
    """Why it is not ready, by part."""
    details: Mapping[str, str]
    """What is wrong besides, by part."""


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def _added(one: Sequence[int], other: Sequence[int]) -> Sequence[int]:
    if not (one and other):
        return one or other
    return [a + b for a, b in zip(one, other, strict=True)]


NOTHING = "[]"


def written(values: Iterable[Any]) -> str:
    """``values`` of one kind as the text of a notice."""
    return json.dumps([asdict(value) for value in values], separators=(",", ":"))


def read(kind: type[T], texts: Iterable[str]) -> list[T]:
    """All values in ``texts`` that can be read."""
    found: list[T] = []
    for text in texts:
        with suppress(ValueError, TypeError):
            found += [kind(**item) for item in json.loads(text)]
    return found


def shown_name(name: str) -> str:
    """What is kept of a file's name: not more than one can have, and nothing that is no text."""
    return name[:_LONGEST_NAME].encode("utf-8", "replace").decode()
