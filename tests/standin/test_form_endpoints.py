"""The endpoints that take one file in a form: what they keep, and what they refuse."""

import hashlib
import io
import json
import struct
import tarfile
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess

from .wire import Answer, FilesApi, connect, error_id, exchange, form, head, read_answer

FORM = "multipart/form-data; boundary=XX"


def png(width: int, height: int) -> bytes:
    """Only the head of a picture, which is all that counts here."""
    header = struct.pack(">II", width, height) + b"\x08\x06\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + bytes(4)


def plugin(manifest: object, name: str = "plugin.json") -> bytes:
    packed = io.BytesIO()
    text = json.dumps(manifest).encode()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return packed.getvalue()


class Admin:
    def __init__(self, mattermost: StandInProcess) -> None:
        self.mattermost = mattermost
        self.port = mattermost.port
        self.authorization = {"Authorization": f"Bearer {mattermost.admin_token}"}
        self.id = mattermost.ready["admin"]["id"]

    def post(self, path: str, body: bytes, content_type: str = FORM) -> Answer:
        headers = self.authorization | {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
        }
        return exchange(self.port, "POST", f"/api/v4{path}", headers, body)

    def get(self, path: str) -> Answer:
        return exchange(self.port, "GET", f"/api/v4{path}", self.authorization)

    def delete(self, path: str) -> int:
        return exchange(self.port, "DELETE", f"/api/v4{path}", self.authorization).status

    def emoji(self, name: str, image: bytes, **more: str) -> Answer:
        described = json.dumps({"name": name, "creator_id": self.id} | more).encode()
        body = form(('name="emoji"', described), ('name="image"; filename="e.png"', image))
        return self.post("/emoji", body)

    def kept(self) -> dict[str, int]:
        """What lies in the store besides uploaded files: sizes by path."""
        return {file["path"]: file["size"] for file in self.mattermost.state()["others"]}


@pytest.fixture
def admin(mattermost: StandInProcess) -> Admin:
    return Admin(mattermost)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/license", "license"),
        ("/license/preview", "license"),
        ("/ldap/certificate/public", "certificate"),
        ("/ldap/certificate/private", "certificate"),
        ("/audit_logs/certificate", "certificate"),
        ("/teams/TEAM/import", "file"),
        ("/saml/certificate/idp", "certificate"),
        ("/saml/certificate/public", "certificate"),
        ("/saml/certificate/private", "certificate"),
        ("/brand/image", "image"),
        ("/plugins", "plugin"),
        ("/emoji", "image"),
        ("/users/me/image", "image"),
        ("/teams/TEAM/image", "image"),
        ("/bots/me/icon", "image"),
    ],
)
def test_the_journal_tells_what_a_form_brought(admin: Admin, path: str, field: str) -> None:
    body = form((f'name="{field}"; filename="dir/x"', b"content"))
    path = path.replace("TEAM", admin.mattermost.team_id).replace("bots/me", f"bots/{admin.id}")
    admin.post(path, body)
    [upload] = admin.mattermost.state()["uploads"]
    assert upload["files"] == [
        {
            "field": field,
            "name": "dir/x",
            "size": 7,
            "sha256": hashlib.sha256(b"content").hexdigest(),
        }
    ]


@pytest.mark.parametrize(
    ("path", "store_path"),
    [
        ("/brand/image", "brand/image.png"),
        ("/users/me/image", "users/ADMIN/profile.png"),
        ("/teams/TEAM/image", "teams/TEAM/teamIcon.png"),
    ],
)
def test_pictures_are_kept_and_given_back(admin: Admin, path: str, store_path: str) -> None:
    path, store_path = (
        text.replace("TEAM", admin.mattermost.team_id).replace("ADMIN", admin.id)
        for text in (path, store_path)
    )
    picture = png(20, 30)
    answer = admin.post(path, form(('name="image"; filename="p.png"', picture)))
    assert answer.body == b'{"status":"OK"}'
    assert admin.kept()[store_path] == len(picture)
    assert admin.get(path).body == picture


@pytest.mark.parametrize(
    ("path", "errors", "parse_status", "errors_of_content"),
    [
        ("/brand/image", "api.admin.upload_brand_image", 400, "brand.save_brand_image"),
        ("/users/me/image", "api.user.upload_profile_user", 500, "api.user.upload_profile_user"),
        ("/teams/TEAM/image", "api.team.set_team_icon", 400, "api.team.set_team_icon"),
    ],
)
def test_pictures_that_are_refused(
    admin: Admin, path: str, errors: str, parse_status: int, errors_of_content: str
) -> None:
    path = path.replace("TEAM", admin.mattermost.team_id)

    def outcome(body: bytes, content_type: str = FORM) -> tuple[int, str]:
        answer = admin.post(path, body, content_type)
        return answer.status, error_id(answer)

    assert outcome(b"x", "image/png") == (parse_status, f"{errors}.parse.app_error")
    assert outcome(form(('name="other"; filename="p"', b"x"))) == (
        400,
        f"{errors}.no_file.app_error",
    )
    limits = f"{errors_of_content}.check_image_limits.app_error"
    for content in (b"no picture", png(6048, 4033)):
        assert outcome(form(('name="image"; filename="p"', content))) == (400, limits)


def test_a_brand_image_can_be_deleted(admin: Admin) -> None:
    assert admin.post("/brand/image", form(('name="image"; filename="b"', png(1, 1)))).status == 201
    assert admin.delete("/brand/image") == 200
    assert admin.get("/brand/image").status == 404
    assert admin.delete("/brand/image") == 404


def test_handlers_of_pictures_read_the_whole_body_before_they_answer(files: FilesApi) -> None:
    headers = files.authorization | {"Content-Length": str(2**20), "Content-Type": FORM}
    target = f"/api/v4/users/{files.mattermost.ready['admin']['id']}/image"
    with connect(files.mattermost.port) as sock:
        sock.sendall(head("POST", target, headers))
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(30)
        sock.sendall(bytes(2**20))
        assert read_answer(sock).status == 403


def test_emoji_come_and_go(admin: Admin) -> None:
    made = json.loads(admin.emoji("smile-1", png(16, 16)).body)
    assert admin.get(f"/emoji/{made['id']}").status == 200
    assert admin.get(f"/emoji/{made['id']}/image").body == png(16, 16)
    assert made in json.loads(admin.get("/emoji").body)
    assert error_id(admin.emoji("smile-1", png(16, 16))) == "api.emoji.create.duplicate.app_error"
    assert admin.delete(f"/emoji/{made['id']}") == 200
    assert admin.get(f"/emoji/{made['id']}").status == 404


def test_emoji_that_are_refused(admin: Admin) -> None:
    outcomes = {
        "api.emoji.upload.image.app_error": admin.emoji("n1", b"no picture"),
        "api.emoji.upload.large_image.too_large.app_error": admin.emoji("n2", png(1029, 1)),
        "model.emoji.name.app_error": admin.emoji("no spaces", png(1, 1)),
        "api.emoji.create.other_user.app_error": admin.emoji("n3", png(1, 1), creator_id="x" * 26),
        "api.emoji.create.parse.app_error": admin.post("/emoji", b"x", "text/plain"),
        "api.emoji.create.too_large.app_error": admin.post("/emoji", bytes(2**20 + 1)),
        "api.context.invalid_body_param.app_error": admin.post(
            "/emoji", form(('name="image"; filename="e"', png(1, 1)))[:-8] + b"--XX--"
        ),
    }
    assert {expected: error_id(answer) for expected, answer in outcomes.items()} == {
        expected: expected for expected in outcomes
    }


def test_a_plugin_is_installed_once_or_by_force(admin: Admin) -> None:
    bundle = plugin({"id": "org.example.p", "version": "1"}, "p/plugin.json")
    upload = ('name="plugin"; filename="p.tar.gz"', bundle)
    answer = admin.post("/plugins", form(upload))
    assert (answer.status, json.loads(answer.body)["id"]) == (201, "org.example.p")
    assert admin.kept()["plugins/org.example.p.tar.gz"] == len(bundle)
    assert error_id(admin.post("/plugins", form(upload))) == "app.plugin.install_id.app_error"
    assert admin.post("/plugins", form(('name="force"', b"true"), upload)).status == 201


@pytest.mark.parametrize(
    ("bundle", "expected"),
    [
        (plugin({}, "elsewhere.json"), "app.plugin.manifest.app_error"),
        (plugin([]), "app.plugin.manifest.app_error"),
        (plugin({"id": "a/b"}), "app.plugin.invalid_id.app_error"),
        (plugin({"id": "abc"})[:-10], "app.plugin.extract.app_error"),
    ],
)
def test_bundles_that_are_refused(admin: Admin, bundle: bytes, expected: str) -> None:
    answer = admin.post("/plugins", form(('name="plugin"; filename="p"', bundle)))
    assert (answer.status, error_id(answer)) == (400, expected)


@pytest.mark.parametrize("path", ["/license", "/plugins"])
def test_where_an_unreadable_form_is_answered_in_plain_text(admin: Admin, path: str) -> None:
    answer = admin.post(path, b"x", "text/plain")
    assert answer.status == 400
    assert answer.body == b"request Content-Type isn't multipart/form-data\n"
    assert answer.header("content-type") == "text/plain; charset=utf-8"


def test_certificates_are_kept_and_removed(admin: Admin) -> None:
    for which in ("idp", "public", "private"):
        certificate = form(('name="certificate"; filename="c.crt"', which.encode()))
        assert admin.post(f"/saml/certificate/{which}", certificate).status == 200
    assert json.loads(admin.get("/saml/certificate/status").body) == {
        "idp_certificate_file": True,
        "public_certificate_file": True,
        "private_key_file": True,
    }
    assert admin.kept()["config/saml-private.key"] == len("private")
    assert admin.delete("/saml/certificate/public") == 200
    assert admin.delete("/saml/certificate/public") == 500


def test_the_idp_certificate_may_come_as_it_is(admin: Admin) -> None:
    answer = admin.post("/saml/certificate/idp", b"-----BEGIN", "application/x-pem-file")
    assert answer.status == 200
    assert admin.kept()["config/saml-idp.crt"] == 10


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [("", "missing_content_type"), ("text/plain", "invalid_content_type"), ("x y", "invalid_c")],
)
def test_the_idp_certificate_must_say_what_it_is(
    admin: Admin, content_type: str, expected: str
) -> None:
    answer = admin.post("/saml/certificate/idp", b"x", content_type)
    assert f"set_certificate_from_metadata.{expected}" in error_id(answer)


@pytest.mark.parametrize(
    ("query", "content_type", "body"),
    [
        ("", "multipart/form-data", b"x"),
        ("", "x y", b"x"),
        ("", FORM, b"garbage"),
        ("?x=%", FORM, form(('name="image"; filename="p"', png(1, 1)))),
    ],
)
def test_forms_that_cannot_be_read(
    admin: Admin, query: str, content_type: str, body: bytes
) -> None:
    answer = admin.post(f"/brand/image{query}", body, content_type)
    assert error_id(answer) == "api.admin.upload_brand_image.parse.app_error"


@pytest.mark.parametrize("path", ["/brand/image", "/users/me/image", "/teams/TEAM/image"])
def test_pictures_that_are_too_large_by_their_declared_length(tmp_path: Path, path: str) -> None:
    with StandInProcess(tmp_path, max_file_size=100) as mattermost:
        admin = Admin(mattermost)
        answer = admin.post(path.replace("TEAM", mattermost.team_id), bytes(101))
    assert error_id(answer).endswith(".too_large.app_error")


def test_pictures_of_others_are_not_theirs_to_change(files: FilesApi) -> None:
    body = form(('name="image"; filename="p"', png(1, 1)))
    sent = files.authorization | {"Content-Type": FORM, "Content-Length": str(len(body))}
    ready = files.mattermost.ready
    for path in (f"users/{ready['admin']['id']}/image", f"teams/{ready['team_id']}/image"):
        answer = exchange(files.mattermost.port, "POST", f"/api/v4/{path}", sent, body)
        assert (answer.status, error_id(answer)) == (403, "api.context.permissions.app_error")


def test_guests_make_no_emoji(mattermost: StandInProcess) -> None:
    body = form(('name="image"; filename="p"', png(1, 1)))
    sent = {
        "Authorization": f"Bearer {mattermost.ready['guest']['token']}",
        "Content-Type": FORM,
        "Content-Length": str(len(body)),
    }
    assert exchange(mattermost.port, "POST", "/api/v4/emoji", sent, body).status == 403
