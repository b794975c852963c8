"""Promise 7: every row of the guard table lets exactly the files pass that its rule allows."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.endpoints import ENDPOINTS, FROM_SERVERS, RULES, Endpoint, Way
from gateway.settings import size_setting
from gateway.standin.process import StandInProcess
from tests.inspection import files
from tests.promises.support import BOUNDARY, cut, program, send_chunks
from tests.support.gateway import GatewayProcess
from tests.support.ledger import usage
from tests.support.server import call
from tests.support.wire import Client, Wire, WireResponse, field, file_part, form_body

LIMIT = 32 * 1024
"""Bytes of the largest file, everywhere."""
PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'></svg>\n"
TEXT = b"All work and no play makes Jack a dull boy.\n"
ZIP = files.zipped(("a.txt", b"a"))
CSRF = ("X-Requested-With", "XMLHttpRequest")

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Case:
    """A file that may pass at a row, and content that may not."""

    content: bytes
    name: str
    wrong: bytes
    status: int = 200
    values: tuple[bytes, ...] = ()


CERTIFICATE = Case(PEM, "c.crt", TEXT)
PICTURE = Case(files.png(), "p.png", ZIP)
LICENSE = Case(b"eyJpZCI6ICJ4In0=\n", "l.mattermost-license", ZIP, status=400)  # forged
EMOJI = field("emoji", '{"name": "a\\"b", "creator_id": ""}')

CASES: dict[str, Case] = {
    "/api/v4/files": Case(TEXT, "a.txt", program(1000), status=201),
    "/api/v4/license": LICENSE,
    "/api/v4/license/preview": LICENSE,
    "/api/v4/saml/certificate/idp": CERTIFICATE,
    "/api/v4/saml/certificate/public": CERTIFICATE,
    "/api/v4/saml/certificate/private": CERTIFICATE,
    "/api/v4/ldap/certificate/public": CERTIFICATE,
    "/api/v4/ldap/certificate/private": CERTIFICATE,
    "/api/v4/audit_logs/certificate": CERTIFICATE,
    "/api/v4/brand/image": replace(PICTURE, status=201),
    "/api/v4/plugins": Case(
        files.tar_gz(), "p.tar.gz", ZIP, status=400, values=(field("force", "true"),)
    ),
    "/api/v4/emoji": replace(PICTURE, status=400, values=(EMOJI,)),
    "/api/v4/users/{id}/image": PICTURE,
    "/api/v4/teams/{id}/image": PICTURE,
    "/api/v4/bots/{id}/icon": Case(SVG, "i.svg", TEXT),
    "/api/v4/teams/{id}/import": Case(
        ZIP, "e.zip", TEXT, values=(field("filesize", "9"), field("importFrom", "slack"))
    ),
    "/api/v4/remotecluster/upload/{id}": Case(TEXT, "", program(1000)),
    "/api/v4/remotecluster/{id}/image": replace(PICTURE, wrong=program(1000)),
}
WITHOUT_A_STORY = {"/api/v4/uploads", "/api/v4/uploads/{id}"}
"""Still refused."""
DOWNLOADS = {
    "/api/v4/files/{id}": b"hello",
    "/api/v4/files/{id}/info": b'"name":"a.txt"',
    "/api/v4/files/{id}/link": b'"link":',
    "/api/v4/files/{id}/thumbnail": b"app_error",  # a text has none
    "/api/v4/files/{id}/preview": b"app_error",
    "/api/v4/posts/{id}/files/info": b'"name":"a.txt"',
    "/files/{id}/public": b"hello",
}
TAKING = [row for row in ENDPOINTS if row.path in CASES]
FORMS = [row for row in TAKING if row.way not in (Way.ATTACHMENTS, Way.SERVER_UPLOAD)]


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


class Row:
    """A row of the table, as an administrator or a connected server comes to it."""

    def __init__(self, row: Endpoint, mattermost: StandInProcess, gateway: GatewayProcess) -> None:
        self.row = row
        self.case = CASES[row.path]
        self.path = row.path
        self.query = ""
        self.mattermost = mattermost
        self.gateway = gateway
        self.credentials: Headers = [("Authorization", f"Bearer {mattermost.admin_token}")]
        if row.way in FROM_SERVERS:
            remote = mattermost.ready["remote"]
            self.credentials = [
                ("X-RemoteCluster-Id", remote["id"]), ("X-RemoteCluster-Token", remote["token"])
            ]  # fmt: skip
        if "{id}" in row.path:
            self.path = row.path.replace("{id}", self._id())
        if row.way is Way.ATTACHMENTS:
            self.query = f"?channel_id={mattermost.channel_id}"
        mattermost.reset()
        self._others = self.others()

    def _id(self) -> str:
        mattermost = self.mattermost
        if "/teams/" in self.row.path:
            return mattermost.team_id
        if "/upload/" in self.row.path:
            size = LIMIT  # what the session expects is not looked at here
            wanted = {"channel_id": mattermost.channel_id, "filename": "r.txt", "file_size": size}
            session = call(mattermost.url, mattermost.admin_token, "uploads", wanted)
            return str(session["id"])
        return str(mattermost.ready["admin"]["id"])

    def send(
        self, content: bytes, name: str | None = None, *, chunked: bool = False
    ) -> WireResponse:
        """The answer to a file, sent as this row wants it."""
        with Wire(self.gateway.address) as wire:
            headers, body = self.request(content, self.case.name if name is None else name)
            length = ("Content-Length", str(len(body)))
            framing = ("Transfer-Encoding", "chunked") if chunked else length
            target = self.path + self.query
            wire.send_head("POST", target, [*self.credentials, *headers, framing])
            if chunked:
                send_chunks(wire, cut(body, 5000))
            else:
                wire.send(body)
            return wire.response()

    def request(self, content: bytes, name: str) -> tuple[Headers, bytes]:
        if self.row.way is Way.SERVER_UPLOAD:
            return [], content
        file = file_part(name, content, name=self.row.fields[0])
        form = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
        return [form], form_body(*self.case.values, file)

    def head_only(self, credentials: Headers) -> WireResponse:
        """The answer to a request whose body never comes."""
        with Wire(self.gateway.address) as wire:
            headers, body = self.request(self.case.content, self.case.name)
            length = ("Content-Length", str(len(body)))
            wire.send_head("POST", self.path + self.query, [*credentials, *headers, length])
            return wire.response()

    def received(self) -> list[tuple[str, str, int, str]]:
        """Field, name, size and digest of each file that Mattermost got, kept by it or not."""
        state = self.mattermost.state()
        got = [
            (file["field"], file["name"], file["size"], file["sha256"])
            for upload in state["uploads"]
            for file in upload["files"]
        ]
        assert len(state["uploads"]) <= 1
        return got

    def assert_nothing_received(self) -> None:
        assert self.mattermost.state()["uploads"] == []
        assert self.others() == self._others

    def others(self) -> Any:
        state = self.mattermost.state()
        return state["files"], state["orphans"], state["others"]


@pytest.fixture
def row(request: Any, mattermost: StandInProcess, gateway: GatewayProcess) -> Row:
    return Row(request.param, mattermost, gateway)


def every(rows: list[Endpoint]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.path, indirect=True)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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
    line = row.gateway.wait_for_log("request", request_id=response.header("x-request-id"))
    assert line["endpoint"] == row.row.name
    (file,) = line["files"]
    assert (file["name"], file["size"]) == (row.case.name, len(content))
    assert file["outcome"] == ("accepted" if row.case.status < 300 else "refused")


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
    line = row.gateway.wait_for_log("request", request_id=response.header("x-request-id"))
    assert [file["reason"] for file in line["files"]] == ["file_too_large"]


@every(FORMS)
def test_a_form_that_is_too_large_by_its_length_need_not_be_sent(row: Row) -> None:
    with Wire(row.gateway.address) as wire:
        form = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
        length = ("Content-Length", str(LIMIT + 100_000))
        wire.send_head("POST", row.path, [*row.credentials, form, length])
        response = wire.response()
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
    with Wire(row.gateway.address) as wire:
        form = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
        length = ("Content-Length", str(len(body)))
        wire.send_head("POST", row.path, [*row.credentials, form, length])
        wire.send(body)
        response = wire.response()
    assert (response.status, response.json()["id"]) == (415, "gateway.type_denied")
    row.assert_nothing_received()
    line = row.gateway.wait_for_log("request", request_id=response.header("x-request-id"))
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
    client = Client(row.gateway.address, row.mattermost.admin_token, "")
    response = client.request(
        "POST", row.path, ("Content-Type", "image/png"), body=row.case.content
    )
    assert response.status in (400, 500)
    assert not response.body.startswith(b'{"id":"gateway.')
    (upload,) = row.mattermost.state()["uploads"]
    assert (upload["body_bytes"], upload["files"]) == (0, [])
    assert row.others() == row._others


@every(FORMS)
def test_a_form_without_a_file(row: Row) -> None:
    with Wire(row.gateway.address) as wire:
        body = form_body(field("other", "x"))
        form = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
        length = ("Content-Length", str(len(body)))
        wire.send_head("POST", row.path, [*row.credentials, form, length])
        wire.send(body)
        response = wire.response()
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
        sent = row.gateway.wait_for_log("request", request_id=response.header("x-request-id"))
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
    client = Client(row.gateway.address, row.mattermost.admin_token, "")
    declared = ("Content-Type", content_type)
    for wrong in (TEXT, b"", program(100)):
        response = client.request("POST", row.path, declared, body=wrong)
        assert (response.status, response.json()["id"]) == (415, "gateway.type_denied")
    large = PEM.ljust(LIMIT + 1, b"\n")
    assert client.request("POST", row.path, declared, body=large).status == 413
    row.assert_nothing_received()
    assert client.request("POST", row.path, declared, body=PEM).json() == {"status": "OK"}
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
    with Wire(row.gateway.address) as wire:
        form = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
        length = ("Content-Length", str(len(body)))
        wire.send_head("POST", row.path, [*row.credentials, form, length])
        wire.send(body)
        assert wire.response().json()["id"] == "gateway.unguarded_upload"
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
        image = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
        body = form_body(file_part("p.png", files.png(), name="image"))
        assert client.request("POST", "/api/v4/users/me/image", image, body=body).status == 200
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
    after = usage(quota_gateway.folder, admin_id)
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
    described = {"name": f"e{mattermost.state()['connections']['opened']}x", "creator_id": ""}
    described["creator_id"] = mattermost.ready["admin"]["id"]
    body = form_body(
        file_part("e.png", files.png(), name="image"), field("emoji", json.dumps(described))
    )
    form = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    made = client.request("POST", "/api/v4/emoji", form, body=body).json()
    assert made["name"] == described["name"]
    assert client.request("GET", f"/api/v4/emoji/{made['id']}/image").body == files.png()
