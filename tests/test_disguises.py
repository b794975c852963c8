"""What is not what it seems does not pass hardened settings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gateway.configuration import rules_from
from gateway.endpoints import ATTACHMENTS
from gateway.policy.rules import Policy
from gateway.settings import load
from gateway.standin.process import StandInProcess
from tests.disguises import DISGUISES, HARDENED
from tests.inspection import files
from tests.support.gateway import GatewayProcess
from tests.support.judged import judged
from tests.support.wire import Client, field, file_part, form_body

OVER_THE_WIRE = [name for number, name in enumerate(DISGUISES) if number % 6 == 0]

HONEST = {
    "photo.png": files.png(),
    "photo.jpg": files.jpeg(),
    "photo.gif": files.gif(),
    "invoice.pdf": files.pdf(),
    "report.docx": files.docx(),
    "report.odt": files.odt(),
    "letter.doc": files.ole("WordDocument"),
    "backup.zip": files.zipped(("a.txt", b"a")),
    "invoices.zip": files.zipped(("a.pdf", files.pdf())),
    "backup.tar": files.tar("a.pdf", files.pdf()),
    "song.mp3": files.mp3(),
    "film.mp4": files.mp4(),
    "film.mkv": files.matroska(),
    "notes.txt": b"Dear all,\n\nsee you tomorrow.\n",
    "notes.md": b"# Notes\n\nStart with `#!/bin/sh`, or with `<?php`.\n",
    "table.csv": b"a,b\n1,2\n3,4\n",
    "data.json": files.json_text(),
    "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0'/></svg>",
    "empty.txt": b"",
}


@pytest.fixture(scope="module")
def policy() -> Policy:
    given = {f"GATEWAY_{name.upper()}": value for name, value in HARDENED.items()}
    return rules_from(load({"GATEWAY_UPSTREAM_URL": "http://127.0.0.1:9", **given}))[0][ATTACHMENTS]


@pytest.mark.parametrize("disguise", DISGUISES)
def test_it_does_not_pass(disguise: str, policy: Policy) -> None:
    name, content, declared = DISGUISES[disguise]
    checked = judged(policy, name, content, declared)
    assert checked.refusal is not None, checked.facts.content_type


@pytest.mark.parametrize("name", HONEST)
def test_what_is_honest_passes(name: str, policy: Policy) -> None:
    """Without this, the others could fail for a reason that nobody sees."""
    checked = judged(policy, name, HONEST[name])
    assert checked.refusal is None, checked.facts.content_type


@pytest.fixture(scope="module")
def hardened(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder: Path = tmp_path_factory.mktemp("hardened")
    with GatewayProcess(stand_in.url, folder, **HARDENED) as running:
        yield running


@pytest.mark.parametrize("disguise", OVER_THE_WIRE)
def test_nothing_of_it_reaches_mattermost(
    disguise: str, mattermost: StandInProcess, hardened: GatewayProcess
) -> None:
    client = Client(hardened.address, mattermost.user_token, mattermost.channel_id)
    name, content, declared = DISGUISES[disguise]
    headers = [("Content-Type", declared)] if declared else []
    response = client.raw(quote(name), content, *headers)
    assert response.status in (403, 415)
    assert response.json()["id"].startswith("gateway.")
    assert mattermost.state()["uploads"] == []


def test_a_declared_type_in_a_form_is_compared(
    mattermost: StandInProcess, hardened: GatewayProcess
) -> None:
    client = Client(hardened.address, mattermost.user_token, mattermost.channel_id)
    part = file_part("photo.png", files.png())
    part = part.replace(b"application/octet-stream", b"application/pdf")
    response = client.form(field("channel_id", client.channel_id), part)
    assert (response.status, response.json()["id"]) == (415, "gateway.content_mismatch")
    response = client.form(part, field("channel_id", client.channel_id))
    assert (response.status, response.json()["id"]) == (415, "gateway.content_mismatch")
    assert mattermost.state()["uploads"] == []


def test_a_declared_type_is_compared_wherever_files_go(
    mattermost: StandInProcess, hardened: GatewayProcess
) -> None:
    client = Client(hardened.address, mattermost.admin_token, mattermost.channel_id)
    part = file_part("photo.png", files.png(), name="image")
    part = part.replace(b"application/octet-stream", b"application/pdf")
    form = ("Content-Type", "multipart/form-data; boundary=XboundaryX")
    response = client.request("POST", "/api/v4/brand/image", form, body=form_body(part))
    assert (response.status, response.json()["id"]) == (415, "gateway.content_mismatch")
    pem = ("Content-Type", "application/x-pem-file")
    response = client.request("POST", "/api/v4/saml/certificate/idp", pem, body=files.png())
    assert (response.status, response.json()["id"]) == (415, "gateway.content_mismatch")
    assert mattermost.state()["uploads"] == []


def test_a_harmless_disagreement_is_logged(client: Client, shared_gateway: GatewayProcess) -> None:
    assert client.raw("harmless.jpg", files.png()).status == 201
    assert client.raw("agreeing.png", files.png()).status == 201
    shared_gateway.wait_for(lambda: "agreeing.png" in logged_files(shared_gateway))
    logged = logged_files(shared_gateway)
    assert logged["harmless.jpg"]["promised"] == "image/jpeg"
    assert "promised" not in logged["agreeing.png"]


def logged_files(gateway: GatewayProcess) -> dict[str, dict[str, Any]]:
    """The files in the log, by name."""
    lines = [line for line in gateway.requests() if "files" in line]
    return {file["name"]: file for line in lines for file in line["files"]}


@pytest.mark.parametrize("name", HONEST)
def test_what_is_honest_arrives(
    name: str, mattermost: StandInProcess, hardened: GatewayProcess
) -> None:
    client = Client(hardened.address, mattermost.user_token, mattermost.channel_id)
    if HONEST[name]:  # Mattermost takes no empty raw body
        assert client.raw(name, HONEST[name]).status == 201
