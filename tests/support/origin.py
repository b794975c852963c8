"""An upstream that answers what a test says, byte by byte, and remembers what it was sent."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass
class Visit:
    """A request whose head has come; its body is still to be read."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    socket: socket.socket
    _file: BufferedReader = field(repr=False)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def linger(self) -> None:
        """End this side, and throw away what still comes: a reset would take the answer away."""
        self.socket.shutdown(socket.SHUT_WR)
        while self.socket.recv(65536):
            pass

    def reset(self) -> None:
        """Have the connection, when it ends, be broken and not closed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def read_raw(self) -> bytes:
        """What has come of the body, framing and all."""
        return self._file.read1(65536)

    def read_all(self) -> bytes:
        """All that comes until the connection ends."""
        return self._file.read()

    def read_piece(self) -> bytes:
        """The next chunk of a chunked body; empty at its end."""
        size = int(self._file.readline().partition(b";")[0], 16)
        piece = self._file.read(size)
        while self._file.readline().rstrip(b"\r\n") and not piece:  # trailers
            pass
        return piece

    def count_body(self) -> int:
        """Bytes of a body with a length, which is read and thrown away."""
        left = size = int(self.header("content-length") or 0)
        while left:
            left -= len(self._file.read(min(left, 2**20)))
        return size

    def read_body(self) -> bytes:
        if self.header("transfer-encoding") == "chunked":
            return b"".join(iter(self.read_piece, b""))
        return self._file.read(int(self.header("content-length") or 0))


Answer = Callable[[Visit], object]


class Origin:
    """``with Origin(answer) as origin: …``: a thread for each connection, ``answer`` for each
    request on it. A connection ends when ``answer`` returns False, or leaves the socket closed."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[Received] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed in the end
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.add(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection, connection.makefile("rb") as file:
            while line := file.readline():
                method, target, _ = line.decode("latin-1").split(" ")
                headers = []
                while line := file.readline().rstrip(b"\r\n"):
                    name, _, value = line.decode("latin-1").partition(":")
                    headers.append((name, value.strip(" \t")))
                visit = Visit(method, target, headers, connection, file)
                if self.answer(visit) is False:
                    break
        self._open.discard(connection)

    def remember(self, visit: Visit) -> Received:
        """Read the rest of a request, and keep it."""
        received = Received(visit.method, visit.target, visit.headers, visit.read_body())
        self.requests.append(received)
        return received
