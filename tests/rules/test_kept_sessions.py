"""Resumable uploads that a rule wants whole: with several workers, and the rules as they are."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.rules.support import client_of, digest, gateway_with, logged, said, stored
from tests.rules.test_whole_files import DEEP, PROGRAM, noise, picture, zipped
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, WireResponse

RULES = """
[[rule]]
name = "watched"
archives = { max_entries = 1 }
enforce = false

[[rule]]
name = "strict"
archives = true
images = { max_pixels = 10_000 }
strip_metadata = true
"""
FIRST = 5 * 2**20


@pytest.fixture(scope="module")
def spools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spools")


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, spools: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("rules")
    settings = {"spool_dir": str(spools), "workers": "2"}
    with gateway_with(RULES, stand_in, folder, **settings) as running:
        yield running
    assert [file for file in spools.rglob("*") if file.is_file()] == []


@pytest.fixture
def alice(gateway: GatewayProcess, mattermost: StandInProcess) -> Client:
    return client_of(gateway, mattermost)


def declare(client: Client, name: str, size: int) -> str:
    document = {"channel_id": client.channel_id, "filename": name, "file_size": size}
    response = client.request("POST", "/api/v4/uploads", body=json.dumps(document).encode())
    assert response.status == 201, response.body
    return str(response.json()["id"])


def append(client: Client, session_id: str, content: bytes) -> WireResponse:
    return client.request("POST", f"/api/v4/uploads/{session_id}", body=content)


def upload(client: Client, name: str, content: bytes, *more: int) -> WireResponse:
    """In chunks that end at each of ``more``, and at the end; each may come to another worker."""
    session_id, start = declare(client, name, len(content)), 0
    for end in more:
        answer = append(client, session_id, content[start:end])
        assert answer.status == 204, answer.body
        told = client.request("GET", f"/api/v4/uploads/{session_id}").json()
        assert told["file_offset"] == end
        start = end
    return append(client, session_id, content[start:])


def test_an_archive_is_looked_into_once_it_is_whole(
    gateway: GatewayProcess, alice: Client, mattermost: StandInProcess
) -> None:
    large = noise(2**20)
    bad = zipped(*((f"{number}.bin", large) for number in range(7)), ("setup.exe", b"MZ"))
    refused = upload(alice, "a.zip", bad, FIRST, len(bad) - 10)
    assert said(refused) == "archive_entry_denied"
    assert logged(gateway, refused)["rule"] == "strict"
    assert stored(mattermost) == [] or stored(mattermost)[-1]["name"] != "a.zip"
    good = zipped(*((f"{number}.bin", large) for number in range(7)))
    response = upload(alice, "good.zip", good, FIRST, FIRST + 1)
    assert said(response) == "200"
    assert stored(mattermost)[-1]["sha256"] == digest(good)
    file = logged(gateway, response)
    assert file["entries"] == 7
    assert file["would_refuse"] == [{"rule": "watched", "reason": "archive_too_large"}]


def test_small_ones_in_one_chunk(alice: Client, mattermost: StandInProcess) -> None:
    assert said(upload(alice, "a.zip", PROGRAM)) == "archive_entry_denied"
    assert said(upload(alice, "a.zip", zipped(("a.bin", DEEP)))) == "200"
    assert said(upload(alice, "large.png", picture("PNG", (101, 100)))) == "image_too_large"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_metadata_is_removed_and_the_size_is_what_was_declared(
    form: str, alice: Client, mattermost: StandInProcess
) -> None:
    content = picture(form)
    assert said(upload(alice, f"a.{form.lower()}", content)) == "200"
    file = stored(mattermost)[-1]
    kept = alice.request("GET", f"/api/v4/files/{file['id']}").body
    assert (len(kept), file["size"]) == (len(content), len(content))
    assert b"a maker" not in kept


def test_what_no_rule_wants_whole_streams(
    alice: Client, mattermost: StandInProcess, spools: Path
) -> None:
    content = b"hello\n" * 2**20
    session_id = declare(alice, "a.txt", len(content))
    assert append(alice, session_id, content[:FIRST]).status == 204
    assert [file for file in spools.rglob("*") if file.is_file()] == []
    (session,) = mattermost.state()["upload_sessions"][-1:]
    assert session["file_offset"] == FIRST
    assert said(append(alice, session_id, content[FIRST:])) == "200"


def test_without_a_shared_spool_they_are_refused_at_once(
    mattermost: StandInProcess, folder: Path
) -> None:
    with gateway_with(RULES, mattermost, folder, spool_shared="off") as gateway:
        client = client_of(gateway, mattermost)
        document = {"channel_id": client.channel_id, "filename": "a.zip", "file_size": 10}
        response = client.request("POST", "/api/v4/uploads", body=json.dumps(document).encode())
        assert (response.status, said(response)) == (501, "resumable_upload_unavailable")
