"""The rows of the guard table, as an administrator or a connected server comes to them."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.endpoints import ENDPOINTS, FROM_SERVERS, Endpoint, Way
from gateway.standin.process import StandInProcess
from tests.inspection import files
from tests.promises.support import BOUNDARY, cut, program, send_chunks
from tests.support.gateway import GatewayProcess
from tests.support.server import call
from tests.support.wire import Wire, WireResponse, field, file_part, form_body

LIMIT = 32 * 1024
"""Bytes of the largest file, everywhere."""
PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'></svg>\n"
TEXT = b"All work and no play makes Jack a dull boy.\n"
ZIP = files.zipped(("a.txt", b"a"))
CSRF = ("X-Requested-With", "XMLHttpRequest")

FORM = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")

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
    "/api/v4/users/{id}/uploads": b"app_error",  # somebody else's
}
TAKING = [row for row in ENDPOINTS if row.path in CASES]
FORMS = [row for row in TAKING if row.way not in (Way.ATTACHMENTS, Way.SERVER_UPLOAD)]


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
        self._before = self._kept()

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
        headers, body = self.request(content, self.case.name if name is None else name)
        return self.post(body, *headers, chunked=chunked)

    def post(self, body: bytes, *headers: tuple[str, str], chunked: bool = False) -> WireResponse:
        """The answer to any body."""
        length = ("Content-Length", str(len(body)))
        framing = ("Transfer-Encoding", "chunked") if chunked else length
        with Wire(self.gateway.address) as wire:
            target = self.path + self.query
            wire.send_head("POST", target, [*self.credentials, *headers, framing])
            if chunked:
                send_chunks(wire, cut(body, 5000))
            else:
                wire.send(body)
            return wire.response()

    def request(self, content: bytes, name: str) -> tuple[Headers, bytes]:
        """Headers and body of a request with a file."""
        if self.row.way is Way.SERVER_UPLOAD:
            return [], content
        file = file_part(name, content, name=self.row.fields[0])
        return [FORM], form_body(*self.case.values, file)

    def head_only(self, credentials: Headers, size: int | None = None) -> WireResponse:
        """The answer to a request whose body never comes."""
        with Wire(self.gateway.address) as wire:
            headers, body = self.request(self.case.content, self.case.name)
            length = ("Content-Length", str(size or len(body)))
            wire.send_head("POST", self.path + self.query, [*credentials, *headers, length])
            return wire.response()

    def line(self, response: WireResponse) -> dict[str, Any]:
        """The log line about ``response``."""
        return self.gateway.wait_for_log("request", request_id=response.header("x-request-id"))

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
        self.assert_nothing_kept()

    def assert_nothing_kept(self) -> None:
        assert self._kept() == self._before

    def _kept(self) -> Any:
        state = self.mattermost.state()
        return state["files"], state["orphans"], state["others"]


def every(rows: list[Endpoint]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.path, indirect=True)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
