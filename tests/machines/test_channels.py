"""Channels by name: asked for once in a while, since they can be renamed."""

from collections import Counter

import pytest

from gateway.machines.channels import ChannelIds
from gateway.values import Credential, CredentialKind

ACCOUNT = Credential(CredentialKind.HEADER, "token")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Mattermost:
    def __init__(self) -> None:
        self.channels = {("acme", "builds"): "b" * 26}
        self.asked: Counter[tuple[str, str]] = Counter()

    async def channel_id(
        self, team: str, channel: str, credential: Credential, headers: object
    ) -> str | None:
        assert credential == ACCOUNT
        self.asked[team, channel] += 1
        return self.channels.get((team, channel))


@pytest.fixture
def mattermost() -> Mattermost:
    return Mattermost()


async def test_names_and_ids(mattermost: Mattermost) -> None:
    clock = Clock()
    ids = ChannelIds(mattermost.channel_id, ttl=60, negative_ttl=5, clock=clock)
    wanted = ("acme/builds", "acme/none", "i" * 26)

    async def found(account: str = "ci") -> frozenset[str]:
        return await ids.find(wanted, account, ACCOUNT, [])

    assert await found() == {"b" * 26, "i" * 26}
    assert await found() == {"b" * 26, "i" * 26}
    assert mattermost.asked == {("acme", "builds"): 1, ("acme", "none"): 1}
    mattermost.channels = {("acme", "builds"): "c" * 26, ("acme", "none"): "n" * 26}
    clock.now = 5.0
    assert await found() == {"b" * 26, "n" * 26, "i" * 26}
    clock.now = 60.0
    assert await found() == {"c" * 26, "n" * 26, "i" * 26}
    # What one account sees another may not.
    mattermost.channels = {}
    assert await found("other") == {"i" * 26}
