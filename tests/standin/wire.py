"""Plain HTTP over a socket: what goes out is exactly what the test says."""

import contextlib
import http.client
import json
import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gateway.standin.process import StandInProcess


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    """Names in lower case."""
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def read_answer(sock: socket.socket, method: str = "GET") -> Answer:
    """Raises http.client.HTTPException where the answer is none."""
    response = http.client.HTTPResponse(sock, method=method)
    with contextlib.closing(response):
        response.begin()
        headers = [(name.lower(), value) for name, value in response.getheaders()]
        return Answer(response.status, headers, response.read())


def exchange(
    port: int, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
) -> Answer:
    """One request on a connection of its own; an early answer ends the sending."""
    with connect(port) as sock:
        sock.sendall(head(method, target, headers))
        send_until_answered(sock, body)
        return read_answer(sock, method)


def send_until_answered(sock: socket.socket, body: bytes) -> int:
    """How much was sent before the answer came."""
    sent = 0
    while sent < len(body):
        readable, _, _ = select.select([sock], [sock], [], 30)
        if readable:
            break
        sent += sock.send(body[sent : sent + 65536])
    return sent


def form(*parts: tuple[str, bytes], boundary: str = "XX") -> bytes:
    """A multipart body: pairs of Content-Disposition parameters and content."""
    pieces = [
        f"--{boundary}\r\nContent-Disposition: form-data; {parameters}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for parameters, content in parts
    ]
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


class FilesApi:
    """Uploads by alice, a member of the channel."""

    def __init__(self, mattermost: StandInProcess) -> None:
        self.mattermost = mattermost
        self.authorization = {"Authorization": f"Bearer {mattermost.user_token}"}

    def target(self, name: str = "a.txt", **more: str) -> str:
        query = {"channel_id": self.mattermost.channel_id, "filename": name} | more
        return f"/api/v4/files?{urlencode(query)}"

    def raw(self, body: bytes, name: str = "a.txt", **headers: str) -> Answer:
        """Header names are written with underscores."""
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        sent = self.authorization | {"Content-Length": str(len(body))} | given
        return exchange(self.mattermost.port, "POST", self.target(name), sent, body)

    def form(self, body: bytes, content_type: str = "multipart/form-data; boundary=XX") -> Answer:
        headers = self.authorization | {
            "Content-Length": str(len(body)),
            "Content-Type": content_type,
        }
        return exchange(self.mattermost.port, "POST", "/api/v4/files", headers, body)

    def open_raw(self, length: int, name: str = "a.txt", **headers: str) -> socket.socket:
        """The request's head is sent; its body is up to the caller."""
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        sock = connect(self.mattermost.port)
        sent = self.authorization | {"Content-Length": str(length)} | given
        sock.sendall(head("POST", self.target(name), sent))
        return sock

    def channel(self) -> tuple[str, bytes]:
        """The form field that tells the channel."""
        return 'name="channel_id"', self.mattermost.channel_id.encode()

    def stored(self, answer: Answer) -> list[dict[str, Any]]:
        """What the store holds of the files in an answer."""
        assert answer.status == 201, answer.body
        ids = [info["id"] for info in json.loads(answer.body)["file_infos"]]
        by_id = {file["id"]: file for file in self.mattermost.state()["files"]}
        return [by_id[file_id] for file_id in ids]

    def content(self, file_id: str) -> bytes:
        target = f"/api/v4/files/{file_id}"
        return exchange(self.mattermost.port, "GET", target, self.authorization).body


def error_id(answer: Answer) -> str:
    return str(json.loads(answer.body)["id"])
