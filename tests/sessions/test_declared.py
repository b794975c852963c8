"""``POST /uploads``: what is declared is judged, and holds its share of the quota."""

import io
import json
import zipfile

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.books import Books
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire

from .support import CREATED, DATA, MIB, Uploader, assert_stored, chunks_received, error, novel


def test_the_whole_size_is_reserved_until_the_file_is_complete(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    content = novel(6 * MIB)
    session = uploader.begin("a/novel.txt", len(content))
    assert books.reserved() == len(content)
    answer = uploader.send(session, content)
    assert_stored(mattermost, answer, content)
    assert answer.json()["name"] == "novel.txt"
    books.assert_exact(len(content))
    assert uploader.ask(session).status == 404


def test_mattermost_is_told_the_known_fields_and_no_others(
    uploader: Uploader, mattermost: StandInProcess
) -> None:
    """As its own client sends it, with fields that mean nothing here."""
    response = uploader.declare(
        "novel.txt",
        10,
        id="x" * 26,
        type="attachment",
        create_at=1,
        user_id="y" * 26,
        file_offset=5,
        remote_id="",
        req_file_id="",
        more={"a": [1, None]},
    )
    assert response.status == 201
    (told,) = [entry for entry in mattermost.state()["recent"] if entry["endpoint"] == CREATED]
    headers = dict(told["headers"])
    assert headers["content-type"] == "application/json"
    wanted = {
        "channel_id": uploader.client.channel_id,
        "filename": "novel.txt",
        "type": "attachment",
        "remote_id": "",
        "req_file_id": "",
        "file_size": 10,
    }
    assert int(headers["content-length"]) == len(json.dumps(wanted, separators=(",", ":")))


def test_null_says_nothing(uploader: Uploader) -> None:
    assert uploader.declare("novel.txt", 10, type=None, remote_id=None).status == 201


REFUSED = {
    "an ending that is denied": ("setup.exe", 10, {}, (403, "gateway.extension_denied")),
    "too large": ("film.mp4", 101 * MIB, {}, (413, "gateway.file_too_large")),
    "more than the quota": ("film.mp4", 41 * MIB, {}, (429, "gateway.quota_exceeded")),
    "a name that cannot be stored": ("..", 10, {}, (400, "gateway.file_name_refused")),
    "no name": ("", 10, {}, (400, "model.upload_session.is_valid.filename.app_error")),
    "no size": ("a.txt", 0, {}, (400, "model.upload_session.is_valid.file_size.app_error")),
    "a size below zero": (
        "a.txt",
        -1,
        {},
        (400, "model.upload_session.is_valid.file_size.app_error"),
    ),
    "another type": ("a.txt", 10, {"type": "Import"}, (400, "gateway.ambiguous_request")),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_is_not_told_to_mattermost(
    kind: str, uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    name, size, more, expected = REFUSED[kind]
    assert error(uploader.declare(name, size, **more)) == expected
    assert CREATED not in mattermost.state()["requests"]
    assert books.reserved() == 0


INVALID = (400, "api.context.invalid_body_param.app_error")
AMBIGUOUS = (400, "gateway.ambiguous_request")
BODIES = {
    "no body": (b"", INVALID),
    "not JSON": (b"{bad", INVALID),
    "null": (b"null", INVALID),
    "a list": (b'[{"filename":"a.txt","file_size":1}]', INVALID),
    "not UTF-8": (b'{"filename":"\xff.txt","file_size":1}', INVALID),
    "UTF-16": ('{"filename":"a.txt","file_size":1}'.encode("utf-16"), INVALID),
    "something behind it": (b'{"filename":"a.txt","file_size":1} {}', INVALID),
    "a size in a string": (b'{"filename":"a.txt","file_size":"1"}', INVALID),
    "a size with a point": (b'{"filename":"a.txt","file_size":1.0}', INVALID),
    "a size with an exponent": (b'{"filename":"a.txt","file_size":1e3}', INVALID),
    "a size that is true": (b'{"filename":"a.txt","file_size":true}', INVALID),
    "a size that is endless": (b'{"filename":"a.txt","file_size":Infinity}', INVALID),
    "a size of 65 bits": (b'{"filename":"a.txt","file_size":9223372036854775808}', INVALID),
    "a size of many digits": (b'{"filename":"a.txt","file_size":%s}' % (b"9" * 5000), INVALID),
    "a name that is a number": (b'{"filename":1,"file_size":1}', INVALID),
    "deep": (b'{"a":' * 5000 + b"1" + b"}" * 5000, INVALID),
    "long": (b'{"a":"%s"}' % (b"a" * 70_000), INVALID),
    "two names": (b'{"filename":"a.txt","filename":"a.exe","file_size":1}', AMBIGUOUS),
    "two names, one escaped": (
        b'{"filename":"a.txt","\\u0066ilename":"b","file_size":1}',
        AMBIGUOUS,
    ),
    "a second name in capitals": (b'{"filename":"a.txt","FileName":"b","file_size":1}', AMBIGUOUS),
    "a second size with a long s": (
        '{"filename":"a","file_size":1,"file_ſize":2}'.encode(),
        AMBIGUOUS,
    ),
    "a twin within": (b'{"filename":"a.txt","file_size":1,"x":{"a":1,"a":2}}', AMBIGUOUS),
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_that_is_no_declaration(
    kind: str, framing: str, uploader: Uploader, mattermost: StandInProcess
) -> None:
    body, expected = BODIES[kind]
    if framing == "chunked":
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:3], body[3:]) if p)
        client = uploader.client
        with Wire(client.address) as wire:
            head = client.head(("Transfer-Encoding", "chunked"))
            wire.send_head("POST", "/api/v4/uploads", head)
            wire.send(chunks + b"0\r\n\r\n")
            response = wire.response()
    else:
        response = uploader.say(body)
    assert error(response) == expected
    assert CREATED not in mattermost.state()["requests"]


def test_a_declaration_that_is_too_long_is_refused_unread(uploader: Uploader) -> None:
    with Wire(uploader.client.address) as wire:
        head = uploader.client.head(("Content-Length", str(70_000)), ("Expect", "100-continue"))
        wire.send_head("POST", "/api/v4/uploads", head)
        assert wire.interim() == 400


def test_what_mattermost_refuses_holds_nothing(
    uploader: Uploader, books: Books, mattermost: StandInProcess
) -> None:
    refused = uploader.declare("novel.txt", 10, channel_id="z" * 26)
    assert error(refused) == (403, "api.context.permissions.app_error")
    assert books.reserved() == 0
    mattermost.control(endpoint=CREATED, times=1, status=500, body="{}")
    assert uploader.declare("novel.txt", 10).status == 500
    mattermost.control(endpoint=CREATED, times=1, close_after=0)
    assert error(uploader.declare("novel.txt", 10)) == (502, "gateway.upstream_failed")
    mattermost.control(endpoint=CREATED, times=1, status=201, body='{"id": "x"}')
    assert error(uploader.declare("novel.txt", 10)) == (502, "gateway.upstream_failed")
    assert books.reserved() == 0
    # And what it had said before holds for the next one.
    assert uploader.send(uploader.begin("a.txt", 5), b"hello").status == 200


def test_a_used_up_quota(uploader: Uploader, books: Books, mattermost: StandInProcess) -> None:
    """Sessions share it with each other, and with other uploads."""
    first = uploader.begin("a.txt", 30 * MIB)
    assert error(uploader.declare("b.txt", 11 * MIB)) == (429, "gateway.quota_exceeded")
    assert uploader.client.raw("b.txt", novel(MIB)).status == 201
    assert uploader.client.raw("b.txt", bytes(10 * MIB)).status == 429
    second = uploader.begin("c.txt", 9 * MIB)
    assert books.reserved() == 39 * MIB
    for session, size in ((first, 30 * MIB), (second, 9 * MIB)):
        assert uploader.send(session, novel(size)).status == 200
    books.assert_exact(40 * MIB)


# Imports.


def archive(size: int) -> bytes:
    """A ZIP archive of ``size`` bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("import.jsonl", b'{"type":"version","version":1}\n')
        empty = len(file.getvalue()) + 2 * len("more.bin") + 30 + 46 + 46 + len("import.jsonl") + 22
        zipped.writestr("more.bin", bytes(size - empty))
    assert len(file.getvalue()) == size
    return file.getvalue()


def test_an_import(admin: Uploader, mattermost: StandInProcess, gateway: GatewayProcess) -> None:
    """It counts against nobody's quota, and has a largest size of its own."""
    content = archive(41 * MIB)
    before = Books(mattermost, gateway.folder, mattermost.ready["admin"])
    session = admin.begin("server.zip", len(content), channel_id="", type="import")
    assert before.reserved() == 0
    assert admin.send(session, content[:LARGE]).status == 204
    assert_stored(mattermost, admin.send(session, content[LARGE:]), content)
    assert before.charged() == before.start[0]


LARGE = 20 * MIB


def test_an_import_is_an_archive_by_its_bytes(admin: Uploader, mattermost: StandInProcess) -> None:
    session = admin.begin("server.zip", 6 * MIB, channel_id="", type="import")
    assert error(admin.send(session, novel(6 * MIB))) == (415, "gateway.type_denied")
    assert chunks_received(mattermost) == []
    large = admin.declare("server.zip", 11 * 1024 * MIB, channel_id="", type="import")
    assert error(large) == (413, "gateway.file_too_large")


def test_an_import_by_a_user(uploader: Uploader) -> None:
    refused = uploader.declare("server.zip", 10, channel_id="", type="import")
    assert error(refused) == (403, "api.context.permissions.app_error")


def test_a_stranger_declares_nothing(uploader: Uploader, mattermost: StandInProcess) -> None:
    client = Client(uploader.client.address, "y" * 26, uploader.client.channel_id)
    for target in ("/api/v4/uploads", f"/api/v4/uploads/{'z' * 26}"):
        with Wire(client.address) as wire:
            head = client.head(("Content-Length", "1000"), ("Expect", "100-continue"))
            wire.send_head("POST", target, head)
            assert wire.interim() == 401
    requests = mattermost.state()["requests"]
    assert not {CREATED, DATA} & set(requests)
