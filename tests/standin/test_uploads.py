"""Upload sessions, beyond what was recorded."""

import hashlib
import json
import os
from typing import Any

import pytest

from .wire import Answer, FilesApi, connect, error_id, exchange, form, head, read_answer

MIB = 2**20
NOT_WRITTEN = "api.file.write_file.app_error"


class Sessions:
    """Upload sessions of alice, or of the administrator."""

    def __init__(self, files: FilesApi, *, as_admin: bool = False) -> None:
        self.files = files
        self.port = files.mattermost.port
        token = files.mattermost.admin_token if as_admin else files.mattermost.user_token
        self.authorization = {"Authorization": f"Bearer {token}"}

    def create(self, **fields: object) -> Answer:
        return self.post("/api/v4/uploads", json.dumps(fields).encode())

    def begin(self, size: int, name: str = "a.bin", **more: object) -> str:
        channel_id = self.files.mattermost.channel_id
        answer = self.create(channel_id=channel_id, filename=name, file_size=size, **more)
        assert answer.status == 201, answer.body
        return str(json.loads(answer.body)["id"])

    def send(self, upload_id: str, body: bytes, **headers: str) -> Answer:
        return self.post(f"/api/v4/uploads/{upload_id}", body, **headers)

    def post(self, target: str, body: bytes, **headers: str) -> Answer:
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        sent = self.authorization | {"Content-Length": str(len(body))} | given
        return exchange(self.port, "POST", target, sent, body)

    def offset(self, upload_id: str) -> int:
        target = f"/api/v4/uploads/{upload_id}"
        answer = exchange(self.port, "GET", target, self.authorization)
        return int(json.loads(answer.body)["file_offset"])

    def stored(self, answer: Answer) -> dict[str, Any]:
        assert answer.status == 200, answer.body
        file_id = json.loads(answer.body)["id"]
        [file] = [f for f in self.files.mattermost.state()["files"] if f["id"] == file_id]
        return dict(file)


@pytest.fixture
def sessions(files: FilesApi) -> Sessions:
    return Sessions(files)


def test_parts_become_one_file(sessions: Sessions) -> None:
    content = os.urandom(12 * MIB)
    upload_id = sessions.begin(len(content))
    assert sessions.send(upload_id, content[: 5 * MIB]).status == 204
    assert sessions.send(upload_id, content[5 * MIB : 6 * MIB]).status == 204
    assert sessions.offset(upload_id) == 6 * MIB
    stored = sessions.stored(sessions.send(upload_id, content[6 * MIB :]))
    assert stored["sha256"] == hashlib.sha256(content).hexdigest()
    state = sessions.files.mattermost.state()
    assert upload_id not in [upload["id"] for upload in state["upload_sessions"]]


def test_what_came_of_a_part_that_broke_off_counts(sessions: Sessions) -> None:
    mattermost = sessions.files.mattermost
    upload_id = sessions.begin(10 * MIB)
    target = f"/api/v4/uploads/{upload_id}"
    headers = sessions.authorization | {"Content-Length": str(10 * MIB)}
    with connect(sessions.port) as sock:
        sock.sendall(head("POST", target, headers) + bytes(6 * MIB))
        mattermost.wait_for(lambda s: s["uploads"] and s["uploads"][-1]["body_bytes"] == 6 * MIB)
    mattermost.wait_for(lambda s: s["uploads"][-1]["status"] == 500)
    assert sessions.offset(upload_id) == 6 * MIB
    assert sessions.stored(sessions.send(upload_id, bytes(4 * MIB)))["size"] == 10 * MIB


def test_too_small_a_first_part_leaves_nothing(sessions: Sessions) -> None:
    upload_id = sessions.begin(10 * MIB, "small.bin")
    answer = sessions.send(upload_id, bytes(1000))
    assert error_id(answer) == "app.upload.upload_data.first_part_too_small.app_error"
    assert sessions.offset(upload_id) == 0
    orphans = sessions.files.mattermost.state()["orphans"]
    assert not [o for o in orphans if o["path"].endswith("small.bin")]


def test_two_senders_at_once_are_one_too_many(sessions: Sessions) -> None:
    upload_id = sessions.begin(1000)
    headers = sessions.authorization | {"Content-Length": "1000"}
    with connect(sessions.port) as sock:
        sock.sendall(head("POST", f"/api/v4/uploads/{upload_id}", headers) + bytes(500))
        sessions.files.mattermost.wait_for(
            lambda s: s["uploads"] and s["uploads"][-1]["body_bytes"] == 500
        )
        answer = sessions.send(upload_id, bytes(1000))
        assert error_id(answer) == "app.upload.upload_data.concurrent.app_error"
        sock.sendall(bytes(500))
        assert read_answer(sock).status == 200


def test_the_first_part_of_a_form_is_the_data_whatever_it_is_called(sessions: Sessions) -> None:
    body = form(('name="client_ids"', b"0123"), ('name="data"; filename="b"', b"4567"))
    answer = sessions.send(sessions.begin(4), body, Content_Type="multipart/form-data; boundary=XX")
    assert sessions.stored(answer)["sha256"] == hashlib.sha256(b"0123").hexdigest()


def test_an_empty_boundary_makes_the_form_the_data(sessions: Sessions) -> None:
    body = form(('name="data"', b"x"))
    content_type = 'multipart/form-data; boundary=""'
    stored = sessions.stored(
        sessions.send(sessions.begin(len(body)), body, Content_Type=content_type)
    )
    assert stored["sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"x", "multipart/form-data", "api.upload.upload_data.invalid_content_type"),
        (b"x", "multipart/form-data; boundary=XX", "api.upload.upload_data.multipart_error"),
        (b"--XX--", "multipart/form-data; boundary=XX", "api.upload.upload_data.multipart_error"),
        (b"12345", "text/plain", "api.upload.upload_data.invalid_content_length"),
    ],
)
def test_data_that_is_refused(
    sessions: Sessions, body: bytes, content_type: str, expected: str
) -> None:
    answer = sessions.send(sessions.begin(4), body, Content_Type=content_type)
    assert (answer.status, error_id(answer)) == (400, expected)


def test_more_than_is_left_is_cut_off_where_no_length_is_declared(sessions: Sessions) -> None:
    upload_id = sessions.begin(4)
    headers = sessions.authorization | {"Transfer-Encoding": "chunked"}
    body = b"6\r\n123456\r\n0\r\n\r\n"
    answer = exchange(sessions.port, "POST", f"/api/v4/uploads/{upload_id}", headers, body)
    assert sessions.stored(answer)["size"] == 4


def test_somebody_elses_session(sessions: Sessions) -> None:
    upload_id = sessions.begin(4)
    assert Sessions(sessions.files, as_admin=True).send(upload_id, b"1234").status == 403


def test_an_import_by_an_administrator(files: FilesApi) -> None:
    sessions = Sessions(files, as_admin=True)
    answer = sessions.create(type="import", filename="i.zip", file_size=4)
    made = json.loads(answer.body)
    assert (made["type"], "channel_id" in made) == ("import", False)
    stored = sessions.stored(sessions.send(made["id"], b"1234"))
    assert (stored["name"], stored["size"]) == ("i.zip", 4)


@pytest.mark.parametrize(
    "raw",
    [
        '{"channel_id": "CHANNEL", "FileName": "x", "FILENAME": "a.txt", "file_size": 3}',
        '{"channel_id": "CHANNEL", "filename": "a.txt", "file_size": 3} and more',
    ],
)
def test_declarations_are_read_as_go_reads_json(sessions: Sessions, raw: str) -> None:
    body = raw.replace("CHANNEL", sessions.files.mattermost.channel_id).encode()
    answer = sessions.post("/api/v4/uploads", body)
    assert answer.status == 201
    assert json.loads(answer.body)["file_size"] == 3


@pytest.mark.parametrize("size", ['"3"', "3.0", "true", "[]", "NaN"])
def test_sizes_that_are_no_integers(sessions: Sessions, size: str) -> None:
    channel_id = sessions.files.mattermost.channel_id
    raw = f'{{"channel_id": "{channel_id}", "filename": "a", "file_size": {size}}}'
    answer = sessions.post("/api/v4/uploads", raw.encode())
    assert error_id(answer) == "api.context.invalid_body_param.app_error"


def test_open_sessions_are_listed(sessions: Sessions) -> None:
    upload_id = sessions.begin(4)
    target = "/api/v4/users/me/uploads"
    answer = exchange(sessions.port, "GET", target, sessions.authorization)
    assert upload_id in [upload["id"] for upload in json.loads(answer.body)]
