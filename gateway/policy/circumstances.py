"""Under which circumstances a file comes: what the conditions of rules are about. No I/O."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.places import NOWHERE, Place, Question
from gateway.values import Identity


class Role(StrEnum):
    """What somebody is to Mattermost; an administrator is a user as well."""

    GUEST = "guest"
    USER = "user"
    """A person who is no guest."""
    BOT = "bot"
    TEAM_ADMIN = "team_admin"
    """Of the team that the file is for."""
    SYSTEM_ADMIN = "system_admin"


def roles_of(identity: Identity) -> frozenset[Role]:
    """One of guest, bot and user, and whether they administer the system; nothing for another
    Mattermost. Who administers a team, the place tells."""
    if not identity.username:
        return frozenset()
    if "system_guest" in identity.roles:
        role = Role.GUEST
    else:
        role = Role.BOT if identity.is_bot else Role.USER
    administers = "system_admin" in identity.roles
    return frozenset({role, Role.SYSTEM_ADMIN} if administers else {role})


class IdentityKind(StrEnum):
    """By which means it is known who sends a file."""

    SESSION = "session"
    """A session or an access token of Mattermost's."""
    SERVER = "server"
    """The credentials of another Mattermost."""
    API_KEY = "api_key"
    """A key that the gateway made."""
    OIDC = "oidc"
    """A token of an issuer that the gateway trusts."""
    STRANGER = "stranger"
    """It is not known."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Who sends a file where."""

    endpoint: str
    identity: IdentityKind = IdentityKind.STRANGER
    user: frozenset[str] = frozenset()
    """Id and name."""
    roles: frozenset[Role] = frozenset()
    """Without ``TEAM_ADMIN``, which the place tells."""
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Conditions:
    """When a rule applies: one of each has to be met; those that are empty always are."""

    endpoints: frozenset[str] = frozenset()
    roles: frozenset[Role] = frozenset()
    identities: frozenset[IdentityKind] = frozenset()
    users: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()

    def hold(self, circumstances: Circumstances) -> bool:
        roles, place = circumstances.roles, circumstances.place
        if place.team_admin:
            roles |= {Role.TEAM_ADMIN}
        return (
            _one_of(self.endpoints, {circumstances.endpoint})
            and _one_of(self.roles, roles)
            and _one_of(self.identities, {circumstances.identity})
            and _one_of(self.users, circumstances.user)
            and _one_of(self.channels, place.channel)
            and _one_of(self.teams, place.team)
        )

    def questions(self) -> frozenset[Question]:
        """What they need to know of a place."""
        asked = {
            Question.CHANNEL: bool(self.channels),
            Question.TEAM: bool(self.teams),
            Question.TEAM_ADMIN: Role.TEAM_ADMIN in self.roles,
        }
        return frozenset(question for question, needed in asked.items() if needed)


def _one_of(wanted: frozenset[str], given: frozenset[str] | set[str]) -> bool:
    return not wanted or not wanted.isdisjoint(given)
