"""Mattermost's place in the benchmark: takes whole uploads, counts their bytes, answers at once.

Run as ``python -m bench.sink PORT``. ``GET /bench/received`` gives what has arrived so far.
"""

import asyncio
import json
import sys
from typing import Protocol, cast

import uvloop

USER_ID = "nc3abyw8hpb69gd7mkr9s4ktur"
FILE_ID = "a1f8bmtwktfhmqnc4q3jt1ycxe"
PING_PATH = "/api/v4/system/ping"
ME_PATH = "/api/v4/users/me"
FILES_PATH = "/api/v4/files"
ALLOW_PATH = "/bench/allow"
TRACES_PATH = "/v1/traces"
RECEIVED_PATH = "/bench/received"

PING = json.dumps({"AndroidLatestVersion": "", "IosLatestVersion": "", "status": "OK"})
ME = json.dumps(
    {
        "id": USER_ID,
        "create_at": 1795373950188,
        "update_at": 1795373950188,
        "delete_at": 0,
        "username": "bench",
        "auth_data": "",
        "auth_service": "",
        "email": "bench@example.test",
        "nickname": "",
        "first_name": "",
        "last_name": "",
        "position": "",
        "roles": "system_user",
        "last_password_update": 1795373950188,
        "locale": "en",
        "disable_welcome_email": False,
    }
)


def uploaded(size: int) -> str:
    """Mattermost's answer to an upload of one file of ``size`` bytes."""
    info = {
        "id": FILE_ID,
        "user_id": USER_ID,
        "channel_id": "",
        "create_at": 1795377769010,
        "update_at": 1795377769010,
        "delete_at": 0,
        "name": "upload.png",
        "extension": "png",
        "size": size,
        "mime_type": "image/png",
        "mini_preview": None,
        "remote_id": "",
    }
    return json.dumps({"file_infos": [info], "client_ids": []}, separators=(",", ":"))


class Body(Protocol):
    size: int
    """Bytes of content so far, without framing."""
    done: bool

    def feed(self, data: memoryview) -> int:
        """How many bytes of ``data`` belong to this body."""


class SizedBody:
    def __init__(self, length: int) -> None:
        self._length = length
        self.size = 0
        self.done = length == 0

    def feed(self, data: memoryview) -> int:
        taken = min(len(data), self._length - self.size)
        self.size += taken
        self.done = self.size == self._length
        return taken


class ChunkedBody:
    """RFC 9112, section 7.1."""

    def __init__(self) -> None:
        self._line = b""
        self._left = 0  # of the current chunk, with the CRLF behind it
        self._trailers = False
        self.size = 0
        self.done = False

    def feed(self, data: memoryview) -> int:
        at = 0
        while at < len(data) and not self.done:
            if self._left:
                skipped = min(self._left, len(data) - at)
                self._left -= skipped
                at += skipped
            else:
                at += self._feed_line(bytes(data[at : at + 1024]))
        return at

    def _feed_line(self, data: bytes) -> int:
        line, newline, _ = data.partition(b"\n")
        self._line += line + newline
        if newline:
            complete, self._line = self._line.strip(), b""
            if self._trailers:
                self.done = not complete
            else:
                length = int(complete.partition(b";")[0], 16)
                self.size += length
                self._left = length + 2 if length else 0
                self._trailers = not length
        return len(line) + len(newline)


class Sink:
    """What all connections share: the counts, and one buffer, for no byte is ever kept."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(1 << 20))
        self.uploads = 0
        self.bytes = 0

    def answer(self, method: str, path: str, size: int) -> tuple[str, str]:
        """Status line and body for a request whose own body held ``size`` bytes."""
        if method == "POST" and path == FILES_PATH:
            self.uploads += 1
            self.bytes += size
            return "201 Created", uploaded(size)
        if path == RECEIVED_PATH:
            return "200 OK", json.dumps({"uploads": self.uploads, "bytes": self.bytes})
        answers = {PING_PATH: PING, ME_PATH: ME}
        if path in answers:
            return "200 OK", answers[path]
        return ("204 No Content", "") if path == ALLOW_PATH else ("404 Not Found", "")


class Connection(asyncio.BufferedProtocol):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._head = b""
        self._request = ("", "")
        self._body: Body | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._sink.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = self._sink.buffer[:nbytes]
        while data:
            data = data[self._feed(data) :]

    def _feed(self, data: memoryview) -> int:
        taken = self._feed_head(data) if self._body is None else self._body.feed(data)
        if self._body is not None and self._body.done:
            self._send(*self._sink.answer(*self._request, self._body.size))
            self._body = None
        return taken

    def _feed_head(self, data: memoryview) -> int:
        before = len(self._head)
        self._head += bytes(data)
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return len(data)
        lines = self._head[:end].decode("latin-1").split("\r\n")
        self._head = b""
        method, target, _ = lines[0].split(" ", 2)
        self._request = (method, target.partition("?")[0])
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        if headers.get("expect", "").lower() == "100-continue":
            self._write("HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            self._body = ChunkedBody()
        else:
            self._body = SizedBody(int(headers.get("content-length", "0")))
        return end + 4 - before

    def _send(self, status: str, body: str) -> None:
        fields = "" if status.startswith("204") else f"Content-Length: {len(body)}\r\n"
        if body:
            fields += "Content-Type: application/json\r\n"
        self._write(f"HTTP/1.1 {status}\r\n{fields}\r\n{body}")

    def _write(self, text: str) -> None:
        if self._transport is not None:
            self._transport.write(text.encode())


async def serve(port: int) -> None:
    sink = Sink()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(sink), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
