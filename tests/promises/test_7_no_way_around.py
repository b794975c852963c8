"""Promise 7: no spelling of a path, no method, encoding or endpoint gets a file past the rules."""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.support import BOUNDARY, program, stored, text
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire, field, file_part, form_body

SPELLINGS = [
    "/api/v4/%66iles", "/api/v4/file%73", "/%61pi/v4/files", "/api/v4/%66%69%6C%65%73",
    "/api/v4/%2566iles", "/api/v4//files", "//api/v4/files", "/api//v4/files", "/api/v4/./files",
    "/./api/v4/files", "/api/v4/x/../files", "/api/v4/%2e/files", "/api/v4/x/%2e%2e/files",
    "/api/v4/files/", "/api/v4/files/.", "/api/v4/files/%2e", "/api/v4/files//",
    "/api/v4/files%2f", "/api%2fv4%2ffiles", "/api/v4\\files", "/api/v4%5cfiles",
    "/api/v4/files%00", "/api/v4/files%20", "/api/v4/files;x=1",
    "/api/v4/files%3f", "/api/v4/files%23", "/api/v4/files.", "/api/v4/Files",
    "/API/V4/files", "/api/v3/files", "/api/v4/files%", "/api/v4/files%6", "/api/v4/files%zz",
    "/api/v4/f\u200biles", "http://chat.example/api/v4/files", "http://chat.example//api/v4/files",
    "HTTP://CHAT.EXAMPLE/api/v4/%66iles", "api/v4/files", "*",
]  # fmt: skip


@pytest.mark.parametrize("way", ["raw", "form", "raw with PUT", "raw with PATCH"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_the_path_leads_around_the_rules(
    spelling: str, way: str, client: Client, mattermost: StandInProcess
) -> None:
    before = stored(mattermost)
    content, headers = program(1000), client.head()
    if way == "form":
        content = form_body(field("channel_id", client.channel_id), file_part("a.pdf", content))
        headers.append(("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"))
    method = way.removeprefix("raw with ") if way.startswith("raw with ") else "POST"
    query = f"?channel_id={client.channel_id}&filename=invoice.pdf"
    target = spelling.encode().decode("latin-1")
    with Wire(client.address) as wire:
        wire.send_head(method, target + query, [*headers, ("Content-Length", str(len(content)))])
        wire.send(content)
        status = wire.response().status
    assert stored(mattermost) == before
    # The stand-in shows its web page, with 200, to whatever is none of its API.
    assert status >= 300 or not spelling.startswith("/api/v4")


@pytest.mark.parametrize("spelling", ["/api/v4/%66iles", "/%61pi/v4/file%73"])
def test_another_spelling_of_the_same_path_is_the_same(
    spelling: str, client: Client, mattermost: StandInProcess
) -> None:
    """Mattermost decodes a path before it routes, so these are uploads to it, too."""
    query = f"?channel_id={client.channel_id}&filename=a.txt"
    assert client.request("POST", spelling + query, body=b"hello").status == 201
    (upload,) = mattermost.state()["uploads"]
    assert upload["target"].startswith("/api/v4/files?")


OTHER_ENDPOINTS = [
    "/api/v4/emoji", "/api/v4/brand/image", "/api/v4/users/me/image", "/api/v4/license",
    "/api/v4/teams/{team}/image", "/api/v4/teams/{team}/import", "/api/v4/plugins",
    "/api/v4/saml/certificate/idp", "/api/v4/saml/certificate/public", "/api/v4/unheard-of",
    "/plugins/com.example/upload", "/hooks/abc", "/",
]  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "REPORT"])
@pytest.mark.parametrize("endpoint", OTHER_ENDPOINTS)
def test_no_form_gets_to_another_endpoint(
    endpoint: str, method: str, client: Client, mattermost: StandInProcess
) -> None:
    before = stored(mattermost)
    response = client.request(
        method,
        endpoint.replace("{team}", mattermost.team_id),
        ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"),
        body=form_body(file_part("a.pdf", program(1000), name="image")),
    )
    assert response.status in (403, 415) or (method == "GET" and response.status == 400)
    assert response.json()["id"].startswith("gateway.")
    assert stored(mattermost) == before
    assert asked_nothing_but_who_it_is(mattermost)


@pytest.mark.parametrize(
    "content_type",
    [
        f"Multipart/Form-Data; boundary={BOUNDARY}",
        f"multipart/mixed; boundary={BOUNDARY}",
        f" multipart/form-data ; boundary={BOUNDARY}",
        f"text/plain; multipart/form-data; boundary={BOUNDARY}",
    ],
)
@pytest.mark.parametrize("endpoint", ["/api/v4/unheard-of", "/api/v4/emoji"])
def test_no_spelling_of_a_form_gets_to_another_endpoint(
    endpoint: str, content_type: str, client: Client, mattermost: StandInProcess
) -> None:
    """It is refused as a form, or for what is in it."""
    body = form_body(file_part("a.pdf", program(1000), name="image"))
    response = client.request("POST", endpoint, ("Content-Type", content_type), body=body)
    assert response.status in (400, 415)
    assert response.json()["id"].startswith("gateway.")
    assert asked_nothing_but_who_it_is(mattermost)


def asked_nothing_but_who_it_is(mattermost: StandInProcess) -> bool:
    recent = mattermost.state()["recent"]
    return {request["endpoint"] for request in recent} <= {"GET /api/v4/users/me"}


@pytest.mark.parametrize("name", ["Content-Type", "Content-Length", "Authorization", "Host"])
@pytest.mark.parametrize("target", ["/api/v4/files?channel_id={}&filename=a.pdf", "/api/v4/emoji"])
def test_headers_that_may_come_once_come_once(
    name: str, target: str, client: Client, mattermost: StandInProcess
) -> None:
    """Of two, one reader takes the first and another the last."""
    before = stored(mattermost)
    values = {
        "Content-Type": "application/json",
        "Content-Length": "5",
        "Authorization": f"Bearer {client.token}",
    }
    headers = [*values.items(), (name, values.get(name, "chat.example"))]
    with Wire(client.address) as wire:
        wire.send_head("POST", target.format(client.channel_id), headers)
        wire.send(b"hello")
        assert wire.response().status == 400
    assert stored(mattermost) == before
    assert mattermost.state()["recent"] == []


def test_an_upload_session_that_was_begun_past_the_gateway(
    client: Client, mattermost: StandInProcess
) -> None:
    wanted = {"channel_id": client.channel_id, "filename": "a.pdf", "file_size": 1000}
    direct = Client(("127.0.0.1", mattermost.port), client.token, client.channel_id)
    upload = direct.request("POST", "/api/v4/uploads", body=json.dumps(wanted).encode()).json()
    before = stored(mattermost)
    for target in (f"/api/v4/uploads/{upload['id']}", f"/api/v4/%75ploads/{upload['id']}"):
        answer = client.request("POST", target, body=program(1000))
        assert (answer.status, answer.json()["id"]) == (409, "gateway.upload_session_unverified")
    for target in (f"/api/v4/uploads/{upload['id']}/", "/api/v4/uploads/"):
        assert client.request("POST", target, body=program(1000)).status == 403
    assert stored(mattermost) == before
    assert mattermost.state()["uploads"] == []


UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "h2c")]


@pytest.mark.parametrize("size", [5, 300_000, 3_000_000])
def test_an_upload_that_offers_an_upgrade(size: int, client: Client) -> None:
    answer = client.raw("a.txt", text(size), *UPGRADE).json()
    assert answer["file_infos"][0]["size"] == size


def test_a_chunked_upload_that_offers_an_upgrade(
    client: Client, mattermost: StandInProcess
) -> None:
    """It is refused, and nothing in its body is taken for a request of its own."""
    hidden = b"GET /api/v4/users/me HTTP/1.1\r\nHost: chat\r\n\r\n"
    before = stored(mattermost)
    with Wire(client.address) as wire:
        chunked = ("Transfer-Encoding", "chunked")
        wire.send_head("POST", client.target("a.txt"), client.head(chunked, *UPGRADE))
        with suppress(ConnectionError):
            wire.send(hidden + b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden))
        assert wire.response().status == 400
    assert stored(mattermost) == before
    assert mattermost.state()["recent"] == []


# Under a subpath.


def test_a_mattermost_under_a_subpath(tmp_path: Path) -> None:
    with (
        StandInProcess(tmp_path / "stand-in", subpath="/chat") as mattermost,
        GatewayProcess(mattermost.url, tmp_path / "gateway") as gateway,
    ):
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        assert client.request("GET", "/chat/api/v4/users/me").status == 200
        query = f"?channel_id={client.channel_id}&filename=invoice.pdf"
        target = f"/chat/api/v4/files{query}"
        assert client.request("POST", target, body=text(1000)).status == 201
        before = stored(mattermost)
        assert client.request("POST", target, body=program(1000)).status == 415
        for other in (
            "/chat//api/v4/files", "/chat/%61pi/v4/files", "/x/../chat/api/v4/files",
            "/api/v4/files", "/%63hat/api/v4/files", "/chat/../api/v4/files",
        ):  # fmt: skip
            assert client.request("POST", other + query, body=program(1000)).status >= 400
        assert stored(mattermost) == before
