"""Files on their way back: ranges, conditions, previews, links."""

import json
import struct
from email.utils import formatdate

import pytest

from .wire import Answer, FilesApi, error_id, exchange, form

PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 40, 30) + bytes(9)
GIF = b"GIF89a" + struct.pack("<HH", 20, 10) + bytes(20)
JPEG = bytes.fromhex("ffd8ffe00004aabbffc00011080014000a03") + bytes(20)
BMP = b"BM" + bytes(16) + struct.pack("<ii", 5, -6)


def upload(files: FilesApi, content: bytes, name: str = "a.txt") -> dict[str, object]:
    answer = files.raw(content, name)
    info: dict[str, object] = json.loads(answer.body)["file_infos"][0]
    return info


def get(files: FilesApi, path: str, **headers: str) -> Answer:
    given = {key.replace("_", "-"): value for key, value in headers.items()}
    target = f"/api/v4/files/{path}"
    return exchange(files.mattermost.port, "GET", target, files.authorization | given)


@pytest.mark.parametrize(
    ("asked", "status", "content", "content_range"),
    [
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=0-9", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes= 1 - 2 ", 206, b"12", "bytes 1-2/10"),
        ("bytes=10-", 416, b"invalid range: failed to overlap\n", "bytes */10"),
        ("bytes=5-4", 416, b"invalid range\n", None),
        ("bytes=x", 416, b"invalid range\n", None),
        ("bytes=-", 416, b"invalid range\n", None),
        ("lines=0-1", 416, b"invalid range\n", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
    ],
)
def test_ranges(
    files: FilesApi, asked: str, status: int, content: bytes, content_range: str | None
) -> None:
    info = upload(files, b"0123456789")
    answer = get(files, str(info["id"]), Range=asked)
    assert (answer.status, answer.body) == (status, content)
    assert answer.header("content-range") == content_range


@pytest.mark.parametrize(
    ("condition", "status"),
    [("{last_modified}", 206), (formatdate(0, usegmt=True), 200), ('"x"', 200), ("once", 200)],
)
def test_a_part_of_what_has_not_changed(files: FilesApi, condition: str, status: int) -> None:
    file_id = str(upload(files, b"0123456789")["id"])
    condition = condition.format(last_modified=get(files, file_id).header("last-modified"))
    assert get(files, file_id, Range="bytes=8-", If_Range=condition).status == status


def test_an_empty_file(files: FilesApi) -> None:
    answer = files.raw(b"x", Content_Type="application/x-www-form-urlencoded")
    file_id = json.loads(answer.body)["file_infos"][0]["id"]
    answer = get(files, file_id, Range="bytes=0-")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("x-uncompressed-content-length") is None


def test_a_large_file_comes_back_whole(files: FilesApi) -> None:
    content = bytes(range(256)) * 10_000
    answer = get(files, str(upload(files, content)["id"]))
    assert answer.body == content


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_Modified_Since": formatdate(usegmt=True)}, 304),
        ({"If_Modified_Since": formatdate(0, usegmt=True)}, 200),
        ({"If_Modified_Since": "once"}, 200),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": '"x"', "If_Modified_Since": formatdate(usegmt=True)}, 200),
    ],
)
def test_conditions(files: FilesApi, headers: dict[str, str], status: int) -> None:
    if "If_Modified_Since" in headers and status == 304:
        headers = {"If_Modified_Since": formatdate(2**32, usegmt=True)}
    answer = get(files, str(upload(files, b"hello")["id"]), **headers)
    assert answer.status == status
    assert answer.body == (b"" if status == 304 else b"hello")


@pytest.mark.parametrize(
    ("name", "query", "content_type", "disposition"),
    [
        ("a.png", "", "image/png", "inline"),
        ("a.png", "?download=true", "image/png", "attachment"),
        ("a.svg", "", "image/svg+xml", "attachment"),
        ("a.html", "", "text/plain", "attachment"),
        ("a.js", "", "text/plain", "attachment"),
        ("a.unheard-of", "", "application/octet-stream", "attachment"),
    ],
)
def test_how_files_are_presented(
    files: FilesApi, name: str, query: str, content_type: str, disposition: str
) -> None:
    answer = get(files, f"{upload(files, b'x', name)['id']}{query}")
    assert answer.header("content-type") == content_type
    assert (answer.header("content-disposition") or "").startswith(f"{disposition};filename=")


@pytest.mark.parametrize(
    ("content", "name", "size", "has_preview"),
    [
        (PICTURE, "a.png", (40, 30), True),
        (GIF, "a.gif", (20, 10), None),
        (JPEG, "a.jpg", (10, 20), True),
        (BMP, "a.bmp", (5, 6), True),
        (PICTURE, "a.JPEG", (40, 30), True),
        (PICTURE, "a.txt", (None, None), None),
        (b"no picture", "a.png", (None, None), None),
        (PICTURE[:20], "a.png", (None, None), None),
        (JPEG[:12], "a.jpg", (None, None), None),
    ],
)
def test_what_is_told_of_pictures(
    files: FilesApi,
    content: bytes,
    name: str,
    size: tuple[int | None, int | None],
    has_preview: bool | None,
) -> None:
    info = upload(files, content, name)
    assert (info.get("width"), info.get("height")) == size
    assert info.get("has_preview_image") == has_preview
    assert (info["mini_preview"] is None) == (size == (None, None))
    for which in ("thumbnail", "preview"):
        answer = get(files, f"{info['id']}/{which}")
        assert answer.status == (400 if size == (None, None) else 200)


def test_a_picture_of_too_many_pixels_is_refused_and_removed(files: FilesApi) -> None:
    huge = PICTURE.replace(struct.pack(">II", 40, 30), struct.pack(">II", 6048, 4033))
    answer = files.raw(huge, "huge.png")
    assert error_id(answer) == "api.file.upload_file.large_image_detailed.app_error"
    assert not [o for o in files.mattermost.state()["orphans"] if o["path"].endswith("huge.png")]


def test_a_posted_file_is_for_the_members_of_the_channel(files: FilesApi) -> None:
    mattermost = files.mattermost
    file_id = str(upload(files, b"hello")["id"])

    def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        target = f"/api/v4/files/{file_id}/info"
        return exchange(mattermost.port, "GET", target, headers).status

    guest = mattermost.ready["guest"]["token"]
    assert (status(guest), status(mattermost.other_user_token)) == (403, 403)
    post = {"channel_id": mattermost.channel_id, "message": "", "file_ids": [file_id]}
    body = json.dumps(post).encode()
    headers = files.authorization | {"Content-Length": str(len(body))}
    assert exchange(mattermost.port, "POST", "/api/v4/posts", headers, body).status == 201
    assert (status(guest), status(mattermost.other_user_token)) == (200, 403)


def test_what_go_makes_of_odd_names(files: FilesApi) -> None:
    parts = (files.channel(), ('name="f"; filename="\udcff<&>.txt/"', b"x"))
    body = form(*((p.encode("utf-8", "surrogateescape").decode("latin-1"), c) for p, c in parts))
    body = body.decode("utf-8").encode("latin-1")
    answer = files.form(body)
    assert b'"name":"\xef\xbf\xbd\\u003c\\u0026\\u003e.txt"' in answer.body
    file_id = json.loads(answer.body)["file_infos"][0]["id"]
    disposition = get(files, file_id).header("content-disposition") or ""
    assert 'filename="%FF%3C&%3E.txt"' in disposition
