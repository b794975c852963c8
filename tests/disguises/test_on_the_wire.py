"""A gateway that runs with the strict example, and files that are not what they seem."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gateway.standin.process import StandInProcess
from tests.disguises.disguise import Disguise
from tests.disguises.every import DISGUISES, INFECTED
from tests.disguises.honest import HONEST
from tests.disguises.unseen import UNSEEN
from tests.inspection import files
from tests.rules.support import client_of, digest, said, stored
from tests.support.clamd import INSTALLED, STREAM_LIMIT, Clamd
from tests.support.example import PATH, UNSCANNED, hardened
from tests.support.gateway import GatewayProcess
from tests.support.judged import judged
from tests.support.wire import Client, WireResponse, field, file_part, form_body

TYPE = b"application/octet-stream"
"""That of a file part."""
Way = Callable[[Client, Disguise], WireResponse]


@pytest.fixture(
    scope="module", params=[PATH.name if INSTALLED else f"{PATH.name} without its scan line"]
)
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder, settings = tmp_path_factory.mktemp("example"), {"policy_file": str(PATH)}
    with ExitStack() as stack:
        if INSTALLED:
            clamd = stack.enter_context(Clamd(folder / "clamd", AlertExceedsMax="yes"))
            settings |= {"scanner_url": clamd.url, "scanner_largest": str(STREAM_LIMIT)}
        else:
            settings["policy_file"] = str(folder / "policy.toml")
            Path(settings["policy_file"]).write_text(UNSCANNED)
        yield stack.enter_context(GatewayProcess(stand_in.url, folder, **settings))


@pytest.fixture
def alice(gateway: GatewayProcess, mattermost: StandInProcess) -> Client:
    return client_of(gateway, mattermost)


def raw(client: Client, told: Disguise) -> WireResponse:
    headers = [("Content-Type", told.declared)] if told.declared else []
    return client.raw(quote(told.name), told.content, *headers)


def chunked(client: Client, told: Disguise) -> WireResponse:
    return client.chunked(quote(told.name), [told.content[:1000], told.content[1000:]])


def form(client: Client, told: Disguise) -> WireResponse:
    return client.form(field("channel_id", client.channel_id), part_of(told))


def form_with_its_channel_last(client: Client, told: Disguise) -> WireResponse:
    return client.form(part_of(told), field("channel_id", client.channel_id))


def part_of(told: Disguise) -> bytes:
    part = file_part(told.name, told.content)
    return part.replace(TYPE, told.declared.encode(), 1) if told.declared else part


def resumable(client: Client, told: Disguise) -> WireResponse:
    size, name = len(told.content), told.name
    document = {"channel_id": client.channel_id, "filename": name, "file_size": size}
    response = client.request("POST", "/api/v4/uploads", body=json.dumps(document).encode())
    if response.status != 201:
        return response
    target = f"/api/v4/uploads/{response.json()['id']}"
    return client.request("POST", target, body=told.content)


WAYS = (raw, chunked, form, form_with_its_channel_last, resumable)
DECLARE_NOTHING = (chunked, resumable)
NAMELESS: dict[Way, str] = {
    raw: "api.context.invalid_url_param.app_error",
    chunked: "api.context.invalid_url_param.app_error",
    form: "ambiguous_request",
    form_with_its_channel_last: "ambiguous_request",
    resumable: "model.upload_session.is_valid.filename.app_error",
}
"""What is said where there is no name, before any rule is asked."""


def tried(way: Way, disguises: Mapping[str, Disguise]) -> Mapping[str, Disguise]:
    if way not in DECLARE_NOTHING:
        return disguises
    return {name: told for name, told in disguises.items() if told.declared is None}


def answer_to(way: Way, told: Disguise) -> str:
    if not told.name:
        return NAMELESS[way]
    refusal = judged(hardened(), *told).refusal
    assert refusal is not None
    return refusal.id.removeprefix("gateway.")


def has(mattermost: StandInProcess) -> tuple[int, int, int]:
    """How many uploads it got, how many files it has, and how many bytes of unfinished ones."""
    state = mattermost.state()
    unfinished = sum(session["file_offset"] for session in state["upload_sessions"])
    return len(state["uploads"]), len(state["files"]), unfinished


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_nothing_of_a_disguise_reaches_mattermost(
    way: Way, alice: Client, mattermost: StandInProcess
) -> None:
    before = has(mattermost)
    for name, told in tried(way, DISGUISES).items():
        assert said(way(alice, told)) == answer_to(way, told), name
    assert has(mattermost) == before


@pytest.mark.skipif(not INSTALLED, reason="clamd is not installed (Debian's clamav-daemon)")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_nothing_of_malware_reaches_mattermost(
    way: Way, alice: Client, mattermost: StandInProcess
) -> None:
    before = has(mattermost)
    for name, told in INFECTED.items():
        assert said(way(alice, told)) == "malware_found", name
    assert has(mattermost) == before


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_what_is_honest_arrives(way: Way, alice: Client, mattermost: StandInProcess) -> None:
    sent = {name: content for name, content in HONEST.items() if content}  # nothing is no file
    before = len(stored(mattermost))
    for name, content in sent.items():
        assert way(alice, Disguise(name, content)).status in (200, 201), name
    arrived = {file["name"]: file for file in stored(mattermost)[before:]}
    assert arrived.keys() == sent.keys()
    for name, content in sent.items():
        if not name.startswith("photo."):  # these lose what is no part of the picture
            assert arrived[name]["sha256"] == digest(content), name


def test_what_passes_unseen(alice: Client, mattermost: StandInProcess) -> None:
    """Pictures do not have it any more."""
    for name, (told, removed) in UNSEEN.items():
        assert said(raw(alice, told)) == "201", name
        file = stored(mattermost)[-1]
        if removed:
            assert file["size"] < 10_000, name
        else:
            assert file["sha256"] == digest(told.content), name


def test_a_declared_type_is_compared_wherever_files_go(
    gateway: GatewayProcess, mattermost: StandInProcess
) -> None:
    client, before = client_of(gateway, mattermost, "admin"), has(mattermost)
    part = file_part("photo.png", files.png(), name="image").replace(TYPE, b"application/pdf")
    kind = ("Content-Type", "multipart/form-data; boundary=XboundaryX")
    response = client.request("POST", "/api/v4/brand/image", kind, body=form_body(part))
    assert (response.status, said(response)) == (415, "content_mismatch")
    pem = ("Content-Type", "application/x-pem-file")
    response = client.request("POST", "/api/v4/saml/certificate/idp", pem, body=files.png())
    assert (response.status, said(response)) == (415, "content_mismatch")
    assert has(mattermost) == before


def test_a_harmless_disagreement_is_logged(client: Client, shared_gateway: GatewayProcess) -> None:
    """Where the settings decide."""
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
