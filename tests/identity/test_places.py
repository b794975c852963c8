"""Places: only what rules ask for, asked once for each sender, remembered for a while."""

import asyncio
from collections import Counter
from collections.abc import Awaitable

import pytest

from gateway.identity.places import Places
from gateway.places import NOWHERE, Channel, Place, Question, Team
from gateway.refusals import Refusal, Refused
from gateway.upstream.connection import Unreachable
from gateway.values import Credential, CredentialKind
from tests.identity.support import Clock, reachable

TTL, NEGATIVE_TTL, SIZE = 60.0, 5.0, 3

TOWN, DIRECT, HIDDEN, GONE = (letter * 26 for letter in "cdhg")
TEAM, USER = "t" * 26, "u" * 26
PERMISSIONS = "api.context.permissions.app_error"
CHANNEL_Q, TEAM_Q, ADMIN_Q = Question.CHANNEL, Question.TEAM, Question.TEAM_ADMIN
ALL = frozenset(Question)

Headers = list[tuple[bytes, bytes]]


def bearer(token: str) -> Credential:
    return Credential(CredentialKind.HEADER, token)


ALICE, BOB = bearer("alice"), bearer("bob")


def no(status: int, error_id: str = PERMISSIONS) -> Refusal:
    return Refusal(error_id, status, "mattermost_refused", f"No ({status}).")


class Mattermost:
    """Knows two channels and a team; counts questions, and can be made to wait."""

    def __init__(self) -> None:
        self.channels: dict[str, Channel | Refusal] = {
            TOWN: Channel(TOWN, "town", TEAM),
            DIRECT: Channel(DIRECT, "one__two", ""),
            HIDDEN: no(403),
        }
        self.teams: dict[str, Team | Refusal] = {TEAM: Team(TEAM, "team")}
        self.admins: dict[str, bool | Refusal] = {USER: True}
        self.asked: Counter[str] = Counter()
        self.askers: list[tuple[Credential, Headers]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.down = False

    async def channel(
        self, channel_id: str, credential: Credential, headers: Headers
    ) -> Channel | Refusal:
        await self._hear("channel", credential, headers)
        return self.channels.get(channel_id, no(404, "app.channel.get.existing.app_error"))

    async def team(self, team_id: str, credential: Credential, headers: Headers) -> Team | Refusal:
        await self._hear("team", credential, headers)
        return self.teams.get(team_id, no(404, "app.team.get.find.app_error"))

    async def administers(
        self, team_id: str, user_id: str, credential: Credential, headers: Headers
    ) -> bool | Refusal:
        await self._hear("administers", credential, headers)
        return self.admins.get(user_id, False)

    async def _hear(self, what: str, credential: Credential, headers: Headers) -> None:
        self.asked[what] += 1
        self.askers.append((credential, headers))
        await self.may_answer.wait()
        if self.down:
            raise Unreachable("down")


@pytest.fixture
def mattermost() -> Mattermost:
    return Mattermost()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts() -> Counter[str]:
    return Counter()


@pytest.fixture
def places(mattermost: Mattermost, clock: Clock, counts: Counter[str]) -> Places:
    def count(result: str) -> None:
        counts[result] += 1

    return Places(
        mattermost.channel,
        mattermost.team,
        mattermost.administers,
        ttl=TTL,
        negative_ttl=NEGATIVE_TTL,
        size=SIZE,
        count=count,
        clock=clock,
    )


def find(
    places: Places,
    channel_id: str = TOWN,
    questions: frozenset[Question] = ALL,
    *,
    credential: Credential = ALICE,
    user_id: str = USER,
) -> Awaitable[Place]:
    return places.find(credential, user_id, channel_id, [], questions)


async def refusal_of(asking: Awaitable[Place]) -> Refusal:
    with pytest.raises(Refused) as refused:
        await asking
    return refused.value.refusal


# What is asked.


@pytest.mark.parametrize(
    ("questions", "asked", "team", "team_admin"),
    [
        ([CHANNEL_Q], {"channel"}, set(), False),
        ([TEAM_Q], {"channel", "team"}, {TEAM, "team"}, False),
        ([ADMIN_Q], {"channel", "administers"}, {TEAM}, True),
        ([CHANNEL_Q, TEAM_Q], {"channel", "team"}, {TEAM, "team"}, False),
        (ALL, {"channel", "team", "administers"}, {TEAM, "team"}, True),
    ],
)
async def test_only_what_is_needed_is_asked(
    questions: list[Question],
    asked: set[str],
    team: set[str],
    *,
    team_admin: bool,
    places: Places,
    mattermost: Mattermost,
    counts: Counter[str],
) -> None:
    place = await find(places, questions=frozenset(questions))
    assert place == Place(frozenset({TOWN, "town"}), frozenset(team), team_admin)
    assert mattermost.asked == dict.fromkeys(asked, 1)
    assert counts == {"miss": 1}


async def test_without_a_question_nobody_is_asked(
    places: Places, mattermost: Mattermost, counts: Counter[str]
) -> None:
    nothing: frozenset[Question] = frozenset()
    assert await find(places, questions=nothing) == NOWHERE
    assert await find(places, "no id", nothing) == NOWHERE
    for questions in (nothing, frozenset({CHANNEL_Q})):  # a team is no channel
        assert await places.team(ALICE, USER, TEAM, [], questions) == NOWHERE
    assert not mattermost.asked
    assert not counts


async def test_a_direct_message_has_no_team(places: Places, mattermost: Mattermost) -> None:
    assert await find(places, DIRECT) == Place(frozenset({DIRECT, "one__two"}))
    assert mattermost.asked == {"channel": 1}


async def test_the_sender_asks_for_themselves(places: Places, mattermost: Mattermost) -> None:
    headers = [(b"x-request-id", b"1")]
    await places.find(ALICE, USER, TOWN, headers, ALL)
    assert mattermost.askers == [(ALICE, headers)] * 3


async def test_who_does_not_administer_the_team(places: Places) -> None:
    assert not (await find(places, user_id="v" * 26)).team_admin


async def test_the_place_of_a_team(places: Places, mattermost: Mattermost) -> None:
    place = await places.team(ALICE, USER, TEAM, [], ALL)
    assert place == Place(team=frozenset({TEAM, "team"}), team_admin=True)
    assert mattermost.asked == {"team": 1, "administers": 1}
    place = await places.team(ALICE, USER, TEAM, [], frozenset({ADMIN_Q}))
    assert place == Place(team=frozenset({TEAM}), team_admin=True)


async def test_a_name_that_could_be_an_id_is_none(places: Places, mattermost: Mattermost) -> None:
    """A channel or team that somebody names like another does not take its place in rules."""
    mattermost.channels[TOWN] = Channel(TOWN, HIDDEN, TEAM)
    mattermost.teams[TEAM] = Team(TEAM, "x" * 26)
    assert await find(places) == Place(frozenset({TOWN}), frozenset({TEAM}), team_admin=True)


async def test_a_place_goes_by_the_id_that_mattermost_writes(
    places: Places, mattermost: Mattermost
) -> None:
    mattermost.channels[TOWN.upper()] = Channel(TOWN, "town", TEAM)
    assert (await find(places, TOWN.upper())).channel == {TOWN, "town"}


# What is refused.


@pytest.mark.parametrize("questions", [{CHANNEL_Q}, {TEAM_Q}, ALL])
@pytest.mark.parametrize("channel_id", [HIDDEN, GONE])
async def test_a_file_for_nowhere_is_refused_as_mattermost_refuses_it(
    channel_id: str, questions: set[Question], places: Places, mattermost: Mattermost
) -> None:
    refusal = await refusal_of(find(places, channel_id, frozenset(questions)))
    assert (refusal.status, refusal.id, refusal.reason) == (403, PERMISSIONS, "mattermost_refused")
    assert mattermost.asked == {"channel": 1}


@pytest.mark.parametrize("channel_id", ["", "short", "../users/me", "a" * 25 + "/", "é" * 26])
async def test_what_is_no_id_is_not_asked_for(
    channel_id: str, places: Places, mattermost: Mattermost
) -> None:
    refusal = await refusal_of(find(places, channel_id))
    assert (refusal.status, refusal.id) == (403, PERMISSIONS)
    refusal = await refusal_of(places.team(ALICE, USER, channel_id, [], ALL))
    assert (refusal.status, refusal.id) == (400, "api.context.invalid_url_param.app_error")
    assert "team_id" in refusal.message
    assert not mattermost.asked


@pytest.mark.parametrize("own", [no(401, "session_expired"), no(403, "mfa_required")])
async def test_mattermosts_own_refusal_is_passed_on(
    own: Refusal, places: Places, mattermost: Mattermost
) -> None:
    mattermost.channels[TOWN] = own
    assert await refusal_of(find(places)) is own


@pytest.mark.parametrize("refused", ["team", "administers"])
@pytest.mark.parametrize("status", [403, 404])
async def test_a_hidden_team_hides_its_channels(
    status: int, refused: str, places: Places, mattermost: Mattermost
) -> None:
    if refused == "team":
        mattermost.teams[TEAM] = no(status)
    else:
        mattermost.admins[USER] = no(status)
    for asking in (find(places), places.team(ALICE, USER, TEAM, [], ALL)):
        refusal = await refusal_of(asking)
        assert (refusal.status, refusal.id) == (403, PERMISSIONS)


# What is remembered.


async def test_a_place_is_remembered_for_a_while(
    places: Places, mattermost: Mattermost, clock: Clock, counts: Counter[str]
) -> None:
    for _ in range(3):
        await find(places)
    assert mattermost.asked == {"channel": 1, "team": 1, "administers": 1}
    assert counts == {"miss": 1, "hit": 2}
    clock.now += TTL - 0.1
    mattermost.admins[USER] = False
    assert (await find(places)).team_admin
    clock.now += 0.2  # since the first asking: to be used does not make it younger
    assert not (await find(places)).team_admin


async def test_a_refusal_is_remembered_for_a_shorter_while(
    places: Places, mattermost: Mattermost, clock: Clock, counts: Counter[str]
) -> None:
    for _ in range(2):
        await refusal_of(find(places, HIDDEN))
    assert mattermost.asked == {"channel": 1}
    assert counts == {"miss": 1, "hit_rejected": 1}
    mattermost.channels[HIDDEN] = Channel(HIDDEN, "hidden", TEAM)
    clock.now += NEGATIVE_TTL + 0.1
    assert (await find(places, HIDDEN)).channel == {HIDDEN, "hidden"}


async def test_nobody_is_answered_what_another_was(places: Places, mattermost: Mattermost) -> None:
    """Neither another user nor another session of the same one: Mattermost decides for each."""
    await find(places)
    mattermost.channels[TOWN] = no(403)
    await refusal_of(find(places, credential=bearer("another session")))
    await refusal_of(find(places, credential=Credential(CredentialKind.COOKIE, "alice")))
    await refusal_of(find(places, user_id="b" * 26))
    await refusal_of(find(places, credential=BOB, user_id="b" * 26))
    assert (await find(places)).channel == {TOWN, "town"}
    mattermost.channels[TOWN] = Channel(TOWN, "town", TEAM)
    await refusal_of(find(places, credential=BOB, user_id="b" * 26))  # nor the other way round
    assert (await find(places, credential=bearer("a third"))).channel == {TOWN, "town"}


async def test_other_questions_are_asked_anew(places: Places, mattermost: Mattermost) -> None:
    await find(places, questions=frozenset({CHANNEL_Q}))
    assert (await find(places)).team_admin
    assert mattermost.asked["channel"] == 2


async def test_a_team_is_no_channel_of_the_same_id(places: Places, mattermost: Mattermost) -> None:
    await places.team(ALICE, USER, TEAM, [], ALL)
    await refusal_of(find(places, TEAM))
    mattermost.teams[TOWN] = Team(TOWN, "town")
    await find(places, TOWN)
    assert (await places.team(ALICE, USER, TOWN, [], ALL)).channel == set()


async def test_a_failure_is_not_remembered(
    places: Places, mattermost: Mattermost, counts: Counter[str]
) -> None:
    mattermost.down = True
    for _ in range(2):
        with pytest.raises(Unreachable):
            await find(places)
    mattermost.down = False
    assert (await find(places)).channel == {TOWN, "town"}
    assert counts == {"error": 2, "miss": 1}


async def test_at_most_so_many_are_remembered(places: Places, mattermost: Mattermost) -> None:
    ids = [str(number) * 26 for number in range(SIZE + 1)]
    for channel_id in ids:
        mattermost.channels[channel_id] = Channel(channel_id, f"name{channel_id}", "")
        await find(places, channel_id)
    for letter in "nopqrs":  # a flood of what does not exist pushes out nothing
        await refusal_of(find(places, letter * 26))
    before = mattermost.asked["channel"]
    for channel_id in reversed(ids):  # the newest are still known
        await find(places, channel_id)
    assert mattermost.asked["channel"] == before + 1
    assert len(places._memory._known) + len(places._memory._refused) <= 2 * SIZE


# Many at once.


async def all_waiting(
    places: Places, mattermost: Mattermost, number: int
) -> list[asyncio.Task[Place]]:
    """Tasks that ask for the same place while Mattermost does not answer."""
    mattermost.may_answer.clear()
    tasks = [asyncio.ensure_future(find(places)) for _ in range(number)]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_a_burst_asks_once(
    places: Places, mattermost: Mattermost, counts: Counter[str]
) -> None:
    tasks = await all_waiting(places, mattermost, 50)
    mattermost.may_answer.set()
    assert len(set(await asyncio.gather(*tasks))) == 1
    assert mattermost.asked == {"channel": 1, "team": 1, "administers": 1}
    assert counts == {"joined": 49, "miss": 1}


async def test_different_senders_do_not_wait_for_each_other(
    places: Places, mattermost: Mattermost
) -> None:
    tasks = await all_waiting(places, mattermost, 1)
    other = asyncio.ensure_future(find(places, credential=BOB))
    for _ in range(5):
        await asyncio.sleep(0)
    assert mattermost.asked == {"channel": 2}
    mattermost.may_answer.set()
    await asyncio.gather(*tasks, other)


@pytest.mark.parametrize("leaving", [[0], [1], [0, 1, 2]])
async def test_who_leaves_takes_the_answer_from_nobody(
    leaving: list[int], places: Places, mattermost: Mattermost
) -> None:
    tasks = await all_waiting(places, mattermost, 4)
    for number in leaving:
        tasks[number].cancel()
    await asyncio.sleep(0)
    mattermost.may_answer.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    expected = [asyncio.CancelledError if number in leaving else Place for number in range(4)]
    assert [type(result) for result in results] == expected
    assert mattermost.asked["channel"] == 1


async def test_all_hear_of_a_failure_and_the_next_asks_again(
    places: Places, mattermost: Mattermost
) -> None:
    tasks = await all_waiting(places, mattermost, 5)
    mattermost.down = True
    mattermost.may_answer.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Unreachable] * 5
    mattermost.down = False
    assert (await find(places)).team_admin


# Secrets.


async def test_no_token_is_kept(places: Places, mattermost: Mattermost) -> None:
    token = "-".join(["secret"] * 4)  # made here, so that it is no constant of this module
    await find(places, credential=bearer(token))
    await refusal_of(find(places, HIDDEN, credential=bearer(token)))
    mattermost.askers.clear()
    await asyncio.sleep(0)
    for item in reachable(places.__dict__):
        assert not isinstance(item, str) or "secret" not in item
        assert not isinstance(item, bytes) or b"secret" not in item
