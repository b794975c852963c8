"""Every row of docs/http.md: what it refuses is refused, and what holds the others is there."""

import re
from pathlib import Path

import pytest

from gateway.edge.protocol import HEAD_LIMIT
from gateway.standin.process import StandInProcess
from tests.support.wire import Client, Wire

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "http.md").read_text()

HEAD = b"POST TARGET HTTP/1.1\r\nHost: chat\r\nAuthorization: Bearer TOKEN\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH = b"Content-Length: 5\r\n\r\nhello"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


def coded(*codings: bytes) -> bytes:
    lines = b"".join(b"Transfer-Encoding: %s\r\n" % coding for coding in codings)
    return HEAD + lines + b"\r\n" + CHUNKS


def with_header(*lines: bytes) -> bytes:
    return HEAD + b"".join(line + b"\r\n" for line in lines) + LENGTH


def of_host(*lines: bytes) -> bytes:
    return with_header(*lines).replace(b"Host: chat\r\n", b"")


def to(target: bytes, method: bytes = b"POST") -> bytes:
    return (HEAD + LENGTH).replace(b"POST TARGET", method + b" " + target)


def requested(path: bytes) -> bytes:
    return to(path + b"?QUERY")


REQUESTS = {
    "`Transfer-Encoding` whose last coding is not `chunked`, or that names `chunked` twice": [
        coded(b"identity"), coded(b"gzip"), coded(b"xchunked"), coded(b"chunked, gzip"),
        coded(b"chunked, chunked"), coded(b"chunked,"), coded(b'"chunked"'), coded(b"chunked;q=1"),
        coded(b""), coded(b"\x0bchunked"), coded(b"chunked\t"), coded(b"chunked, identity"),
    ],
    "`Transfer-Encoding` with another coding before `chunked`": [
        coded(b"gzip, chunked"), coded(b"identity, chunked"), coded(b", chunked"),
        coded(b"deflate,chunked"),
    ],
    "`Transfer-Encoding` on several lines": [
        coded(b"gzip", b"chunked"), coded(b"chunked", b"chunked"), coded(b"chunked", b"identity"),
    ],
    "`Transfer-Encoding` beside `Content-Length`": [
        with_header(b"Transfer-Encoding: chunked"),
        HEAD + b"Content-Length: 15\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 15\r\n\r\n" + CHUNKS,
        with_header(b"Transfer-Encoding: "),
    ],
    "`Transfer-Encoding` in HTTP/1.0": [
        coded(b"chunked").replace(b"HTTP/1.1", b"HTTP/1.0"),
        coded(b"gzip, chunked").replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    "`Content-Length` that is no number, or more than one": [
        with_header(b"Content-Length: 5"),
        *(
            (HEAD + LENGTH).replace(b"Length: 5", b"Length: " + length)
            for length in (b"+5", b"-5", b"0x5", b"5, 5", b"5 5", b"", b"five", b"9" * 30)
        ),
    ],
    "a chunk whose size is not plainly written, or that does not end where it should": [
        CHUNKED + chunks + b"0\r\n\r\n"
        for chunks in (
            b"0x5\r\nhello\r\n", b"+5\r\nhello\r\n", b" 5\r\nhello\r\n", b"5 \r\nhello\r\n",
            b"f" * 17 + b"\r\nhello\r\n", b"\r\nhello\r\n", b"5\nhello\r\n", b"5\r\nhello\n",
            b"5\r\nhello!\r\n", b"5;\0\r\nhello\r\n", b"5;a\nb\r\nhello\r\n",
        )
    ],
    "a length or a coding among the trailers": [
        CHUNKED + b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n\r\n"
        for trailer in (b"Content-Length: 5", b"Transfer-Encoding: chunked")
    ],
    "more than 64 KiB of chunk extensions or trailers at a stretch": [
        CHUNKED + b"5;x=" + bytes(HEAD_LIMIT).replace(b"\0", b"y") * 4,
        CHUNKED + b"0\r\n" + b"X-Trailer: 1\r\n" * HEAD_LIMIT,
    ],
    "a head of more than 64 KiB": [with_header(b"X: " + b"y" * HEAD_LIMIT)],
    "a file with a `Content-Encoding` other than `identity`": [
        with_header(b"Content-Encoding: gzip"),
        with_header(b"Content-Encoding: br"),
        with_header(b"Content-Encoding: x-something"),
        with_header(b"Content-Encoding: identity, gzip"),
        with_header(b"Content-Encoding: identity", b"Content-Encoding: gzip"),
        with_header(b"Content-Encoding: gzip").replace(b"TARGET", b"/api/v4/users/me/image"),
        with_header(b"Content-Encoding: gzip").replace(b"TARGET", b"/plugins/x/upload"),
        with_header(b"Content-Encoding: gzip", b"Content-Type: application/json").replace(
            b"TARGET", b"/hooks/abc"
        ),
        with_header(b"Content-Encoding: identity", b"Content-Encoding: gzip").replace(
            b"TARGET", b"/plugins/x/upload"
        ),
    ],
    "a file in a `GET`, `HEAD` or `OPTIONS` request": [
        with_header(b"Content-Type: image/png").replace(b"POST TARGET", b"GET /plugins/x"),
        with_header(b"Content-Type: image/png").replace(b"POST TARGET", b"OPTIONS /hooks/abc"),
        with_header(b"Content-Type: image/png").replace(b"POST", b"GET"),
        with_header(b"Content-Type: multipart/form-data; boundary=x").replace(b"POST", b"GET"),
    ],
    "no `Host` in HTTP/1.1, or one that is no host": [
        of_host(),
        *(
            of_host(b"Host: " + host)
            for host in (
                b"a b", b"a/b", b"a@b", b"a, b", b"a:b", b"a:80:80", b"http://a", b"a:123456",
                b"[::1", b"[chat]", b"a\xe9", b"a\\b", b"a;b", b"a" * 300, b"a%20b",
            )
        ),
    ],
    "a second `Authorization`, `Content-Type` or `Host`": [
        with_header(b"Authorization: Bearer x"),
        with_header(b"Host: chat"),
        with_header(b"Content-Type: text/plain", b"Content-Type: text/plain"),
        with_header(b"Host: elsewhere").replace(b"TARGET", b"/api/v4/users/me"),
    ],
    "`access_token` twice in the query": [
        to(b"/api/v4/files?QUERY&access_token=TOKEN&access_token=TOKEN").replace(b"Bearer", b"x"),
        to(b"/api/v4/files?QUERY&access_token=TOKEN&access_token=x").replace(b"Bearer", b"x"),
        to(b"/api/v4/files?QUERY&access_token=TOKEN&access_token=TOKEN"),
    ],
    "an address as target that is not the `Host`'s": [
        requested(b"http://elsewhere/api/v4/files"),
        requested(b"http://chat:80/api/v4/files"),
        to(b"http://elsewhere/api/v4/users/me", b"GET"),
    ],
    "an address as target with another scheme, a user name or no host": [
        requested(b"ftp://chat/api/v4/files"),
        requested(b"http://a:b@chat/api/v4/files"),
        requested(b"http:///api/v4/files"),
        requested(b"http:/api/v4/files"),
    ],
    "a target that is neither a path nor an address": [
        requested(b"api/v4/files"), to(b"?QUERY"), to(b"chat:80", b"CONNECT"), to(b"chat:80"),
    ],
    "a target with a fragment": [
        to(b"/api/v4/files?QUERY#x"), to(b"/api/v4/files#x?QUERY"), to(b"http://chat/x#y", b"GET"),
    ],
    "the target `*` for anything but `OPTIONS`": [to(b"*"), to(b"*", b"GET"), to(b"*?QUERY")],
    "a path with `//`, dot segments, an encoded slash or a backslash, however they are spelled": [
        requested(path)
        for path in (
            b"//api/v4/files", b"/api/v4//files", b"/api/v4/./files", b"/api/v4/x/../files",
            b"/api/v4/%2e/files", b"/api/v4/%2E./files", b"/api/v4%2ffiles", b"/api/v4%2Ffiles",
            b"/api/v4\\files", b"/api/v4%5Cfiles", b"/api/v4/files//", b"/api/v4/files/.",
            b"http://chat//api/v4/files",
        )
    ],
    "a path with a broken encoding or an encoded control character": [
        requested(path)
        for path in (
            b"/api/v4/files%", b"/api/v4/files%6", b"/api/v4/files%zz", b"/api/v4/files%00",
            b"/api/v4/files%0d%0aX:1", b"/api/v4/files%7f",
        )
    ],
    "`TRACE`, and `CONNECT` with a path": [
        to(b"/api/v4/files?QUERY", b"TRACE"), to(b"/api/v4/users/me", b"TRACE"),
        to(b"/api/v4/files?QUERY", b"CONNECT"), to(b"/api/v4/users/me", b"CONNECT"),
    ],
    "a method that no standard knows": [to(b"/api/v4/files?QUERY", b"UPLOAD")],
    "an `Expect` other than `100-continue`": [
        with_header(b"Expect: 200-ok"), with_header(b"Expect: 100-continue, 200-ok"),
        with_header(b"Expect: ").replace(b"TARGET", b"/api/v4/users/me"),
    ],
    "an offered upgrade beside a chunked body": [
        HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    "another version than HTTP/1.0 and HTTP/1.1": [
        b"GET /api/v4/users/me\r\n\r\n",
        *(
            with_header().replace(b"HTTP/1.1", version)
            for version in (b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.2", b"HTTP/11.1", b"http/1.1")
        ),
    ],
    "a bare line feed, a folded line, a blank before a colon": [
        (HEAD + LENGTH).replace(b"\r\n", b"\n"),
        with_header(b"X-One: 1\nX-Two: 2"),
        (HEAD + LENGTH).replace(b"\r\n\r\n", b"\r\n\n"),
        with_header(b"X-One: 1", b" 2"),
        with_header(b"X-One: 1", b"\t2"),
        with_header(b"X-One : 1"),
        with_header(b"X-One\t: 1"),
        with_header(b" X-One: 1"),
    ],
    "a header's name with characters that are not for names": [
        with_header(b"X%sOne: 1" % odd)
        for odd in (b" ", b"(", b"@", b"/", b"\0", b"\x7f", b"\xe9", b"{", b'"')
    ]
    + [with_header(b": 1"), with_header(b"X-One")],
    "NUL, CR or another control character in a header": [
        with_header(b"X-One: 1%s2" % odd) for odd in (b"\0", b"\r", b"\x01", b"\x0b", b"\x7f")
    ],
    "a control character in a file's name": [
        to(b"/api/v4/files?channel_id=CHANNEL&filename=" + name)
        for name in (b"a%0d%0aX-One:1.txt", b"a%0a.txt", b"a%00.txt", b"a%1b.txt", b"a%7f.txt")
    ],
}  # fmt: skip


def rows(marker: str) -> dict[str, tuple[str, str]]:
    """The rows of a table of the page, by their first cell."""
    (table,) = re.findall(rf"^<!-- {marker} -->\n((?:\|.*\n)+)", PAGE, re.M)
    cells = [line.strip("|").split(" | ") for line in table.splitlines()[2:]]
    return {first.strip(): (second.strip(), third.strip()) for first, second, third in cells}


REFUSED = rows("refused")
SENT = [(row, request) for row, requests in REQUESTS.items() for request in requests]


def test_every_row_is_tried() -> None:
    assert list(REQUESTS) == list(REFUSED)
    assert all(REQUESTS.values())


@pytest.mark.parametrize(("row", "request_"), SENT, ids=[str(n) for n in range(len(SENT))])
def test_what_is_refused(
    row: str, request_: bytes, client: Client, mattermost: StandInProcess
) -> None:
    query = f"channel_id={client.channel_id}&filename=a.txt".encode()
    sent = request_.replace(b"TARGET", b"/api/v4/files?QUERY").replace(b"QUERY", query)
    sent = sent.replace(b"TOKEN", client.token.encode())
    sent = sent.replace(b"CHANNEL", client.channel_id.encode())
    with Wire(client.address) as wire:
        wire.send(sent)
        response = wire.response()
    got = f"{response.status} `{response.json()['id']}`"
    assert got in REFUSED[row][0].split(", ")
    assert mattermost.state()["uploads"] == []
    forwarded = [entry["endpoint"] for entry in mattermost.state()["recent"]]
    assert set(forwarded) <= {"GET /api/v4/users/me"}  # asked by the gateway itself


@pytest.mark.parametrize(
    ("row", "test"), [(row, cells[1]) for row, cells in rows("passed on").items()]
)
def test_what_holds_a_row_is_there(row: str, test: str) -> None:
    file, name = test.split("::")
    (module,) = (ROOT / "tests").glob(f"*/{file}")
    assert re.search(rf"^(async )?def {name}\(", module.read_text(), re.M), row
