"""Promise 1: no byte of a file reaches Mattermost before that file's verdict.

Nothing is refused half-way through forwarding, since Mattermost keeps what it has received.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.support import UPLOAD, WAYS, form_head, program, stored, text
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire, field, file_part, form_body

LIMIT = 1024 * 1024
QUOTA = 64 * 1024


@dataclass(frozen=True)
class Case:
    """A file that is refused, and how."""

    name: str
    content: bytes
    status: int
    id: str


REFUSED = {
    "too large": Case("novel.txt", text(LIMIT + 1), 413, "gateway.file_too_large"),
    "a denied type": Case("setup.bin", program(100_000), 415, "gateway.type_denied"),
    "a disguise": Case("invoice.pdf", program(100_000), 415, "gateway.content_mismatch"),
    "a denied extension": Case("run.exe", text(100_000), 403, "gateway.extension_denied"),
    "a forbidden name": Case("..", text(100_000), 400, "gateway.file_name_refused"),
}


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("verdict")
    with GatewayProcess(
        stand_in.url, folder, max_file_size=str(LIMIT), quotas="user 1GiB/day"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def poor_gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """One whose users have a small quota."""
    folder = tmp_path_factory.mktemp("poor")
    with GatewayProcess(stand_in.url, folder, quotas=f"user {QUOTA}/day") as running:
        yield running


@pytest.fixture
def poor_client(mattermost: StandInProcess, poor_gateway: GatewayProcess) -> Client:
    return Client(poor_gateway.address, mattermost.user_token, mattermost.channel_id)


@pytest.mark.parametrize("way", WAYS)
def test_an_accepted_file_is_uploaded_once(
    way: str, client: Client, mattermost: StandInProcess
) -> None:
    """Without this, the tests below could pass for a reason that nobody sees."""
    assert WAYS[way](client, "novel.txt", text(LIMIT)).status == 201
    (upload,) = mattermost.state()["uploads"]
    assert (upload["endpoint"], upload["body_bytes"]) == (UPLOAD, LIMIT)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", REFUSED)
def test_nothing_of_a_refused_file_reaches_mattermost(
    way: str, case: str, client: Client, mattermost: StandInProcess
) -> None:
    before = stored(mattermost)
    refused = REFUSED[case]
    response = WAYS[way](client, refused.name, refused.content)
    assert (response.status, response.json()["id"]) == (refused.status, refused.id)
    assert mattermost.state()["uploads"] == []
    assert stored(mattermost) == before


@pytest.mark.parametrize("way", WAYS)
def test_nothing_of_a_file_beyond_the_quota_reaches_mattermost(
    way: str, poor_client: Client, mattermost: StandInProcess
) -> None:
    before = stored(mattermost)
    response = WAYS[way](poor_client, "novel.txt", text(QUOTA + 1))
    assert (response.status, response.json()["id"]) == (429, "gateway.quota_exceeded")
    assert mattermost.state()["uploads"] == []
    assert stored(mattermost) == before


def test_the_declared_length_is_enough_to_refuse(
    client: Client, mattermost: StandInProcess
) -> None:
    with Wire(client.address) as wire:
        length = ("Content-Length", str(LIMIT + 1))
        wire.send_head("POST", client.target("novel.txt"), client.head(length))
        assert wire.response().status == 413
    assert mattermost.state()["uploads"] == []


def test_the_head_of_a_raw_file_is_enough_to_refuse(
    client: Client, mattermost: StandInProcess
) -> None:
    with Wire(client.address) as wire:
        length = ("Content-Length", str(LIMIT))
        wire.send_head("POST", client.target("setup.bin"), client.head(length))
        wire.send(program(LIMIT // 2))
        assert wire.response().status == 415
    assert mattermost.state()["uploads"] == []


@pytest.mark.parametrize("known_length", [True, False])
def test_the_head_of_a_file_in_a_form_is_enough_to_refuse(
    client: Client, mattermost: StandInProcess, *, known_length: bool
) -> None:
    body = form_body(field("channel_id", client.channel_id), file_part("a.bin", program(LIMIT)))
    with Wire(client.address) as wire:
        wire.send_head(
            "POST", "/api/v4/files", form_head(client, len(body) if known_length else None)
        )
        half = body[: LIMIT // 2]
        wire.send(half if known_length else b"%x\r\n%s\r\n" % (len(half), half))
        assert wire.response().status == 415
    assert mattermost.state()["uploads"] == []


def test_a_file_of_known_length_is_forwarded_while_it_arrives(
    client: Client, mattermost: StandInProcess
) -> None:
    """The verdict needs the head only; the rest streams behind it."""
    with Wire(client.address) as wire:
        length = ("Content-Length", str(LIMIT))
        wire.send_head("POST", client.target("novel.txt"), client.head(length))
        wire.send(text(LIMIT)[:100_000])
        mattermost.wait_for(lambda state: [u["body_bytes"] for u in state["uploads"]] == [100_000])
        wire.send(text(LIMIT)[100_000:])
        assert wire.response().status == 201


def test_a_file_of_unknown_length_waits_until_its_size_is_known(
    client: Client, mattermost: StandInProcess
) -> None:
    with Wire(client.address) as wire:
        chunked = ("Transfer-Encoding", "chunked")
        wire.send_head("POST", client.target("novel.txt"), client.head(chunked))
        for _ in range(2):
            wire.send(b"%x\r\n%s\r\n" % (LIMIT // 2, text(LIMIT // 2)))
        assert client.request("GET", "/api/v4/system/ping").status == 200
        assert mattermost.state()["uploads"] == []
        wire.send(b"1\r\n.\r\n")
        assert wire.response().status == 413
    assert mattermost.state()["uploads"] == []


# Forms with several files.


@pytest.mark.parametrize("case", REFUSED)
def test_of_two_files_in_a_form_only_the_refused_one_is_not_begun(
    case: str, client: Client, mattermost: StandInProcess
) -> None:
    before = stored(mattermost)
    refused = REFUSED[case]
    response = client.form(
        field("channel_id", client.channel_id),
        file_part("first.txt", text(100_000)),
        file_part(refused.name, refused.content),
    )
    assert (response.status, response.json()["id"]) == (refused.status, refused.id)
    (upload,) = mattermost.state()["uploads"]
    assert "filename=first.txt" in upload["target"]
    after = stored(mattermost)
    assert after.size - before.size == 100_000
    assert after.orphans == before.orphans


@pytest.mark.parametrize("case", REFUSED)
def test_of_two_files_before_their_channel_none_is_begun(
    case: str, client: Client, mattermost: StandInProcess
) -> None:
    """Such a form is read whole before any of its files is sent."""
    before = stored(mattermost)
    refused = REFUSED[case]
    response = client.form(
        file_part("first.txt", text(100_000)),
        file_part(refused.name, refused.content),
        field("channel_id", client.channel_id),
    )
    assert (response.status, response.json()["id"]) == (refused.status, refused.id)
    assert mattermost.state()["uploads"] == []
    assert stored(mattermost) == before


def test_a_second_file_beyond_the_quota_is_not_begun(
    poor_client: Client, mattermost: StandInProcess
) -> None:
    before = stored(mattermost)
    response = poor_client.form(
        field("channel_id", poor_client.channel_id),
        file_part("first.txt", text(1000)),
        file_part("second.txt", text(QUOTA - 999)),
    )
    assert response.status == 429
    (upload,) = mattermost.state()["uploads"]
    assert upload["body_bytes"] == 1000
    assert stored(mattermost).orphans == before.orphans


# Forms that are refused for how they begin; for how they end, see test_1_forms_that_end_badly.


def begun_badly(channel_id: str) -> dict[str, bytes]:
    """Forms whose fault comes before the end of their file."""
    channel, file = field("channel_id", channel_id), file_part("a.txt", text(100_000))
    two_names = file.replace(b'; filename="a', b'; filename="b"; filename="a')
    return {
        "an unknown field": form_body(channel, field("colour", "red"), file),
        "two channels": form_body(channel, field("channel_id", "x" * 26), file),
        "no channel": form_body(file),
        "a channel that is none": form_body(field("channel_id", "x"), file),
        "text before the first boundary": b"preamble\r\n" + form_body(channel, file),
        "two names for the file": form_body(channel, two_names),
    }


@pytest.mark.parametrize("fault", begun_badly(""))
def test_nothing_of_a_form_that_begins_badly_reaches_mattermost(
    fault: str, client: Client, mattermost: StandInProcess
) -> None:
    assert_refused_untouched(begun_badly(client.channel_id)[fault], client, mattermost)


def assert_refused_untouched(body: bytes, client: Client, mattermost: StandInProcess) -> None:
    before = stored(mattermost)
    with Wire(client.address) as wire:
        wire.send_head("POST", "/api/v4/files", form_head(client, len(body)))
        wire.send(body)
        assert wire.response().status == 400
    assert mattermost.state()["uploads"] == []
    assert stored(mattermost) == before
