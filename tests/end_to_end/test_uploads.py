"""Uploads through the gateway, raw and as forms, by hand.

These run on the stand-in, or on a real Mattermost: ``./scripts/test --mattermost URL``.
"""

import json
from typing import Any
from urllib.parse import urlsplit

import mattermostautodriver
import pytest

from tests.support.gateway import GatewayProcess
from tests.support.server import Server
from tests.support.wire import Client, field, file_part

MIB = 2**20
PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"


def infos(answer: Any) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = answer["file_infos"]
    return result


def test_raw_with_its_length(client: Client, server: Server) -> None:
    response = client.raw("report+v1.txt&client_id=c1", b"hello\n")
    assert response.status == 201
    answer = response.json()
    assert answer["client_ids"] == ["c1"]
    (info,) = infos(answer)
    assert (info["name"], info["size"], info["extension"]) == ("report v1.txt", 6, "txt")
    assert server.stored(info["id"]) == b"hello\n"


def test_raw_without_a_client_id(client: Client) -> None:
    assert client.raw("a.txt", b"hello").json()["client_ids"] is None


def test_raw_of_unknown_length(client: Client, server: Server) -> None:
    pieces = [b"abc", b"def", b"x" * 300_000]
    response = client.chunked("a.bin", pieces)
    assert response.status == 201
    (info,) = infos(response.json())
    assert server.stored(info["id"]) == b"".join(pieces)


def test_raw_labelled_as_a_urlencoded_form(client: Client, server: Server) -> None:
    """What curl --data-binary sends; Mattermost alone would store an empty file."""
    header = ("Content-Type", "application/x-www-form-urlencoded")
    response = client.raw("a.txt", b"a=1&b=2", header)
    (info,) = infos(response.json())
    assert info["size"] == 7
    assert server.stored(info["id"]) == b"a=1&b=2"


def test_a_large_file_arrives_as_it_was(client: Client, server: Server) -> None:
    content = bytes(range(256)) * 4096 * 20  # 20 MiB
    (info,) = infos(client.raw("large.bin", content).json())
    assert server.stored(info["id"]) == content


def test_a_file_in_chunks(client: Client, server: Server) -> None:
    content = bytes(range(256)) * 4096 * 8
    declared = {"channel_id": client.channel_id, "filename": "a.bin", "file_size": len(content)}
    body = json.dumps(declared).encode()
    created = client.request("POST", "/api/v4/uploads", body=body)
    assert created.status == 201
    target = f"/api/v4/uploads/{created.json()['id']}"
    for piece, status in ((content[: 6 * MIB], 204), (content[6 * MIB :], 200)):
        answer = client.request("POST", target, body=piece)
        assert answer.status == status
    assert server.stored(answer.json()["id"]) == content


@pytest.mark.parametrize("size", [0, 1, 5, 65_536, 300_000, 3_000_000])
def test_form_with_the_channel_first(client: Client, server: Server, size: int) -> None:
    content = b"\r\n--Xbound" + b"z" * size
    response = client.form(
        field("channel_id", client.channel_id),
        field("client_ids", "c1"),
        file_part("a.bin", content),
    )
    assert response.status == 201
    assert response.json()["client_ids"] == ["c1"]
    (info,) = infos(response.json())
    assert server.stored(info["id"]) == content


def test_form_with_an_empty_file(client: Client, server: Server) -> None:
    response = client.form(field("channel_id", client.channel_id), file_part("empty.txt", b""))
    (info,) = infos(response.json())
    assert info["size"] == 0
    assert server.stored(info["id"]) == b""


@pytest.mark.parametrize("size", [3, 200_000, 3_000_000])
def test_form_with_the_file_first(client: Client, server: Server, size: int) -> None:
    response = client.form(
        file_part("a.bin", b"a" * size),
        field("channel_id", client.channel_id),
        field("client_ids", "c1"),
    )
    assert response.status == 201
    assert response.json()["client_ids"] == ["c1"]
    (info,) = infos(response.json())
    assert server.stored(info["id"]) == b"a" * size


@pytest.mark.parametrize("channel_first", [True, False])
def test_form_with_several_files(client: Client, server: Server, *, channel_first: bool) -> None:
    channel = [field("channel_id", client.channel_id)]
    contents = {"a.txt": b"first", "b.pdf": PDF, "c.bin": b"c" * 700_000}
    files = [file_part(name, content) for name, content in contents.items()]
    ids = [field("client_ids", f"id of {name}") for name in contents]
    parts = channel + ids + files if channel_first else files + ids + channel
    response = client.form(*parts)
    assert response.status == 201
    assert response.json()["client_ids"] == [f"id of {name}" for name in contents]
    stored = {info["name"]: server.stored(info["id"]) for info in infos(response.json())}
    assert stored == contents


def test_form_without_client_ids(client: Client) -> None:
    answer = client.form(field("channel_id", client.channel_id), file_part("a.txt", b"a")).json()
    assert answer["client_ids"] == []


def test_posting_and_downloading(client: Client, server: Server) -> None:
    (info,) = infos(client.raw("notes.txt", b"some notes").json())
    post = {"channel_id": client.channel_id, "message": "see", "file_ids": [info["id"]]}
    header = ("Content-Type", "application/json")
    body = json.dumps(post).encode()
    posted = client.request("POST", "/api/v4/posts", header, body=body)
    assert posted.status == 201
    assert posted.json()["file_ids"] == [info["id"]]
    part = client.request("GET", f"/api/v4/files/{info['id']}", ("Range", "bytes=5-9"))
    assert (part.status, part.body) == (206, b"notes")


def test_somebody_who_is_no_member(server: Server, shared_gateway: GatewayProcess) -> None:
    token = server.other_user["token"]
    stranger = Client(shared_gateway.address, token, server.channel_id, server.subpath)
    response = stranger.raw("a.txt", b"hello")
    assert response.status == 403
    assert response.json()["id"] == "api.context.permissions.app_error"


def test_a_program_called_invoice_pdf(client: Client) -> None:
    program = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0\x64\x86" + bytes(400)
    header = ("Content-Type", "application/pdf")
    response = client.raw("invoice.pdf", program, header)
    assert response.status == 415
    assert response.json()["id"] == "gateway.content_mismatch"
    assert response.header("x-request-id") == response.json()["request_id"]


@pytest.fixture
def drivers_options(server: Server, shared_gateway: GatewayProcess) -> dict[str, Any]:
    base = urlsplit(server.url).path
    host, port = shared_gateway.address
    return {
        "url": host,
        "port": port,
        "basepath": f"{base}/api/v4",
        "scheme": "http",
        "login_id": server.user["username"],
        "password": server.user["password"],
    }


def test_mattermostautodriver_resumes(drivers_options: dict[str, Any], server: Server) -> None:
    """It sends each chunk in a form."""
    path = drivers_options["basepath"].removesuffix("/api/v4")
    content = PDF + bytes(range(256)) * 4096 * 6
    with mattermostautodriver.TypedDriver({**drivers_options, "basepath": path}) as driver:
        driver.login()
        upload = driver.uploads.create_upload(server.channel_id, "large.pdf", len(content))
        with pytest.raises(json.JSONDecodeError):  # it wants content of a 204, too
            driver.uploads.upload_data(upload["id"], ("a", content[: 5 * MIB]))
        offset = driver.uploads.get_upload(upload["id"])["file_offset"]
        assert offset == 5 * MIB
        info = driver.uploads.upload_data(upload["id"], ("b", content[offset:]))
        assert (info["name"], info["size"]) == ("large.pdf", len(content))
        assert server.stored(info["id"]) == content
        driver.logout()
