"""What only a licensed server has, and other endpoints that no recording shows."""

import json

import pytest

from gateway.standin.process import StandInProcess

from .test_form_endpoints import FORM, Admin, png
from .wire import Answer, error_id, exchange, form

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'></svg>"


@pytest.fixture
def admin(mattermost: StandInProcess) -> Admin:
    return Admin(mattermost)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/ldap/certificate/public", "config/ldap-public.crt"),
        ("/ldap/certificate/private", "config/ldap-private.key"),
        ("/audit_logs/certificate", "config/audit.crt"),
    ],
)
def test_certificates(admin: Admin, path: str, kept: str) -> None:
    parse = "api.admin.add_certificate.parseform.app_error"
    assert error_id(admin.post(path, b"x", "text/plain")) == parse
    no_file = "api.admin.add_certificate.no_file.app_error"
    assert error_id(admin.post(path, form(('name="x"', b"x")))) == no_file
    certificate = form(('name="certificate"; filename="c.crt"', b"content"))
    assert admin.post(path, certificate).status == 200
    assert admin.kept()[kept] == 7
    assert admin.delete(path) == 200
    assert admin.delete(path) == 500


@pytest.mark.parametrize("path", ["/users/ADMIN/image", "/teams/TEAM/image", "/bots/ADMIN/icon"])
def test_pictures_can_be_removed(admin: Admin, path: str) -> None:
    path = path.replace("TEAM", admin.mattermost.team_id).replace("ADMIN", admin.id)
    content = SVG if "bots" in path else png(1, 1)
    assert admin.post(path, form(('name="image"; filename="p"', content))).status == 200
    assert admin.get(path).body == content
    assert admin.delete(path) == 200
    assert admin.get(path).status == 404
    assert admin.delete(path) == 200


def test_the_icon_of_a_bot_is_a_drawing(admin: Admin) -> None:
    answer = admin.post(f"/bots/{admin.id}/icon", form(('name="image"; filename="p"', png(1, 1))))
    assert (answer.status, error_id(answer)) == (400, "api.bot.set_bot_icon_image.parse.app_error")


def test_what_a_team_imports(admin: Admin) -> None:
    path = f"/teams/{admin.mattermost.team_id}/import"
    size, slack = ('name="filesize"', b"7"), ('name="importFrom"', b"slack")
    file = ('name="file"; filename="export.zip"', b"content")
    outcomes = {
        "parse": admin.post(path, b"x", "text/plain"),
        "no_import_from": admin.post(path, form(size, file)),
        "unavailable": admin.post(path, form(slack, file)),
        "integer": admin.post(path, form(slack, ('name="filesize"', b"much"), file)),
        "no_file": admin.post(path, form(slack, size)),
        "unknown_import_from": admin.post(path, form(('name="importFrom"', b"x"), size, file)),
    }
    for problem, answer in outcomes.items():
        assert error_id(answer) == f"api.team.import_team.{problem}.app_error"
    assert admin.post(path, form(file, size, slack)).status == 200
    assert admin.kept()[f"teams/{admin.mattermost.team_id}/import.zip"] == 7


def as_server(admin: Admin, path: str, body: bytes, **more: str) -> Answer:
    remote = admin.mattermost.ready["remote"]
    headers = {
        "X-RemoteCluster-Id": remote["id"],
        "X-RemoteCluster-Token": remote["token"],
        "Content-Length": str(len(body)),
        **more,
    }
    return exchange(admin.port, "POST", f"/api/v4/remotecluster{path}", headers, body)


def test_connected_servers(admin: Admin) -> None:
    frame = json.dumps({"remote_id": admin.mattermost.ready["remote"]["id"]}).encode()
    assert as_server(admin, "/ping", frame).status == 200
    assert as_server(admin, "/ping", b"{}").status == 400
    strangers = [
        ({"X-RemoteCluster-Token": "x"}, "api.context.session_expired.app_error"),
        ({"X-RemoteCluster-Id": "x"}, "api.context.session_expired.app_error"),
        ({"X-RemoteCluster-Id": ""}, "api.context.remote_id_missing.app_error"),
    ]
    for headers, expected in strangers:
        answer = as_server(admin, "/ping", frame, **headers)
        assert (answer.status, error_id(answer)) == (401, expected)


def test_files_of_connected_servers(admin: Admin) -> None:
    body = form(('name="image"; filename="p.png"', png(2, 2)))
    image = {"Content-Type": FORM}
    assert as_server(admin, f"/{admin.id}/image", body, **image).status == 200
    assert admin.get(f"/users/{admin.id}/image").body == png(2, 2)
    wanted = {"channel_id": admin.mattermost.channel_id, "filename": "a.txt", "file_size": 5}
    upload = json.loads(admin.post("/uploads", json.dumps(wanted).encode()).body)
    answer = as_server(admin, f"/upload/{upload['id']}", b"hello")
    assert (answer.status, json.loads(answer.body)["name"]) == (200, "a.txt")
    assert as_server(admin, f"/upload/{upload['id']}", b"hello").status == 404
