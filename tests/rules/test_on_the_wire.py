"""The policy file decides about files on their way: by who sends them where."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.inspection import files
from tests.rules.support import client_of, gateway_with, logged, said, stored
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, WireResponse, field, file_part

RULES = """
[[rule]]
name = "guests"
when.role = "guest"
allowed_types = ["images"]
max_file_size = "64KiB"
message = "Guests may send pictures. Ask in ~help for more."

[[rule]]
name = "bots"
when.role = "bot"
allowed_names = ["report-*.txt"]

[[rule]]
name = "private"
when.channel = "private"
allowed_types = ["documents"]

[[rule]]
name = "pdf-next"
enforce = false
when.endpoint = ["files", "uploads"]
denied_types = ["application/pdf"]

[[rule]]
name = "team-admins"
when.role = "team_admin"
denied_types = []
denied_extensions = []
extension_agreement = "off"

[[rule]]
name = "alice"
when.user = "@alice"
when.team = "team"
max_file_size = "1MiB"
"""


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with gateway_with(RULES, stand_in, tmp_path_factory.mktemp("rules")) as running:
        yield running


@pytest.fixture
def alice(gateway: GatewayProcess, mattermost: StandInProcess) -> Client:
    return client_of(gateway, mattermost)


def test_who_sends_it(gateway: GatewayProcess, mattermost: StandInProcess) -> None:
    guest, bot, admin, alice = (
        client_of(gateway, mattermost, who) for who in ("guest", "bot", "admin", "user")
    )
    assert said(guest.raw("a.png", files.png())) == "201"
    refused = guest.raw("a.txt", b"hello\n")
    assert said(refused) == "type_denied"
    assert refused.json()["message"].endswith(" Guests may send pictures. Ask in ~help for more.")
    assert said(guest.raw("a.png", files.png() + bytes(64 * 1024))) == "file_too_large"
    assert said(bot.raw("report-1.txt", b"hello\n")) == "201"
    assert said(bot.raw("other.txt", b"hello\n")) == "name_denied"
    # Who has made the team administers it.
    program = admin.raw("setup.exe", files.pe())
    assert (said(program), logged(gateway, program)["rule"]) == ("201", "team-admins")
    assert said(alice.raw("setup.exe", files.pe())) == "extension_denied"
    large = alice.raw("a.bin", bytes(2**20 + 1))
    assert (said(large), logged(gateway, large)["rule"]) == ("file_too_large", "alice")
    names = [file["name"] for file in stored(mattermost)]
    assert names[-3:] == ["a.png", "report-1.txt", "setup.exe"]


def test_where_it_goes(gateway: GatewayProcess, mattermost: StandInProcess) -> None:
    private = Client(gateway.address, mattermost.user_token, mattermost.ready["private_channel_id"])
    assert said(private.raw("a.docx", files.docx())) == "201"
    picture = private.raw("a.png", files.png())
    assert (said(picture), logged(gateway, picture)["rule"]) == ("type_denied", "private")
    # Other addresses are none of a channel's.
    image = private.request(
        "POST",
        f"/api/v4/users/{mattermost.ready['user']['id']}/image",
        ("Content-Type", "multipart/form-data; boundary=X"),
        body=b"--X\r\n" + file_part("me.png", files.png(), name="image") + b"\r\n--X--\r\n",
    )
    assert image.status == 200


def test_a_channel_that_the_sender_may_not_see(
    gateway: GatewayProcess, mattermost: StandInProcess
) -> None:
    """The refusal is Mattermost's, and nothing was sent."""
    bob = client_of(gateway, mattermost, "other_user")
    refused = bob.raw("a.png", files.png())
    assert (refused.status, refused.json()["id"]) == (403, "api.context.permissions.app_error")
    assert mattermost.state()["uploads"] == []


def test_files_that_come_before_their_channel(alice: Client, mattermost: StandInProcess) -> None:
    """They are judged once it is known which rule does that; none goes on before."""
    private = field("channel_id", mattermost.ready["private_channel_id"])
    town = field("channel_id", mattermost.channel_id)
    document, picture = file_part("a.docx", files.docx()), file_part("a.png", files.png())
    assert said(alice.form(document, document, private)) == "201"
    assert said(alice.form(picture, private)) == "type_denied"
    assert said(alice.form(picture, document, town)) == "201"
    large = file_part("a.bin", bytes(2**20 + 1))
    assert said(alice.form(large, town)) == "file_too_large"
    assert said(alice.form(file_part("a.exe", b"a"), town)) == "extension_denied"
    names = [file["name"] for file in stored(mattermost)]
    assert names[-4:] == ["a.docx", "a.docx", "a.png", "a.docx"]


def test_what_is_only_watched_passes_and_is_told(
    gateway: GatewayProcess, alice: Client, mattermost: StandInProcess
) -> None:
    labels = {"rule": "pdf-next", "reason": "type_denied"}
    before = gateway.metric("upload_gateway_would_refuse_total", **labels)
    response = alice.raw("a.pdf", files.pdf())
    file = logged(gateway, response)
    assert file["would_refuse"] == [{"rule": "pdf-next", "reason": "type_denied"}]
    assert (said(response), file["outcome"], file["rule"]) == ("201", "accepted", "alice")
    assert said(alice.form(file_part("a.pdf", files.pdf()), _town(mattermost))) == "201"
    assert gateway.metric("upload_gateway_would_refuse_total", **labels) == before + 2


def test_a_watched_rule_does_not_switch_off_those_behind_it(alice: Client) -> None:
    assert said(alice.raw("a.pdf.exe", files.pdf())) == "extension_denied"


def test_upload_sessions(
    gateway: GatewayProcess, alice: Client, mattermost: StandInProcess
) -> None:
    def declare(client: Client, name: str, size: int, channel_id: str) -> WireResponse:
        document = {"channel_id": channel_id, "filename": name, "file_size": size}
        return client.request("POST", "/api/v4/uploads", body=json.dumps(document).encode())

    def send(client: Client, session: WireResponse, content: bytes) -> WireResponse:
        target = f"/api/v4/uploads/{session.json()['id']}"
        return client.request("POST", target, body=content)

    town, private = mattermost.channel_id, mattermost.ready["private_channel_id"]
    guest = client_of(gateway, mattermost, "guest")
    assert said(declare(guest, "a.png", 70_000, town)) == "file_too_large"
    assert said(declare(alice, "a.txt.exe", 7, private)) == "extension_denied"
    text = declare(alice, "a.txt", 6, private)
    refused = send(alice, text, b"hello\n")
    assert (said(refused), logged(gateway, refused)["rule"]) == ("type_denied", "private")
    pdf = files.pdf()
    response = send(alice, declare(alice, "a.pdf", len(pdf), town), pdf)
    assert said(response) == "200"
    told = logged(gateway, response)["would_refuse"]
    assert told == [{"rule": "pdf-next", "reason": "type_denied"}]


def test_nothing_is_enforced(mattermost: StandInProcess, folder: Path) -> None:
    """All passes, and what would have been refused is told."""
    with gateway_with(RULES, mattermost, folder, enforce="off") as gateway:
        guest = client_of(gateway, mattermost, "guest")
        response = guest.raw("setup.exe", files.pe() + bytes(70_000))
        assert said(response) == "201"
        file = logged(gateway, response)
        assert file["would_refuse"] == [{"rule": "guests", "reason": "extension_denied"}]
        assert (file["outcome"], file["rule"]) == ("accepted", "none")
        alice = client_of(gateway, mattermost)
        response = alice.form(file_part("a.bin", bytes(2**20 + 1)), _town(mattermost))
        assert said(response) == "201"
        assert logged(gateway, response)["would_refuse"] == [
            {"rule": "alice", "reason": "file_too_large"}
        ]


def _town(mattermost: StandInProcess) -> bytes:
    return field("channel_id", mattermost.channel_id)
