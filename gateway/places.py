"""Where files go: channels and teams, and what is to be known of them. No I/O."""

import re
from enum import StrEnum
from typing import NamedTuple

_ID = re.compile(r"[A-Za-z0-9]{26}")


def is_id(text: str) -> bool:
    """Whether ``text`` has the form of Mattermost's ids."""
    return _ID.fullmatch(text) is not None


def known_as(own_id: str, name: str) -> frozenset[str]:
    """By what rules may call what has this id and name.

    A name that has the form of an id does not count: whoever gives something the id of another
    as its name would be taken for the other.
    """
    return frozenset({own_id}) if is_id(name) else frozenset({own_id, name})


class Channel(NamedTuple):
    """A channel, as Mattermost describes it."""

    id: str
    name: str
    team_id: str
    """Empty for direct and group messages."""


class Team(NamedTuple):
    """A team, as Mattermost describes it."""

    id: str
    name: str


class Place(NamedTuple):
    """The channel that a file is for, and its team, by id and by name; empty where it has none."""

    channel: frozenset[str] = frozenset()
    team: frozenset[str] = frozenset()
    team_admin: bool = False
    """Whether the sender administers the team."""

    @property
    def team_id(self) -> str:
        """Empty where it has none, or nobody asked."""
        return next(filter(is_id, self.team), "")  # names never have the form of an id


class Question(StrEnum):
    """What has to be asked about a place before conditions on it can be looked at."""

    CHANNEL = "channel"
    TEAM = "team"
    TEAM_ID = "team_id"
    """Without its name, which nobody has to be asked for beside the channel."""
    TEAM_ADMIN = "team_admin"


NOWHERE = Place()
