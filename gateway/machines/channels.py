"""The ids of channels that limits name by team and channel."""

from collections.abc import Awaitable, Callable, Iterable
from time import monotonic

from gateway.values import Credential

RawHeaders = list[tuple[bytes, bytes]]
Ask = Callable[[str, str, Credential, RawHeaders], Awaitable[str | None]]
"""Asks Mattermost for the id of a team's channel; raises UpstreamError."""
_MOST = 10_000


class ChannelIds:
    """What Mattermost said at most ``ttl`` seconds ago: a channel can be renamed."""

    def __init__(
        self,
        ask: Ask,
        *,
        ttl: float,
        negative_ttl: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._ask = ask
        self._ttl = ttl
        self._negative_ttl = negative_ttl
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[str | None, float]] = {}

    async def find(
        self, channels: Iterable[str], account: str, credential: Credential, headers: RawHeaders
    ) -> frozenset[str]:
        """The ids among ``channels``, and those of the others as far as there are such channels.

        ``account`` is whose ``credential`` it is. Raises UpstreamError.
        """
        found = [
            await self._find(channel, account, credential, headers) if "/" in channel else channel
            for channel in channels
        ]
        return frozenset(channel_id for channel_id in found if channel_id)

    async def _find(
        self, channel: str, account: str, credential: Credential, headers: RawHeaders
    ) -> str | None:
        key = (account, channel)
        known = self._known.get(key)
        if known is not None and known[1] > self._clock():
            return known[0]
        team, _, name = channel.partition("/")
        channel_id = await self._ask(team, name, credential, headers)
        if len(self._known) >= _MOST:  # of many versions of a file
            self._known.clear()
        ttl = self._ttl if channel_id else self._negative_ttl
        self._known[key] = channel_id, self._clock() + ttl
        return channel_id
