"""Where files go: asked of Mattermost on behalf of whoever sends them, then remembered for a while.

Sources: ``SessionHasPermissionToChannel``, ``getChannel``, ``getTeam`` and ``getTeamMember`` of
Mattermost 5.37, and recordings.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import NamedTuple

from gateway.identity.memory import CredentialHash, Memory
from gateway.places import NOWHERE, Channel, Place, Question, Team, is_id, known_as
from gateway.refusals import Refusal, Refused, invalid_url_param, not_permitted
from gateway.values import Credential

RawHeaders = list[tuple[bytes, bytes]]
AskChannel = Callable[[str, Credential, RawHeaders], Awaitable[Channel | Refusal]]
"""Asks Mattermost for a channel; raises UpstreamError, as the others do."""
AskTeam = Callable[[str, Credential, RawHeaders], Awaitable[Team | Refusal]]
AskAdministers = Callable[[str, str, Credential, RawHeaders], Awaitable[bool | Refusal]]
"""Asks whether a user, named last, administers a team."""


class _Asker(NamedTuple):
    """Who wants to know, and what."""

    credential: Credential
    user_id: str
    headers: RawHeaders
    questions: frozenset[Question]


class Places:
    """Channels and teams as Mattermost showed them to somebody at most ``ttl`` seconds ago."""

    def __init__(
        self,
        channel: AskChannel,
        team: AskTeam,
        administers: AskAdministers,
        *,
        ttl: float,
        negative_ttl: float,
        size: int,
        count: Callable[[str], None] = lambda result: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Up to ``size`` places, and as many refusals, are remembered; ``count`` hears each
        result."""
        self._ask_channel = channel
        self._ask_team = team
        self._ask_administers = administers
        self._memory: Memory[Place] = Memory(
            ttl=ttl, negative_ttl=negative_ttl, size=size, count=count, clock=clock
        )
        self._hash = CredentialHash().digest

    async def find(
        self,
        credential: Credential,
        user_id: str,
        channel_id: str,
        headers: RawHeaders,
        questions: frozenset[Question],
    ) -> Place:
        """What ``questions`` need to know of a channel; nobody is asked if there are none.

        Raises Refused with what Mattermost would answer to a file for that channel (401, 403),
        and UpstreamError if nobody can say.
        """
        if not questions:
            return NOWHERE
        if not is_id(channel_id):  # nor is it fit for an address
            raise Refused(not_permitted())
        asker = _Asker(credential, user_id, headers, questions)
        return await self._recall(asker, ("channel", channel_id), self._in_channel)

    async def team(
        self,
        credential: Credential,
        user_id: str,
        team_id: str,
        headers: RawHeaders,
        questions: frozenset[Question],
    ) -> Place:
        """The same of a team, as the place of what belongs to it: it has no channel."""
        questions -= {Question.CHANNEL, Question.TEAM_ID}
        if not questions:
            return NOWHERE
        if not is_id(team_id):
            raise Refused(invalid_url_param("team_id"))
        asker = _Asker(credential, user_id, headers, questions)
        return await self._recall(asker, ("team", team_id), self._in_team)

    async def _recall(
        self,
        asker: _Asker,
        place: tuple[str, str],
        ask: Callable[[_Asker, str], Awaitable[Place | Refusal]],
    ) -> Place:
        # By the credential as well: what is refused to one session may be granted to another.
        key = (self._hash(asker.credential), asker.user_id, place, asker.questions)
        answer = self._memory.recall(key)
        if answer is None:
            answer = await self._memory.ask(key, partial(ask, asker, place[1]))
        if isinstance(answer, Refusal):
            raise Refused(answer)
        return answer

    async def _in_channel(self, asker: _Asker, channel_id: str) -> Place | Refusal:
        channel = await self._ask_channel(channel_id, asker.credential, asker.headers)
        if isinstance(channel, Refusal):
            return _refusal_of_file(channel)
        place = Place(channel=known_as(channel.id, channel.name))
        if not channel.team_id or asker.questions == {Question.CHANNEL}:
            return place
        team = await self._in_team(asker, channel.team_id)
        return team if isinstance(team, Refusal) else team._replace(channel=place.channel)

    async def _in_team(self, asker: _Asker, team_id: str) -> Place | Refusal:
        names, is_admin = frozenset({team_id}), False
        if Question.TEAM in asker.questions:
            team = await self._ask_team(team_id, asker.credential, asker.headers)
            if isinstance(team, Refusal):
                return _refusal_of_file(team)
            names = known_as(team.id, team.name)
        if Question.TEAM_ADMIN in asker.questions:
            administers = await self._ask_administers(
                team_id, asker.user_id, asker.credential, asker.headers
            )
            if isinstance(administers, Refusal):
                return _refusal_of_file(administers)
            is_admin = administers
        return Place(team=names, team_admin=is_admin)


def _refusal_of_file(refusal: Refusal) -> Refusal:
    """Mattermost answers to a file for a place that does not exist as for one that is hidden."""
    return not_permitted() if refusal.status == 404 else refusal
