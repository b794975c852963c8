"""HTTP by hand over a real socket, for what no client library would send."""

import json
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from fcntl import ioctl
from io import BufferedReader
from termios import TIOCOUTQ
from types import TracebackType
from typing import Any, Self

from tests.support.sockets import unread


@dataclass(frozen=True)
class WireResponse:
    """An answer as it came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    reason: str = ""
    interims: tuple[tuple[int, list[tuple[str, str]]], ...] = ()
    """Status and headers of the 1xx answers before it."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One client connection."""

    def __init__(self, address: tuple[str, int], timeout: float = 20.0) -> None:
        self.socket = socket.create_connection(address, timeout=timeout)
        self._address = address
        self._file: BufferedReader = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def wait_until_taken(self) -> None:
        """Until the server has read all that was sent, so that it sees what follows apart.

        Raises TimeoutError.
        """
        deadline = time.monotonic() + 10
        while self._on_its_way():
            if time.monotonic() > deadline:
                raise TimeoutError("the server does not read on")
            time.sleep(0.001)

    def _on_its_way(self) -> int:
        """Bytes that the kernel holds: not acknowledged to this side, or not read by the other."""
        (unacknowledged,) = struct.unpack("i", ioctl(self.socket, TIOCOUTQ, bytes(4)))
        if unacknowledged:
            return int(unacknowledged)
        return unread(self._address, self.socket.getsockname())

    def send_head(self, method: str, target: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        lines = [f"{method} {target} HTTP/1.1", "Host: chat.example"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def response(self, *, head_only: bool = False) -> WireResponse:
        """The next final answer. Raises EOFError if the connection ends before it."""
        interims = []
        while True:
            status, reason, headers = self._head()
            if status >= 200:
                break
            interims.append((status, headers))
        fields = {name.lower(): value for name, value in headers}
        if head_only or status in (204, 304):
            body = b""
        elif fields.get("transfer-encoding") == "chunked":
            body = self._chunked()
        elif "content-length" in fields:
            body = self._exactly(int(fields["content-length"]))
        else:
            body = self._file.read()
        return WireResponse(status, headers, body, reason, tuple(interims))

    def interim(self) -> int:
        """The status of the next answer, which is expected to be a 1xx."""
        return self._head()[0]

    def head(self) -> WireResponse:
        """The next answer's head, whatever its status."""
        status, reason, headers = self._head()
        return WireResponse(status, headers, b"", reason)

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes. Raises EOFError if the connection ends before."""
        return self._exactly(size)

    def wait_until_received(self, data: bytes) -> None:
        """Read on until ``data`` has come. Raises EOFError if the connection ends before."""
        received = b""
        while data not in received:
            piece = self._file.read(1)
            if not piece:
                raise EOFError(f"the connection ended after {received!r}")
            received += piece

    def read_some(self, most: int) -> bytes:
        """What there is, at least a byte; empty at the end of the connection."""
        return self._file.read1(most)

    def at_end(self) -> bool:
        """Whether the server has closed the connection (waits for it)."""
        return self._file.read(1) == b""

    def _head(self) -> tuple[int, str, list[tuple[str, str]]]:
        _, status, reason = self._line().decode("latin-1").split(" ", 2)
        headers = []
        while line := self._line():
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip(" \t")))
        return int(status), reason, headers

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line:
            raise EOFError("the connection ended")
        return line.rstrip(b"\r\n")

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise EOFError("the connection ended within the body")
        return data

    def _chunked(self) -> bytes:
        pieces = []
        while size := int(self._line().partition(b";")[0], 16):
            pieces.append(self._exactly(size))
            self._line()
        while self._line():  # trailers
            pass
        return b"".join(pieces)


@dataclass(frozen=True)
class Client:
    """Uploads by hand: to ``address``, with ``token``, into ``channel_id``."""

    address: tuple[str, int]
    token: str
    channel_id: str
    subpath: str = ""
    """Where the site lives below the host: empty, or such as ``/chat``."""

    def head(self, *extra: tuple[str, str]) -> list[tuple[str, str]]:
        return [("Authorization", f"Bearer {self.token}"), *extra]

    def target(self, name: str) -> str:
        return f"{self.subpath}/api/v4/files?channel_id={self.channel_id}&filename={name}"

    def raw(self, name: str, content: bytes, *headers: tuple[str, str]) -> WireResponse:
        """Upload ``content`` raw, with its length."""
        with Wire(self.address) as wire:
            length = ("Content-Length", str(len(content)))
            wire.send_head("POST", self.target(name), self.head(length, *headers))
            wire.send(content)
            return wire.response()

    def chunked(self, name: str, pieces: Iterable[bytes]) -> WireResponse:
        """Upload ``pieces`` raw, of unknown length."""
        with Wire(self.address) as wire:
            wire.send_head("POST", self.target(name), self.head(("Transfer-Encoding", "chunked")))
            for piece in pieces:
                wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            wire.send(b"0\r\n\r\n")
            return wire.response()

    def form(self, *parts: bytes, boundary: str = "XboundaryX") -> WireResponse:
        """Upload a form of ``parts`` (see ``field`` and ``file_part``)."""
        body = form_body(*parts, boundary=boundary)
        with Wire(self.address) as wire:
            wire.send_head(
                "POST",
                f"{self.subpath}/api/v4/files",
                self.head(
                    ("Content-Type", f"multipart/form-data; boundary={boundary}"),
                    ("Content-Length", str(len(body))),
                ),
            )
            wire.send(body)
            return wire.response()

    def request(
        self, method: str, target: str, *headers: tuple[str, str], body: bytes = b""
    ) -> WireResponse:
        """Any request, with the token; ``target`` is below the subpath."""
        with Wire(self.address) as wire:
            length = [("Content-Length", str(len(body)))] if body else []
            wire.send_head(method, self.subpath + target, self.head(*length, *headers))
            wire.send(body)
            return wire.response(head_only=method == "HEAD")


def field(name: str, value: str) -> bytes:
    """A form field."""
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()


def file_part(filename: str, content: bytes, name: str = "files") -> bytes:
    """A file in a form."""
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    return f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + content


def form_body(*parts: bytes, boundary: str = "XboundaryX") -> bytes:
    """A multipart/form-data body."""
    delimiter = f"--{boundary}".encode()
    pieces = [delimiter + b"\r\n" + part + b"\r\n" for part in parts]
    return b"".join(pieces) + delimiter + b"--\r\n"


def free_ports(count: int) -> list[int]:
    """Of this machine, at the moment."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
