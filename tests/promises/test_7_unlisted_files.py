"""Promise 7 at addresses without a row: a file comes only where, and as, the rules let it."""

import queue
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.inspection import files
from tests.promises.plugin import (
    BOUNDARY,
    FORM,
    UPLOAD,
    Headers,
    Plugin,
    bearer,
    id_of,
    plugin_behind,
)
from tests.promises.support import cut, program, send_chunks, text
from tests.support.wire import Wire, field, form_body

LIMIT = 256 * 1024
"""Bytes of the largest file."""
PNG = files.png()
LARGE_PNG = PNG.ljust(LIMIT, b"\0")
JSON = ("Content-Type", "application/json")
FILE = ("Content-Type", "application/octet-stream")
PICTURE = ("Content-Type", "image/png")
GZIP = ("Content-Encoding", "gzip")
CHUNKED = ("Transfer-Encoding", "chunked")
ADDED = {
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "x-request-id",
    "traceparent",
}  # fmt: skip
AMBIGUOUS = (400, "gateway.ambiguous_request")
UNGUARDED = (403, "gateway.unguarded_upload")


@pytest.fixture(scope="module")
def inspecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    folder = tmp_path_factory.mktemp("inspecting")
    with plugin_behind(folder, max_file_size=str(LIMIT)) as running:
        yield running


@pytest.fixture(scope="module")
def denying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    with plugin_behind(tmp_path_factory.mktemp("denying"), unlisted_uploads="deny") as running:
        yield running


@pytest.fixture(scope="module")
def allowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    with plugin_behind(
        tmp_path_factory.mktemp("allowing"), unlisted_uploads="allow", max_file_size="1"
    ) as running:
        yield running


@pytest.fixture
def plugin(inspecting: Plugin) -> Plugin:
    inspecting.forget()
    return inspecting


def disposition(name: str) -> tuple[str, str]:
    return "Content-Disposition", f'attachment; filename="{name}"'


# A body that is the file.

HONEST: dict[str, tuple[bytes, str, Headers]] = {
    "a picture": (PNG, UPLOAD, [PICTURE]),
    "a picture of just the largest size": (LARGE_PNG, UPLOAD, [PICTURE]),
    "what says nothing of itself": (PNG, UPLOAD, []),
    "a picture named by its header": (PNG, UPLOAD, [FILE, disposition("a.png")]),
    "a picture named by its address": (PNG, "/plugins/x/a.png", [FILE]),
    "XML": (b"<?xml version='1.0'?><a/>", "/plugins/x/feed", [("Content-Type", "application/xml")]),
    "something unknown": (bytes(range(256)), "/plugins/x/chunk?n=1", [FILE]),
    "what says that it is not encoded": (PNG, UPLOAD, [PICTURE, ("Content-Encoding", "identity")]),
    "a picture to a webhook": (PNG, "/hooks/abc", [PICTURE]),
    "a picture to what may come one day": (PNG, "/api/v5/media", [PICTURE]),
    # A lie does not matter where the truth may pass.
    "a picture that says it is JSON": (PNG, UPLOAD, [JSON]),
    "text that says it is JSON": (b"hello", UPLOAD, [JSON]),
}  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "REPORT"])
@pytest.mark.parametrize("kind", HONEST)
def test_a_file_that_may_pass_goes_on_as_it_came(kind: str, method: str, plugin: Plugin) -> None:
    content, target, headers = HONEST[kind]
    headers = [("X-Twice", "1"), ("Cookie", "a=b"), *headers, ("X-Twice", "2")]
    response = plugin.send(content, *headers, target=target, method=method)
    assert (response.status, response.body) == (202, b"stored\n")
    assert [value for name, value in response.headers if name.lower() == "set-cookie"] == [
        "a=1",
        "b=2",
    ]
    received = plugin.the_one()
    assert (received.method, received.target, received.body) == (method, target, content)
    assert [header for header in received.headers if header[0] not in ADDED] == [
        ("host", "chat.example"),
        *((name.lower(), value) for name, value in headers),
        ("content-length", str(len(content))),
    ]
    line = plugin.line(response)
    assert (line["endpoint"], line["outcome"], line["reason"]) == ("unlisted", "accepted", "none")
    (file,) = line["files"]
    assert (file["size"], file["outcome"]) == (len(content), "accepted")


@pytest.mark.parametrize("content", [PNG, LARGE_PNG], ids=["small", "large"])
def test_a_file_of_unknown_length_is_received_first(content: bytes, plugin: Plugin) -> None:
    response = plugin.send(cut(content), PICTURE)
    assert response.status == 202
    received = plugin.the_one()
    assert received.body == content
    assert received.header("content-length") == str(len(content))
    assert [file["size"] for file in plugin.line(response)["files"]] == [len(content)]


# What it is, its address, its headers, and how it is refused.
REFUSED: dict[str, tuple[bytes, str, Headers, tuple[int, str]]] = {
    "a program": (program(1000), UPLOAD, [FILE], (415, "gateway.type_denied")),
    "a program for an address of the API": (
        program(1000), "/api/v4/unheard-of", [FILE], (415, "gateway.type_denied")
    ),
    "a program that says it is a picture": (
        program(1000), UPLOAD, [PICTURE], (415, "gateway.type_denied")
    ),
    "a program named .png": (
        program(1000), UPLOAD, [PICTURE, disposition("a.png")], (415, "gateway.content_mismatch")
    ),
    "a program at an address like a picture's": (
        program(1000), "/plugins/x/a.png", [PICTURE], (415, "gateway.content_mismatch")
    ),
    "a denied ending in the header": (
        b"\0", UPLOAD, [FILE, disposition("a.exe")], (403, "gateway.extension_denied")
    ),
    "a denied ending in the query": (
        PNG, UPLOAD + "?x=1&filename=setup.exe", [PICTURE], (403, "gateway.extension_denied")
    ),
    "a denied ending in another parameter": (
        PNG, UPLOAD + "?name=setup.msi", [PICTURE], (403, "gateway.extension_denied")
    ),
    "a denied ending in the address": (
        PNG, "/plugins/x/setup%2Eexe", [PICTURE], (403, "gateway.extension_denied")
    ),
    "two names": (PNG, UPLOAD + "?filename=a.png", [FILE, disposition("a.exe")], AMBIGUOUS),
    "a name that shows backwards": (
        PNG, UPLOAD + "?filename=%E2%80%AEgpj.exe", [FILE], (400, "gateway.file_name_refused")
    ),
    "too much": (LARGE_PNG + b"\0", UPLOAD, [PICTURE], (413, "gateway.file_too_large")),
    # Lies.
    "a program that says nothing": (program(1000), UPLOAD, [], (415, "gateway.type_denied")),
    "a program that says it is JSON": (program(1000), UPLOAD, [JSON], (415, "gateway.type_denied")),
    "a program that says it is text": (
        program(1000), UPLOAD, [("Content-Type", "text/plain")], (415, "gateway.type_denied")
    ),
    "a program as curl sends it": (
        program(1000), UPLOAD, [("Content-Type", "application/x-www-form-urlencoded")],
        (415, "gateway.type_denied"),
    ),
    "a program that says what nobody understands": (
        program(1000), UPLOAD, [("Content-Type", "?")], (415, "gateway.type_denied")
    ),
    "a program to a webhook, as JSON": (
        program(1000), "/hooks/abc", [JSON], (415, "gateway.type_denied")
    ),
    "what is encoded": (
        PNG, UPLOAD, [PICTURE, GZIP], (415, "gateway.content_encoding_refused")
    ),
    "a form that is encoded": (
        form_body(field("a", "b")), UPLOAD, [FORM, ("Content-Encoding", "deflate")],
        (415, "gateway.content_encoding_refused"),
    ),
    # Deflate can be written in letters and digits only.
    "text that is encoded": (
        b"hello", UPLOAD, [("Content-Type", "text/plain"), GZIP],
        (415, "gateway.content_encoding_refused"),
    ),
    "a PDF that says it is text": (
        files.pdf(), UPLOAD + "?name=a.exe", [("Content-Type", "text/plain")],
        (403, "gateway.extension_denied"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("kind", REFUSED)
def test_nothing_of_a_file_that_may_not_pass_arrives(
    kind: str, chunked: bool, plugin: Plugin
) -> None:
    content, target, headers, expected = REFUSED[kind]
    response = plugin.send(cut(content) if chunked else content, *headers, target=target)
    assert id_of(response) == expected
    assert plugin.received == []
    line = plugin.line(response)
    assert (line["endpoint"], line["status"], line["outcome"]) == (
        "unlisted", response.status, "refused"
    )  # fmt: skip


def test_a_declared_type_is_compared_where_the_rules_say_so(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("strict")
    mismatch = (415, "gateway.content_mismatch")
    with plugin_behind(folder, extension_agreement="strict") as plugin:
        assert id_of(plugin.send(PNG, ("Content-Type", "application/pdf"))) == mismatch
        for name in ("a", ""):
            lie = form_body(part("x", PNG, filename=name, content_type="application/pdf"))
            assert id_of(plugin.send(lie, FORM)) == mismatch
        assert plugin.received == []
        assert plugin.send(PNG, PICTURE).status == 202


def test_what_is_too_large_by_its_length_need_not_be_sent(plugin: Plugin) -> None:
    assert id_of(plugin.head_only(FILE, size=LIMIT + 1)) == (413, "gateway.file_too_large")
    assert plugin.received == []


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
@pytest.mark.parametrize(
    ("body", "headers"),
    [(PNG, [PICTURE]), (program(1000), [JSON]), (form_body(field("a", "b")), [FORM])],
)
def test_a_file_with_a_method_that_carries_none(
    body: bytes, headers: Headers, method: str, plugin: Plugin
) -> None:
    assert id_of(plugin.send(body, *headers, method=method)) == AMBIGUOUS
    assert plugin.received == []


# What begins as text, and goes on as something else.


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_lie_that_comes_piece_by_piece(
    chunked: bool, content_type: str | None, plugin: Plugin
) -> None:
    """Nothing arrives but its beginning, which was true, and that is no whole request."""
    arrived: queue.Queue[bytes] = queue.Queue()
    plugin.origin.answer = lambda visit: arrived.put(visit.read_all())
    headers = [] if content_type is None else [("Content-Type", content_type)]
    first, rest = b'["', program(1000)
    size = ("Content-Length", str(len(first + rest)))
    with Wire(plugin.gateway.address) as wire:
        wire.send_head("POST", UPLOAD, [*headers, CHUNKED if chunked else size])
        wire.send(b"2\r\n%s\r\n" % first if chunked else first)
        wire.wait_until_taken()
        if chunked:
            send_chunks(wire, [rest])
        else:
            wire.send(rest)
        response = wire.response()
    assert id_of(response) == AMBIGUOUS
    assert "Content-Type" in response.json()["message"]
    assert arrived.get(timeout=10) == (b"2\r\n%s\r\n" % first if chunked else first)
    line = plugin.line(response)
    assert (line["endpoint"], line["outcome"]) == ("unlisted", "refused")


def test_bytes_one_by_one(plugin: Plugin) -> None:
    body = b'{"a": "' + program(100)
    arrived: queue.Queue[bytes] = queue.Queue()
    plugin.origin.answer = lambda visit: arrived.put(visit.read_all())
    with Wire(plugin.gateway.address) as wire:
        wire.send_head("POST", UPLOAD, [JSON, ("Content-Length", "1000000")])
        with suppress(ConnectionError):
            for start in range(len(body)):
                wire.send(body[start : start + 1])
                wire.wait_until_taken()
        assert id_of(wire.response()) == AMBIGUOUS
    assert arrived.get(timeout=10) == b'{"a": "MZ'


# Forms.


def forwarded(plugin: Plugin) -> list[bytes]:
    """The parts that arrived, in framing of the gateway's own."""
    received = plugin.the_one()
    content_type = received.header("content-type") or ""
    boundary = content_type.removeprefix("multipart/form-data; boundary=")
    assert re.fullmatch("[0-9a-f]{32}", boundary)
    delimiter = b"--%s" % boundary.encode()
    begin, *parts, end = received.body.split(delimiter)
    assert (begin, end) == (b"", b"--\r\n")
    return [part[2:-2] for part in parts]


def part(name: str, content: bytes, *, filename: str = "", content_type: str = "") -> bytes:
    lines = f'Content-Disposition: form-data; name="{name}"'
    if filename:
        lines += f'; filename="{filename}"'
    if content_type:
        lines += f"\r\nContent-Type: {content_type}"
    return lines.encode() + b"\r\n\r\n" + content


ANY = "application/octet-stream"
FORMS: dict[str, list[bytes]] = {
    "a file": [part("file", PNG, filename="a.png", content_type="image/png")],
    "a file of no type": [part("file", PNG, filename="a.png", content_type=ANY)],
    "a file, and values around it": [
        part("a", b"1"),
        part("file", PNG, filename="a.png", content_type=ANY),
        part("b", "Grüße\r\n--".encode()),
        part("a", b""),
    ],
    "two files": [
        part("x", b"\0\1", filename="a.bin", content_type=ANY),
        part("x", LARGE_PNG[:-2], filename="b.png", content_type="image/png; x=y"),
    ],
    "an empty file": [part("x", b"", filename="a.bin", content_type=ANY)],
    "a file without a name": [part("x", PNG, content_type="image/png")],
    "a value that is a file": [part("x", PNG)],
    "JSON beside a file": [
        part("meta", b'{"a": 1}', content_type="application/json"),
        part("x", PNG, filename='a "b" \\\\ ü.png', content_type=ANY).replace(b'"b"', b'\\"b\\"'),
    ],
    "no file": [part("text", b"Hello"), part("username", b"bot")],
    "a long text": [part("attachments", b'[{"text": "' + text(300_000) + b'"}]')],
    "a value that is no UTF-8": [part("x", b"\xfc\xff")],
    "no part at all": [],
}  # fmt: skip


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("target", [UPLOAD, "/hooks/abc", "/api/v4/new"])
@pytest.mark.parametrize("kind", FORMS)
def test_a_form_that_may_pass(kind: str, target: str, chunked: bool, plugin: Plugin) -> None:
    """The parts are the same, the framing is the gateway's, and nothing else has changed."""
    parts, query = FORMS[kind], "?a=1&a=2"
    body = form_body(*parts)
    headers = [("X-Twice", "1"), ("Cookie", "a=b"), FORM, ("x-twice", "2")]
    response = plugin.send(cut(body) if chunked else body, *headers, target=target + query)
    assert (response.status, response.body) == (202, b"stored\n")
    assert forwarded(plugin) == parts
    received = plugin.the_one()
    assert received.target == target + query
    kept = {"host", "x-twice", "cookie"}
    assert [header for header in received.headers if header[0] in kept] == [
        ("host", "chat.example"), ("x-twice", "1"), ("cookie", "a=b"), ("x-twice", "2")
    ]  # fmt: skip
    line = plugin.line(response)
    assert (line["endpoint"], line["outcome"]) == ("unlisted", "accepted")
    contents = [part.partition(b"\r\n\r\n")[2] for part in parts if is_file(part)]
    assert [file["size"] for file in line.get("files", [])] == [*map(len, contents)]


def is_file(part: bytes) -> bool:
    return b"filename=" in part or b"PNG" in part


def test_what_a_form_says_in_other_words(plugin: Plugin) -> None:
    """Odd spellings, odd headers and paths are not passed on."""
    odd = b'X-Odd: 1\r\ncontent-disposition:form-data;filename="/tmp/a.png" ; NAME=x\r\n\r\n' + PNG
    assert plugin.send(form_body(odd), FORM).status == 202
    assert forwarded(plugin) == [part("x", PNG, filename="a.png", content_type=ANY)]


REFUSED_FORMS: dict[str, tuple[list[bytes], tuple[int, str]]] = {
    "a program": (
        [part("x", program(1000), filename="a", content_type="image/png")],
        (415, "gateway.type_denied"),
    ),
    "a program named .png": (
        [part("x", program(1000), filename="a.png")], (415, "gateway.content_mismatch")
    ),
    "a program behind a picture": (
        [part("a", b"b"), part("x", PNG, filename="a.png"), part("x", program(9), filename="b")],
        (415, "gateway.type_denied"),
    ),
    "a program that says it is a value": (
        [part("x", program(1000))], (415, "gateway.type_denied")
    ),
    "a program that says it is JSON": (
        [part("x", program(1000), content_type="application/json")], (415, "gateway.type_denied")
    ),
    "a program without a name": (
        [part("x", program(1000), content_type="application/exe")], (415, "gateway.type_denied")
    ),
    "a denied ending": (
        [part("x", b"hello", filename="a.txt"), part("x", b"hello", filename="b.bat")],
        (403, "gateway.extension_denied"),
    ),
    "too much": ([part("x", LARGE_PNG + b"\0", filename="a.png")], (413, "gateway.file_too_large")),
    "too much together": (
        [part("x", LARGE_PNG[1:], filename="a.bin"), part("y", b"\0\0")],
        (413, "gateway.file_too_large"),
    ),
    "a form within it": (
        [part("x", PNG, filename="a.png", content_type="multipart/related; boundary=y")], AMBIGUOUS
    ),
    "two names": ([part("x", PNG, filename='a.png"; filename="b.exe')], AMBIGUOUS),
    "a name that shows backwards": (
        [part("x", PNG, filename="\u202egpj.exe")], (400, "gateway.file_name_refused")
    ),
    "an encoding": (
        [b"Content-Transfer-Encoding: base64\r\n" + part("x", b"TVo=", filename="a.png")], AMBIGUOUS
    ),
    "something behind it": ([PNG + b"\r\n--XboundaryX--\r\n"], AMBIGUOUS),
}  # fmt: skip


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("kind", REFUSED_FORMS)
def test_nothing_of_a_form_that_may_not_pass_arrives(
    kind: str, chunked: bool, plugin: Plugin
) -> None:
    parts, expected = REFUSED_FORMS[kind]
    body = form_body(*parts)
    response = plugin.send(cut(body) if chunked else body, FORM)
    assert id_of(response) == expected
    assert plugin.received == []
    assert plugin.line(response)["endpoint"] == "unlisted"


@pytest.mark.parametrize("target", [UPLOAD, "/hooks/abc", "/api/v4/new"])
@pytest.mark.parametrize(
    "content_type",
    [
        f"multipart/mixed; boundary={BOUNDARY}",
        f"multipart/related; boundary={BOUNDARY}",
        f"multipart; boundary={BOUNDARY}",
        f"multipart/form-data; boundary={BOUNDARY}; boundary=y",
        f"multipart/form-data; boundary*=UTF-8''{BOUNDARY}",
        f"multipart/form-data, application/json; boundary={BOUNDARY}",
        f"application/json, multipart/form-data; boundary={BOUNDARY}",
        f"text/plain; x=multipart/form-data; boundary={BOUNDARY}",
    ],
)
def test_a_form_that_not_everybody_reads_like_that(
    content_type: str, target: str, plugin: Plugin
) -> None:
    body = form_body(part("x", PNG, filename="a.png"))
    response = plugin.send(body, ("Content-Type", content_type), target=target)
    assert id_of(response) == AMBIGUOUS
    assert plugin.received == []


def test_a_form_that_is_cut_off(plugin: Plugin) -> None:
    body = form_body(part("x", PNG, filename="a.png"), part("a", b"b"))
    for end in range(0, len(body) - 2, 9):
        assert plugin.send(body[:end] or [b"-"], FORM).status == 400
    assert plugin.received == []


def test_a_form_with_more_than_there_is_room_for(plugin: Plugin) -> None:
    values = [part(str(number), text(6 * 2**20)) for number in range(2)]
    response = plugin.send(form_body(*values), FORM)
    assert id_of(response) == AMBIGUOUS
    assert "10 MiB" in response.json()["message"]
    assert id_of(plugin.head_only(FORM, size=LIMIT + 30 * 2**20)) == (413, "gateway.file_too_large")
    assert plugin.received == []


# The other settings.


@pytest.mark.parametrize("headers", [[FILE], [PICTURE], [FORM], [("Content-Type", "a/xml")]])
def test_denied_before_anything_is_sent(headers: Headers, denying: Plugin) -> None:
    denying.forget()
    response = denying.head_only(*headers, bearer("nobody"))
    assert id_of(response) == UNGUARDED
    assert denying.received == []
    assert denying.line(response)["endpoint"] == "unlisted"
    assert denying.gateway.metric("upload_gateway_session_lookups_total") == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
@pytest.mark.parametrize("headers", [[], [JSON], [("Content-Type", "text/plain")]])
def test_denied_as_soon_as_it_shows(headers: Headers, method: str, denying: Plugin) -> None:
    denying.forget()
    assert id_of(denying.send(b"{}", GZIP, *headers, method=method)) == UNGUARDED
    for body in (PNG, program(1000), files.pdf()):
        assert id_of(denying.send(body, *headers, method=method)) == UNGUARDED
        assert id_of(denying.send(cut(body), *headers, method=method)) == UNGUARDED
    assert denying.received == []


ANYTHING = [(program(1000), []), (program(1000), [JSON]), (LARGE_PNG, [PICTURE]),
            (form_body(part("x", program(9), filename="a.exe")), [FORM]), (b"-", [FORM]),
            (b"x", [("Content-Type", "multipart/mixed")]), (b"hello", [GZIP])]  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
@pytest.mark.parametrize(("body", "headers"), ANYTHING)
def test_allowed_as_it_is(body: bytes, headers: Headers, method: str, allowing: Plugin) -> None:
    allowing.forget()
    response = allowing.send(body, *headers, bearer("nobody"), method=method)
    assert response.status == 202
    received = allowing.the_one()
    assert received.body == body
    assert received.header("content-type") == dict(headers).get("Content-Type")
    assert allowing.line(response)["endpoint"] == "passthrough"


# What is no setting's to decide.


@pytest.mark.parametrize("body", [PNG, program(1000)])
@pytest.mark.parametrize("headers", [[FILE], [JSON], [], [FORM]])
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", "/api/v4/emoji"),
        ("DELETE", "/api/v4/emoji"),
        ("GET", "/api/v4/files"),
        ("OPTIONS", "/api/v4/users/u/image"),
        ("POST", "/chat/api/v4/files"),
        ("POST", "/plugins/x/api/v4/emoji/"),
        ("POST", "/api/v4/files/abc"),
        ("PUT", "/files/abc/public"),
    ],
)
def test_addresses_of_the_table_stay_closed(
    method: str, target: str, headers: Headers, body: bytes, plugin: Plugin, allowing: Plugin
) -> None:
    allowing.forget()
    for each in (plugin, allowing):
        assert id_of(each.send(body, *headers, method=method, target=target)) == UNGUARDED
        assert each.received == []


@pytest.mark.parametrize("handling", ["inspect", "allow"])
def test_only_the_table_is_served_to_uploads(handling: str, folder: Path) -> None:
    with plugin_behind(folder, mode="uploads", unlisted_uploads=handling) as plugin:
        for headers in ([FILE], [FORM], [JSON]):
            assert id_of(plugin.head_only(*headers)) == (404, "gateway.not_served")
        assert id_of(plugin.send(PNG, PICTURE, target="/api/v4/files/abc")) == UNGUARDED
        assert plugin.received == []


def test_an_answer_of_any_size_and_kind(plugin: Plugin) -> None:
    """It is streamed, not collected."""
    plugin.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + bytes(5_000_000)
    assert plugin.send(PNG, PICTURE).body == bytes(5_000_000)
    plugin.answer = b"HTTP/1.1 303 See Other\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"
    response = plugin.send(form_body(part("x", PNG, filename="a.png")), FORM)
    assert (response.status, response.header("location")) == (303, "/x")
    plugin.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    assert plugin.send(PNG, PICTURE).status == 204
