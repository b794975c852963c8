"""Every exchange recorded with a real Mattermost, replayed through the gateway.

The client sees what Mattermost answered; where it does not, that is listed here, with the reason.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.standin.test_recorded import RECORDED, Replay, masked
from tests.support.gateway import GatewayProcess

NAMES = "gateway.file_name_refused"
AMBIGUOUS = "gateway.ambiguous_request"
UNGUARDED = "gateway.unguarded_upload"
TYPE = "gateway.type_denied"

DIFFERENT = {
    # Mattermost answers 500 to these names, or shows the last one backwards.
    "upload raw, filename '..'": (400, NAMES),
    "upload raw, filename 'a\\u202egnp.exe'": (400, NAMES),
    # Another spelling of a path is refused or made canonical, never forwarded.
    "path spelled /api/v4//files": (400, AMBIGUOUS),
    "path spelled //api/v4/files": (400, AMBIGUOUS),
    "path spelled /api/v4/x/../files": (400, AMBIGUOUS),
    "path spelled /api/v4/files%2f": (400, AMBIGUOUS),
    "path spelled /api/v4/./files": (400, AMBIGUOUS),
    "path with a trailing slash": (403, UNGUARDED),
    # What is no picture, or no archive, is refused before Mattermost can find that out, or ask
    # whether this user may send it.
    "upload brand image, not an image": (415, TYPE),
    "upload plugin, not a bundle": (415, TYPE),
    "upload plugin by a user": (415, TYPE),
    # The gateway's own limit is met before Mattermost's.
    "create upload session, too large": (413, "gateway.file_too_large"),
}
LONG_NAME = "upload raw, filename 'xxx"


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    with (
        StandInProcess(tmp_path_factory.mktemp("mattermost")) as mattermost,
        GatewayProcess(mattermost.url, tmp_path_factory.mktemp("gateway")) as gateway,
    ):
        replay = Replay(mattermost, gateway.address[1])
        replay.run()
        yield replay


def expected_difference(name: str) -> tuple[int, str] | None:
    return (400, NAMES) if name.startswith(LONG_NAME) else DIFFERENT.get(name)


@pytest.mark.parametrize("recorded", RECORDED, ids=[e["name"] for e in RECORDED])
def test_answers_as_recorded(replay: Replay, recorded: dict[str, Any]) -> None:
    name, expected = recorded["name"], recorded["response"]
    answer = replay.answers[name]
    difference = expected_difference(name)
    if difference is not None:
        document = json.loads(answer.body)
        assert (answer.status, document["id"]) == difference
        assert document["request_id"] == answer.header("x-request-id")
        return
    assert answer.status == expected["status"], answer.body
    assert answer.header("x-request-id")
    if expected["body"]["text"].startswith(("{", "[")):
        assert answer.header("content-type") == expected["headers"].get(
            "content-type", expected["headers"].get("Content-Type")
        )
        got, wanted = json.loads(replay.delocalise(answer.body.decode())), expected["body"]["text"]
        if name == "upload raw as x-www-form-urlencoded":
            # The file itself, where Mattermost alone stores an empty one.
            got["file_infos"][0]["size"] = 0
        assert masked(got) == masked(json.loads(wanted))


def test_the_list_of_differences_has_nothing_else() -> None:
    assert set(DIFFERENT) <= {recorded["name"] for recorded in RECORDED}
