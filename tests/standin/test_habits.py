"""Mattermost's odd ways, which the gateway has to live with."""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess

from .conftest import MAX_FILE_SIZE
from .wire import FilesApi, connect, error_id, exchange, form, head, read_answer

TOO_LARGE = "api.file.upload_file.too_large_detailed.app_error"
UNREADABLE = "api.file.upload_file.read_request.app_error"
NOT_WRITTEN = "api.file.write_file.app_error"
EXPIRED = "api.context.session_expired.app_error"


def resident_bytes(pid: int, which: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{which}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def test_an_aborted_raw_upload_leaves_an_orphan(files: FilesApi) -> None:
    with files.open_raw(3_000_000, "cut.bin") as sock:
        sock.sendall(bytes(1_000_000))
        files.mattermost.wait_for(lambda state: state["uploads"][0]["body_bytes"] == 1_000_000)
    state = files.mattermost.wait_for(lambda state: state["uploads"][0]["status"] == 500)
    orphans = [o for o in state["orphans"] if o["path"].endswith("/cut.bin")]
    assert [o["size"] for o in orphans] == [1_000_000]
    assert not [file for file in state["files"] if file["name"] == "cut.bin"]


def test_an_aborted_form_leaves_an_orphan(files: FilesApi) -> None:
    body = form(files.channel(), ('name="files"; filename="cut-form.bin"', bytes(500_000)))
    headers = files.authorization | {
        "Content-Length": str(len(body)),
        "Content-Type": "multipart/form-data; boundary=XX",
    }
    with connect(files.mattermost.port) as sock:
        sock.sendall(head("POST", "/api/v4/files", headers) + body[:400_000])
        files.mattermost.wait_for(lambda state: state["uploads"][0]["body_bytes"] == 400_000)
    state = files.mattermost.wait_for(lambda state: state["uploads"][0]["status"] == 500)
    assert [o for o in state["orphans"] if o["path"].endswith("/cut-form.bin")]


def test_a_raw_upload_that_is_declared_a_form_becomes_an_empty_file(files: FilesApi) -> None:
    answer = files.raw(b"hello", Content_Type="application/x-www-form-urlencoded; charset=utf-8")
    assert [file["size"] for file in files.stored(answer)] == [0]


def test_a_urlencoded_body_that_cannot_be_parsed_is_refused(files: FilesApi) -> None:
    answer = files.raw(b"100%", Content_Type="application/x-www-form-urlencoded")
    assert (answer.status, error_id(answer)) == (400, UNREADABLE)


def test_the_client_id_of_a_urlencoded_body_comes_first(files: FilesApi) -> None:
    sent = files.authorization | {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": "16",
    }
    target = files.target(client_id="query")
    answer = exchange(files.mattermost.port, "POST", target, sent, b"client_id=inside")
    assert json.loads(answer.body)["client_ids"] == ["inside"]


@pytest.mark.parametrize(
    "content_type",
    ["multipart/mixed; boundary=XX", "text/plain; boundary=XX", "application/x-unheard-of"],
)
def test_what_is_no_form_data_is_stored_with_its_envelope(
    files: FilesApi, content_type: str
) -> None:
    body = form(files.channel(), ('name="files"; filename="inner.txt"', b"inner"))
    stored = files.stored(files.raw(body, "outer.txt", Content_Type=content_type))
    assert [(f["name"], f["sha256"]) for f in stored] == [
        ("outer.txt", hashlib.sha256(body).hexdigest())
    ]


def test_a_doubled_boundary_is_refused_like_any_malformed_content_type(files: FilesApi) -> None:
    answer = files.raw(b"x", Content_Type="multipart/form-data; boundary=XX; boundary=XX")
    assert (answer.status, error_id(answer)) == (400, UNREADABLE)


def test_a_malformed_query_is_refused(files: FilesApi) -> None:
    sent = files.authorization | {"Content-Length": "1"}
    target = files.target() + "&more=100%"
    answer = exchange(files.mattermost.port, "POST", target, sent, b"x")
    assert (answer.status, error_id(answer)) == (400, UNREADABLE)


def test_a_semicolon_separates_query_parameters(files: FilesApi) -> None:
    target = f"/api/v4/files?channel_id={files.mattermost.channel_id};filename=a.exe&filename=b"
    sent = files.authorization | {"Content-Length": "1"}
    stored = files.stored(exchange(files.mattermost.port, "POST", target, sent, b"x"))
    assert stored[0]["name"] == "a.exe"


def test_a_form_with_the_file_first_is_read_whole_before_anything_is_stored(
    files: FilesApi,
) -> None:
    body = form(('name="files"; filename="whole.bin"', bytes(2_000_000)), files.channel())
    before = len(files.mattermost.state()["orphans"])
    headers = files.authorization | {
        "Content-Length": str(len(body)),
        "Content-Type": "multipart/form-data; boundary=XX",
    }
    with connect(files.mattermost.port) as sock:
        sock.sendall(head("POST", "/api/v4/files", headers) + body[:-10])
        state = files.mattermost.wait_for(
            lambda state: state["uploads"][0]["body_bytes"] == len(body) - 10
        )
        assert len(state["orphans"]) == before
        sock.sendall(body[-10:])
        assert files.stored(read_answer(sock))[0]["size"] == 2_000_000


def test_a_form_that_breaks_off_while_it_is_read_whole_leaves_nothing(files: FilesApi) -> None:
    before = len(files.mattermost.state()["orphans"])
    body = form(('name="files"; filename="whole.bin"', b"x" * 1000))
    answer = files.form(body[:-30])
    assert (answer.status, error_id(answer)) == (500, UNREADABLE)
    assert len(files.mattermost.state()["orphans"]) == before


def test_a_form_with_the_channel_first_is_stored_as_it_arrives(files: FilesApi) -> None:
    body = form(files.channel(), ('name="files"; filename="stream.bin"', bytes(2_000_000)))
    headers = files.authorization | {
        "Content-Length": str(len(body)),
        "Content-Type": "multipart/form-data; boundary=XX",
    }
    with connect(files.mattermost.port) as sock:
        sock.sendall(head("POST", "/api/v4/files", headers) + body[:-10])
        files.mattermost.wait_for(
            lambda state: any(
                o["path"].endswith("/stream.bin") and o["size"] > 1_900_000
                for o in state["orphans"]
            )
        )
        sock.sendall(body[-10:])
        assert files.stored(read_answer(sock))[0]["size"] == 2_000_000


def test_a_channel_field_behind_the_file_stores_the_file_twice(files: FilesApi) -> None:
    body = form(('name="files"; filename="twice.txt"', b"x"), files.channel())
    sent = files.authorization | {
        "Content-Length": str(len(body)),
        "Content-Type": "multipart/form-data; boundary=XX",
    }
    target = f"/api/v4/files?channel_id={files.mattermost.channel_id}"
    answer = exchange(files.mattermost.port, "POST", target, sent, body)
    assert len(files.stored(answer)) == 1
    assert len([f for f in files.mattermost.state()["files"] if f["name"] == "twice.txt"]) == 2


def test_a_header_cut_short_ends_a_form_without_an_error(files: FilesApi) -> None:
    body = form(files.channel())[: -len("--XX--\r\n")] + b"--XX\r\nContent-Disposition: form-da"
    answer = files.form(body)
    assert (answer.status, answer.body) == (201, b'{"file_infos":[],"client_ids":[]}')


@pytest.mark.parametrize("name", ["x" * 252 + ".txt", "nul\0.txt"])
def test_names_that_no_file_can_have_are_answered_with_500(files: FilesApi, name: str) -> None:
    answer = files.raw(b"x", name)
    assert (answer.status, error_id(answer)) == (500, NOT_WRITTEN)


def test_too_large_by_its_declared_length_is_refused_with_the_body_unsent(
    files: FilesApi,
) -> None:
    with files.open_raw(MAX_FILE_SIZE + 1) as sock:
        answer = read_answer(sock)
    assert (answer.status, error_id(answer)) == (413, TOO_LARGE)
    assert answer.header("connection") == "close"
    assert files.mattermost.state()["uploads"][0]["body_bytes"] == 0


@pytest.mark.parametrize("excess", [1, 512])
def test_too_large_without_a_declared_length_is_stored_and_removed_again(
    tmp_path: Path, excess: int
) -> None:
    with StandInProcess(tmp_path, max_file_size=1000) as mattermost:
        files = FilesApi(mattermost)
        sent = files.authorization | {"Transfer-Encoding": "chunked"}
        size = 1000 + excess
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, bytes(size))
        answer = exchange(mattermost.port, "POST", files.target(), sent, body)
        assert (answer.status, error_id(answer)) == (413, TOO_LARGE)
        state = mattermost.state()
        assert (state["files"], state["orphans"]) == ([], [])


def test_a_form_longer_than_the_limit_breaks_off_in_the_file(tmp_path: Path) -> None:
    with StandInProcess(tmp_path, max_file_size=1000) as mattermost:
        files = FilesApi(mattermost)
        padding = ('name="client_ids"', b"x" * 600)
        body = form(files.channel(), padding, ('name="files"; filename="a.bin"', bytes(900)))
        answer = files.form(body)
        assert (answer.status, error_id(answer)) == (500, NOT_WRITTEN)
        begin = body.index(b"\0")
        assert [o["size"] for o in mattermost.state()["orphans"]] == [1000 + 512 - begin]


@pytest.mark.parametrize("who", ["nobody", "a stranger", "bob"])
def test_strangers_are_answered_with_a_large_body_unsent(files: FilesApi, who: str) -> None:
    status, authorization = {
        "nobody": (401, "Basic x"),
        "a stranger": (401, "Bearer " + "x" * 26),
        "bob": (403, f"Bearer {files.mattermost.other_user_token}"),
    }[who]
    with files.open_raw(1_000_000, Authorization=authorization) as sock:
        answer = read_answer(sock)
        assert answer.status == status
        assert answer.header("connection") == "close"
        assert sock.recv(1) == b""
    assert files.mattermost.state()["uploads"][0]["body_bytes"] == 0


def test_a_small_body_is_read_before_an_early_answer_and_the_connection_kept(
    files: FilesApi,
) -> None:
    with files.open_raw(100_000, Authorization="Basic x") as sock:
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(30)
        sock.sendall(bytes(100_000))
        assert read_answer(sock).status == 401
        sock.sendall(head("GET", "/api/v4/system/ping", {}))
        assert read_answer(sock).status == 200


def test_an_early_answer_comes_at_once_where_the_client_waits_for_100_continue(
    files: FilesApi,
) -> None:
    with files.open_raw(100, Authorization="Basic x", Expect="100-continue") as sock:
        answer = read_answer(sock)
    assert (answer.status, answer.header("connection")) == (401, "close")


def test_100_continue_is_sent_when_the_body_is_wanted(files: FilesApi) -> None:
    with files.open_raw(5, Expect="100-continue") as sock:
        assert sock.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hello")
        assert files.stored(read_answer(sock))[0]["size"] == 5


def test_raw_uploads_stream_to_the_disk(files: FilesApi) -> None:
    piece = os.urandom(2**20)
    pid = files.mattermost.pid
    before = resident_bytes(pid, "VmRSS")
    digest = hashlib.sha256()
    with files.open_raw(64 * 2**20, "large.bin") as sock:
        for _ in range(64):
            sock.sendall(piece)
            digest.update(piece)
        stored = files.stored(read_answer(sock))
    assert stored[0]["sha256"] == digest.hexdigest()
    assert resident_bytes(pid, "VmHWM") - before < 16 * 2**20


def test_the_cookie_counts_before_the_header(files: FilesApi) -> None:
    answer = files.raw(b"x", Cookie="MMAUTHTOKEN=" + "x" * 26)
    assert (answer.status, error_id(answer)) == (401, EXPIRED)
    assert answer.header("set-cookie") == "MMAUTHTOKEN=; Path=/; Max-Age=0; HttpOnly"


def log_in(mattermost: StandInProcess, **headers: str) -> tuple[dict[str, str], str]:
    """The cookies, and the token from the header."""
    body = b'{"login_id":"alice","password":"Passw0rd!"}'
    sent = {"Content-Length": str(len(body))} | headers
    answer = exchange(mattermost.port, "POST", "/api/v4/users/login", sent, body)
    pairs = [v.split(";")[0].partition("=") for k, v in answer.headers if k == "set-cookie"]
    return {name: value for name, _, value in pairs}, answer.header("token") or ""


def test_a_browser_gets_cookies_and_must_show_the_csrf_token(files: FilesApi) -> None:
    xhr = {"X-Requested-With": "XMLHttpRequest"}
    cookies, token = log_in(files.mattermost, **xhr)
    assert cookies == {
        "MMAUTHTOKEN": token,
        "MMUSERID": files.mattermost.ready["user"]["id"],
        "MMCSRF": cookies["MMCSRF"],
    }
    files.authorization = {"Cookie": f"MMAUTHTOKEN={token}"}
    assert files.raw(b"x").status == 401
    assert files.raw(b"x", X_CSRF_Token="wrong").status == 401
    assert files.raw(b"x", X_CSRF_Token=cookies["MMCSRF"]).status == 201


def test_a_script_gets_no_cookies_and_logs_out(files: FilesApi) -> None:
    cookies, token = log_in(files.mattermost)
    assert cookies == {}
    files.authorization = {"Authorization": f"BEARER {token}"}
    assert files.raw(b"x").status == 201
    port = files.mattermost.port
    assert exchange(port, "POST", "/api/v4/users/logout", files.authorization).status == 200
    assert files.raw(b"x").status == 401


def test_a_personal_access_token_can_be_made_and_revoked(files: FilesApi) -> None:
    mattermost = files.mattermost
    admin = {"Authorization": f"Bearer {mattermost.admin_token}"}

    def post(path: str, document: dict[str, str]) -> dict[str, str]:
        body = json.dumps(document).encode()
        sent = admin | {"Content-Length": str(len(body))}
        answer = exchange(mattermost.port, "POST", f"/api/v4/users{path}", sent, body)
        assert answer.status == 200
        made: dict[str, str] = json.loads(answer.body)
        return made

    made = post(f"/{mattermost.ready['user']['id']}/tokens", {"description": "for a test"})
    files.authorization = {"Authorization": f"Bearer {made['token']}"}
    assert files.raw(b"x").status == 201
    post("/tokens/revoke", {"token_id": made["id"]})
    assert files.raw(b"x").status == 401


def test_files_and_sessions_survive_a_restart_and_a_kill(tmp_path: Path) -> None:
    with StandInProcess(tmp_path) as mattermost:
        files = FilesApi(mattermost)
        port, first = mattermost.port, files.stored(files.raw(b"first"))[0]
        mattermost.restart()
        second = files.stored(files.raw(b"second"))[0]
        mattermost.kill()
        mattermost.start()
        assert mattermost.port == port
        assert mattermost.state()["files"] == [first, second]
        assert files.content(first["id"]) == b"first"


def test_a_kept_alive_connection_serves_many_requests(mattermost: StandInProcess) -> None:
    with connect(mattermost.port) as sock:
        for _ in range(3):
            sock.sendall(head("GET", "/api/v4/system/ping", {}))
            assert read_answer(sock).status == 200
    assert mattermost.state()["requests"] == {"GET /api/v4/system/ping": 3}


def test_below_a_subpath(tmp_path: Path) -> None:
    with StandInProcess(tmp_path, subpath="/chat") as mattermost:
        assert mattermost.url.endswith("/chat")
        port = mattermost.port
        bearer = {"Authorization": f"Bearer {mattermost.user_token}"}
        assert exchange(port, "GET", "/chat/api/v4/users/me", bearer).status == 200
        assert exchange(port, "GET", "/api/v4/users/me", bearer).status == 404
        stranger = {"Authorization": "Bearer " + "x" * 26}
        answer = exchange(port, "GET", "/chat/api/v4/users/me", stranger)
        assert answer.header("set-cookie") == "MMAUTHTOKEN=; Path=/chat; Max-Age=0; HttpOnly"
        assert mattermost.state()["requests"] == {
            "GET /api/v4/users/me": 1,
            "GET /chat/api/v4/users/me": 2,
        }


@pytest.mark.parametrize("target", [b"/api/v4/%zz", b"files", b"/api/v4/\x01"])
def test_a_malformed_target_is_refused(mattermost: StandInProcess, target: bytes) -> None:
    with connect(mattermost.port) as sock:
        sock.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(sock).status == 400


def test_an_absolute_target_is_served(mattermost: StandInProcess) -> None:
    with connect(mattermost.port) as sock:
        sock.sendall(head("GET", "http://else.where/api/v4/system/ping", {}))
        assert read_answer(sock).status == 200


def test_stops_cleanly(tmp_path: Path) -> None:
    mattermost = StandInProcess(tmp_path)
    mattermost.start()
    pid = mattermost.pid
    with connect(mattermost.port):
        assert mattermost.terminate() == 0
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(RuntimeError):
        _ = mattermost.pid
