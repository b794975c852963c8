"""What the promises are tested with: files, and the ways in which clients send them."""

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.standin.process import StandInProcess
from tests.support.wire import Client, Wire, WireResponse, field, file_part, form_body

UPLOAD = "POST /api/v4/files"
"""The endpoint of uploads, as the stand-in's journal writes it."""
ME = "GET /api/v4/users/me"
BOUNDARY = "XboundaryX"

Send = Callable[[Client, str, bytes], WireResponse]


def text(size: int) -> bytes:
    return (b"All work and no play makes Jack a dull boy.\n" * (size // 44 + 1))[:size]


def program(size: int) -> bytes:
    """A Windows program, as far as its head tells."""
    head = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0\x64\x86"
    return head.ljust(size, b"\0")


def cut(content: bytes, size: int = 50_000) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def _raw(client: Client, name: str, content: bytes) -> WireResponse:
    return client.raw(name, content)


def _chunked(client: Client, name: str, content: bytes) -> WireResponse:
    return client.chunked(name, cut(content))


def _form(client: Client, name: str, content: bytes) -> WireResponse:
    return client.form(field("channel_id", client.channel_id), file_part(name, content))


def _chunked_form(client: Client, name: str, content: bytes) -> WireResponse:
    body = form_body(field("channel_id", client.channel_id), file_part(name, content))
    with Wire(client.address) as wire:
        wire.send_head("POST", "/api/v4/files", form_head(client, None))
        send_chunks(wire, cut(body))
        return wire.response()


def _file_first(client: Client, name: str, content: bytes) -> WireResponse:
    return client.form(file_part(name, content), field("channel_id", client.channel_id))


FORMS: dict[str, Send] = {
    "form": _form,
    "form of unknown length": _chunked_form,
    "form, file first": _file_first,
}
WAYS: dict[str, Send] = {"raw": _raw, "raw of unknown length": _chunked, **FORMS}


def form_head(client: Client, length: int | None) -> list[tuple[str, str]]:
    """The headers of a form of ``length`` bytes, chunked if that is None."""
    framing = ("Transfer-Encoding", "chunked")
    if length is not None:
        framing = ("Content-Length", str(length))
    return client.head(("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"), framing)


def send_chunks(wire: Wire, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    wire.send(b"0\r\n\r\n")


def reset(wire: Wire) -> None:
    """End a connection as a crash or a firewall does."""
    no_linger = struct.pack("ii", 1, 0)
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
    wire.close()


@dataclass(frozen=True)
class Stored:
    """What lies in the stand-in's file store."""

    files: list[dict[str, Any]]
    orphans: list[dict[str, Any]]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file["size"] for file in self.files)


def stored(mattermost: StandInProcess) -> Stored:
    state = mattermost.state()
    return Stored(state["files"], state["orphans"])


def settled(mattermost: StandInProcess) -> dict[str, Any]:
    """The stand-in's state once every upload that it received has come to its end."""
    return mattermost.wait_for(
        lambda state: all(upload["status"] is not None for upload in state["uploads"])
    )
