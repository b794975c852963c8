"""Promise 7: every row of the guard table lets exactly the files pass that its rule allows."""

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.endpoints import ENDPOINTS, FROM_SERVERS, RULES, Endpoint, Way
from gateway.settings import size_setting
from gateway.standin.process import StandInProcess
from tests.inspection import files
from tests.promises.rows import (
    CASES,
    CSRF,
    DOWNLOADS,
    FORM,
    FORMS,
    LIMIT,
    PEM,
    TAKING,
    TEXT,
    WITHOUT_A_STORY,
    Headers,
    Row,
    digest,
    every,
)
from tests.promises.support import program
from tests.support.gateway import GatewayProcess
from tests.support.ledger import usage
from tests.support.server import call
from tests.support.wire import Client, Wire, field, file_part, form_body


def test_each_row_has_its_case() -> None:
    assert {row.path for row in ENDPOINTS if row.rule} == CASES.keys() | WITHOUT_A_STORY
    assert {row.path for row in ENDPOINTS if not row.rule} == DOWNLOADS.keys()


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    sizes = {size_setting(rule): str(LIMIT) for rule in RULES}
    folder = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(stand_in.url, folder, remote_cluster="on", **sizes) as running:
        yield running


@pytest.fixture
def row(request: Any, mattermost: StandInProcess, gateway: GatewayProcess) -> Row:
    return Row(request.param, mattermost, gateway)


@pytest.mark.parametrize("chunked", [False, True])
@every(FORMS)
def test_a_file_that_may_pass(row: Row, chunked: bool) -> None:
    response = row.send(row.case.content, chunked=chunked)
    assert response.status == row.case.status, response.body
    assert not response.body.startswith(b'{"id":"gateway.')
    content = row.case.content
    expected = (row.row.fields[0], row.case.name, len(content), digest(content))
    assert row.received() == [expected]
    (upload,) = row.mattermost.state()["uploads"]
    assert {name: values for name, values in upload["values"].items() if name != "emoji"} == {
        name: [value]
        for part in row.case.values
        for name, value in [_read(part)]
        if name != "emoji"
    }
    line = row.line(response)
    assert line["endpoint"] == row.row.name
    (file,) = line["files"]
    assert (file["name"], file["size"]) == (row.case.name, len(content))
    assert file["outcome"] == ("accepted" if row.case.status < 300 else "refused")


@pytest.mark.parametrize("chunked", [False, True])
@every([row for row in TAKING if row.way is Way.ATTACHMENTS])
def test_an_attachment_that_may_pass(row: Row, chunked: bool) -> None:
    content = row.case.content.ljust(LIMIT, b"\n")
    response = row.send(content, chunked=chunked)
    assert response.status == row.case.status
    stored = row.mattermost.state()["files"][-1]
    assert (stored["name"], stored["size"]) == (row.case.name, LIMIT)
    assert stored["sha256"] == digest(content)
    assert row.line(response)["endpoint"] == row.row.name


def _read(part: bytes) -> tuple[str, str]:
    match = re.search(rb'name="(\w+)"\r\n\r\n(.*)', part)
    assert match is not None
    return match[1].decode(), match[2].decode()


@every(FORMS)
def test_a_file_of_just_the_largest_size(row: Row) -> None:
    content = row.case.content.ljust(LIMIT, b"\n")
    row.send(content)
    assert row.received() == [(row.row.fields[0], row.case.name, LIMIT, digest(content))]


@pytest.mark.parametrize("chunked", [False, True])
@every(TAKING)
def test_a_file_that_is_too_large(row: Row, chunked: bool) -> None:
    response = row.send(row.case.content.ljust(LIMIT + 1, b"\n"), chunked=chunked)
    assert (response.status, response.json()["id"]) == (413, "gateway.file_too_large")
    assert "32 KiB" in response.json()["message"]
    row.assert_nothing_received()
    line = row.line(response)
    assert [file["reason"] for file in line["files"]] == ["file_too_large"]


@every(FORMS)
def test_a_form_that_is_too_large_by_its_length_need_not_be_sent(row: Row) -> None:
    response = row.head_only(row.credentials, LIMIT + 100_000)
    assert (response.status, response.json()["id"]) == (413, "gateway.file_too_large")
    row.assert_nothing_received()


@pytest.mark.parametrize("chunked", [False, True])
@every(TAKING)
def test_a_file_of_another_type(row: Row, chunked: bool) -> None:
    response = row.send(row.case.wrong, "a.bin", chunked=chunked)
    assert (response.status, response.json()["id"]) == (415, "gateway.type_denied")
    row.assert_nothing_received()


@every([row for row in TAKING if row.way is not Way.SERVER_UPLOAD])
def test_a_name_that_is_denied(row: Row) -> None:
    response = row.send(row.case.content, "a.exe")
    assert (response.status, response.json()["id"]) == (403, "gateway.extension_denied")
    row.assert_nothing_received()


@every([row for row in TAKING if row.way is not Way.SERVER_UPLOAD])
def test_a_program_in_disguise(row: Row) -> None:
    response = row.send(program(1000), "a.png")
    assert (response.status, response.json()["id"]) == (415, "gateway.content_mismatch")
    row.assert_nothing_received()


@every(FORMS)
def test_a_second_file_is_judged_as_the_first(row: Row) -> None:
    """Whatever its field is called, and though Mattermost would overlook it."""
    file = file_part(row.case.name, row.case.content, name=row.row.fields[0])
    body = form_body(*row.case.values, file, file_part("a.bin", program(100), name="other"))
    response = row.post(body, FORM)
    assert (response.status, response.json()["id"]) == (415, "gateway.type_denied")
    row.assert_nothing_received()
    line = row.line(response)
    assert {file["outcome"] for file in line["files"]} == {"refused"}
    assert len(line["files"]) == 2


@every(TAKING)
def test_nobody_is_logged_in(row: Row) -> None:
    unknown = "y" * 26
    strangers: list[Headers] = [[], [("Authorization", f"Bearer {unknown}")]]
    if row.row.way in FROM_SERVERS:
        (remote_id, token) = row.credentials
        strangers = [
            [], [remote_id], [token], [remote_id, ("X-RemoteCluster-Token", unknown)],
            [("Authorization", f"Bearer {row.mattermost.admin_token}")],
        ]  # fmt: skip
    for stranger in strangers:
        response = row.head_only(stranger)
        error = (response.status, response.json()["id"])
        assert error == (401, "api.context.session_expired.app_error")
    row.assert_nothing_received()


@every([row for row in TAKING if row.way not in FROM_SERVERS])
def test_a_cookie_alone_is_not_enough(row: Row) -> None:
    cookie = ("Cookie", f"MMAUTHTOKEN={row.mattermost.admin_token}")
    response = row.head_only([cookie])
    assert response.status == 401
    row.assert_nothing_received()
    row.credentials = [cookie, CSRF]
    assert row.send(row.case.content).status == row.case.status


@every([row for row in FORMS if row.way is not Way.SERVER_FORM])
def test_what_is_no_form(row: Row) -> None:
    """Mattermost says what it misses, and gets nothing of the body."""
    response = row.post(row.case.content, ("Content-Type", "image/png"))
    assert response.status in (400, 500)
    assert not response.body.startswith(b'{"id":"gateway.')
    (upload,) = row.mattermost.state()["uploads"]
    assert (upload["body_bytes"], upload["files"]) == (0, [])
    row.assert_nothing_kept()


@every(FORMS)
def test_a_form_without_a_file(row: Row) -> None:
    response = row.post(form_body(field("other", "x")), FORM)
    assert response.status == 400
    assert response.json()["id"].startswith("api.")
    (upload,) = row.mattermost.state()["uploads"]
    assert (upload["files"], upload["values"]) == ([], {"other": ["x"]})


@every(TAKING)
def test_other_methods_carry_no_file(row: Row) -> None:
    """They pass under the row's name, or are refused if they could carry one."""
    client = Client(row.gateway.address, row.mattermost.admin_token, "")
    for method in ("GET", "DELETE"):
        response = client.request(method, row.path)
        assert response.status in (200, 404, 500)
        sent = row.line(response)
        assert (sent["endpoint"], sent["method"]) == (row.row.name, method)
    before = row.mattermost.state()["recent"]
    for method in ("PUT", "PATCH", "REPORT"):
        response = client.request(method, row.path, body=row.case.content)
        assert (response.status, response.json()["id"]) == (403, "gateway.unguarded_upload")
    assert row.mattermost.state()["recent"] == before


# The two rows that take a body as it is.


@every([row for row in TAKING if row.way is Way.PEM_FORM])
@pytest.mark.parametrize("content_type", ["application/x-pem-file", "Application/X-PEM-File; a=b"])
def test_a_certificate_as_the_body(row: Row, content_type: str) -> None:
    declared = ("Content-Type", content_type)
    for wrong in (TEXT, b"", program(100)):
        response = row.post(wrong, declared)
        assert (response.status, response.json()["id"]) == (415, "gateway.type_denied")
    large = PEM.ljust(LIMIT + 1, b"\n")
    assert row.post(large, declared).status == 413
    row.assert_nothing_received()
    assert row.post(PEM, declared).json() == {"status": "OK"}
    assert row.received() == [("", "", len(PEM), digest(PEM))]


@every([row for row in TAKING if row.way is Way.SERVER_UPLOAD])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_from_a_connected_server(row: Row, chunked: bool) -> None:
    content = TEXT.ljust(LIMIT, b"x")
    response = row.send(content, chunked=chunked)
    assert (response.status, response.json()["name"]) == (200, "r.txt")
    stored = row.mattermost.state()["files"][-1]
    assert (stored["size"], stored["sha256"]) == (LIMIT, digest(content))


@every([row for row in TAKING if row.way is Way.SERVER_UPLOAD])
def test_a_form_from_a_connected_server(row: Row) -> None:
    """No Mattermost sends one, so it has no rule."""
    body = form_body(file_part("a.txt", TEXT, name="data"))
    assert row.post(body, FORM).json()["id"] == "gateway.unguarded_upload"
    row.assert_nothing_received()


@pytest.mark.parametrize("path", ["upload/{id}", "{id}/image"])
def test_connected_servers_send_nothing_unless_that_is_on(
    path: str, mattermost: StandInProcess, shared_gateway: GatewayProcess
) -> None:
    remote = mattermost.ready["remote"]
    with Wire(shared_gateway.address) as wire:
        headers = [("X-RemoteCluster-Id", remote["id"]), ("X-RemoteCluster-Token", remote["token"])]
        target = f"/api/v4/remotecluster/{path}".replace("{id}", mattermost.ready["admin"]["id"])
        wire.send_head("POST", target, [*headers, ("Content-Length", "1000")])
        response = wire.response()
    assert (response.status, response.json()["id"]) == (403, "gateway.remote_cluster_off")
    assert mattermost.state()["recent"] == []


# Downloads.


@pytest.fixture(scope="module")
def posted(stand_in: StandInProcess) -> dict[str, str]:
    """Ids of a file and its post."""
    client = Client(("127.0.0.1", stand_in.port), stand_in.user_token, stand_in.channel_id)
    file_id = client.raw("a.txt", b"hello").json()["file_infos"][0]["id"]
    post = {"channel_id": stand_in.channel_id, "message": "", "file_ids": [file_id]}
    post_id = call(stand_in.url, stand_in.user_token, "posts", post)["id"]
    link = client.request("GET", f"/api/v4/files/{file_id}/link").json()["link"]
    return {"file": file_id, "post": post_id, "query": "?" + link.partition("?")[2]}


@pytest.mark.parametrize("path", DOWNLOADS)
def test_a_download_is_measured_by_name(
    path: str, posted: dict[str, str], client: Client, gateway: GatewayProcess
) -> None:
    (row,) = (row for row in ENDPOINTS if row.path == path)
    target = path.replace("{id}", posted["post" if "posts" in path else "file"])
    query = posted["query"] if "public" in path else ""
    response = client.request("GET", target + query)
    assert DOWNLOADS[path] in response.body
    line = gateway.wait_for_log("request", request_id=response.header("x-request-id"))
    assert line["endpoint"] == row.name
    counted = gateway.metric("upload_gateway_requests_total", endpoint=row.name, method="GET")
    assert counted >= 1


# The whole gateway, or only this table.


def test_a_gateway_for_uploads_alone(
    stand_in: StandInProcess, folder: Any, posted: dict[str, str]
) -> None:
    with GatewayProcess(stand_in.url, folder, mode="uploads") as gateway:
        client = Client(gateway.address, stand_in.admin_token, stand_in.channel_id)
        stand_in.reset()
        for method, path in (
            ("GET", "/api/v4/users/me"), ("POST", "/api/v4/posts"), ("GET", "/"),
            ("POST", "/chat/api/v4/files"), ("POST", "/plugins/x/upload"), ("POST", "/hooks/x"),
        ):  # fmt: skip
            response = client.request(method, path, body=b"x" if method == "POST" else b"")
            assert (response.status, response.json()["id"]) == (404, "gateway.not_served")
            line = gateway.wait_for_log("request", request_id=response.header("x-request-id"))
            assert (line["endpoint"], line["reason"]) == ("other", "not_served")
        assert stand_in.state()["recent"] == []
        assert client.raw("a.txt", b"hello").status == 201
        assert client.request("GET", f"/api/v4/files/{posted['file']}").body == b"hello"
        body = form_body(file_part("p.png", files.png(), name="image"))
        assert client.request("POST", "/api/v4/users/me/image", FORM, body=body).status == 200
        assert client.request("DELETE", "/api/v4/users/me/image").status == 200


# What counts against a quota.


@pytest.mark.parametrize("row", FORMS, ids=lambda row: row.path)
def test_users_files_count_and_administrators_do_not(
    row: Endpoint, stand_in: StandInProcess, quota_gateway: GatewayProcess
) -> None:
    admin_id = stand_in.ready["admin"]["id"]
    before = usage(quota_gateway.folder, admin_id)
    at = Row(row, stand_in, quota_gateway)
    assert at.send(at.case.content).status == at.case.status
    after = usage(quota_gateway.folder, admin_id, patience=5)
    kept = row.counts and at.case.status < 300
    assert after.used - before.used == (len(at.case.content) if kept else 0)
    assert after.reserved == before.reserved == 0


@pytest.fixture(scope="module")
def quota_gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("quotas")
    with GatewayProcess(
        stand_in.url, folder, remote_cluster="on", quotas="user 1MiB/day"
    ) as running:
        yield running


def test_a_picture_that_does_not_fit_into_the_quota(
    mattermost: StandInProcess, folder: Any
) -> None:
    with GatewayProcess(mattermost.url, folder, quotas="user 10KiB/day") as gateway:
        (row,) = (row for row in ENDPOINTS if row.name == "user_image")
        at = Row(row, mattermost, gateway)
        response = at.send(files.png().ljust(10 * 1024 + 1, b"\0"))
        assert (response.status, response.json()["id"]) == (429, "gateway.quota_exceeded")
        at.assert_nothing_received()
        assert at.send(files.png().ljust(10 * 1024, b"\0")).status == 200


def test_an_emoji_is_made(mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    """Its description arrives as it was sent."""
    client = Client(gateway.address, mattermost.admin_token, mattermost.channel_id)
    admin_id = mattermost.ready["admin"]["id"]
    described = {"name": f"e{secrets.token_hex(4)}", "creator_id": admin_id}
    body = form_body(
        file_part("e.png", files.png(), name="image"), field("emoji", json.dumps(described))
    )
    made = client.request("POST", "/api/v4/emoji", FORM, body=body).json()
    assert made["name"] == described["name"]
    assert client.request("GET", f"/api/v4/emoji/{made['id']}/image").body == files.png()
