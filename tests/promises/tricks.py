"""What somebody who looks for a gap sends, where they send it, and what comes of it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from socket import SHUT_WR
from typing import Any, NamedTuple

from gateway.standin.process import StandInProcess
from tests.inspection import files
from tests.promises.rows import CASES, TEXT, Headers, digest
from tests.promises.support import BOUNDARY
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire, WireResponse, field

LIMIT = 32 * 1024
"""Bytes of the largest file, everywhere."""
PROGRAM = files.pe()
AMBIGUOUS = (400, "gateway.ambiguous_request")
UNREADABLE = (400, "api.file.upload_file.read_request.app_error")
UNREADABLE_CHUNK = (400, "api.upload.upload_data.multipart_error")
REFUSED_FOR_ITS_CONTENT = {(415, "gateway.type_denied"), (415, "gateway.content_mismatch")}

FORM = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
GOOD = (
    b'{values}--XboundaryX\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"'
    b"\r\n\r\n{content}\r\n--XboundaryX--\r\n"
)

Error = tuple[int, str]
"""Status and id of an answer."""


class Took(NamedTuple):
    """A file that Mattermost was sent, whether it kept it or not."""

    field: str
    """Of the form that it was in; empty if it was in none."""
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Place:
    """Where a form with a file can be sent, and a file that may pass there."""

    path: str
    field: str
    filename: str
    content: bytes
    status: int
    """Of the answer to that file."""
    values: tuple[bytes, ...] = ()
    """The parts that have to come before it."""

    @property
    def taken(self) -> Took:
        """That file, as Mattermost is to get it."""
        return self.taken_with(self.content)

    def taken_with(self, content: bytes) -> Took:
        """A file with this content, likewise. Attachments come without a form."""
        field = self.field if self.field == "image" else ""
        return Took(field, self.filename, len(content), digest(content))

    def fill(self, template: bytes, content: bytes | None = None) -> bytes:
        """``template`` with this place's field, name, file and values in it."""
        values = b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), value) for value in self.values)
        return (
            template.replace(b"{field}", self.field.encode())
            .replace(b"{name}", self.filename.encode())
            .replace(b"{values}", values)
            .replace(b"{content}", self.content if content is None else content)
        )


def places(stand_in: StandInProcess) -> dict[str, Place]:
    channel = field("channel_id", stand_in.channel_id)
    attachment = Place("/api/v4/files", "files", "a.txt", TEXT, 201, (channel,))
    chunk = Place("/api/v4/uploads/", "data", "a.txt", TEXT, 200)
    unlisted = Place("/plugins/com.example.wiki/upload", "file", "a.txt", TEXT, 200)
    return {"files": attachment, "upload_data": chunk, "unlisted": unlisted} | {
        path.rpartition("/v4/")[2]: Place(
            path, "image", case.name, case.content, case.status, case.values
        )
        for path, case in CASES.items()
        if path in ("/api/v4/emoji", "/api/v4/brand/image")
    }


PLACES = ("files", "upload_data", "emoji", "brand/image")


@dataclass(frozen=True)
class Outcome:
    """What came of a request."""

    answer: WireResponse | None
    """None if the connection ended without one."""
    took: list[Took]
    left: bool
    """Whether anything in Mattermost's store is not as it was."""
    others: list[str]
    """What else Mattermost was asked, but for reading."""

    @property
    def error(self) -> Error | None:
        if self.answer is None:
            return None
        document = self.answer.json() if self.answer.body.startswith(b"{") else {}
        return self.answer.status, document.get("id", "")

    def assert_nothing_passed(self) -> None:
        """Not a file, not a byte of one, and not a request that could have had one."""
        assert self.took == []
        assert not self.left
        assert self.others == []


class Watch:
    """Sees what comes of requests."""

    def __init__(self) -> None:
        self.answer: WireResponse | None = None
        self.outcome = Outcome(None, [], left=False, others=[])

    def seen(self, before: dict[str, Any], state: dict[str, Any]) -> None:
        known = {file["id"] for file in before["files"]}
        took = [
            Took("", file["name"], file["size"], file["sha256"])
            for file in state["files"]
            if file["id"] not in known
        ]
        took += [Took(**file) for upload in state["uploads"] for file in upload["files"]]
        others = [
            request["endpoint"]
            for request in state["recent"]
            if not request["endpoint"].startswith(("GET /api/v4/users/me", "GET /api/v4/uploads/"))
        ]
        self.outcome = Outcome(self.answer, took, left=kept(state) != before, others=others)


class Scene:
    """A Mattermost and a gateway, and an administrator of both who does not mean well."""

    def __init__(self, mattermost: StandInProcess, gateway: GatewayProcess) -> None:
        self.mattermost = mattermost
        self.gateway = gateway
        self.places = places(mattermost)
        self._before = kept(mattermost.state())
        self.client = Client(gateway.address, mattermost.admin_token, mattermost.channel_id)
        self.directly = Client(
            ("127.0.0.1", mattermost.port), mattermost.admin_token, mattermost.channel_id
        )

    def target(self, place: Place, content: bytes, *, directly: bool = False) -> str:
        """Where a form with ``content`` goes; a chunk goes to a new session each time."""
        client = self.directly if directly else self.client
        if not place.path.endswith("/"):
            return place.path
        wanted = {
            "channel_id": client.channel_id,
            "filename": place.filename,
            "file_size": len(content),
        }
        body = json.dumps(wanted).encode()
        session = client.request("POST", "/api/v4/uploads", body=body)
        return place.path + str(session.json()["id"])

    def post(
        self,
        target: str,
        body: bytes,
        *headers: tuple[str, str],
        credentials: Headers | None = None,
        cuts: Sequence[int] = (),
        directly: bool = False,
    ) -> Outcome:
        """What comes of ``body``, sent with its length, in pieces that end at ``cuts``."""
        credentials = self.client.head() if credentials is None else credentials
        lines = [f"POST {target} HTTP/1.1", "Host: chat.example"]
        length = ("Content-Length", str(len(body)))
        lines += [f"{name}: {value}" for name, value in (*credentials, length, *headers)]
        head = "\r\n".join([*lines, "", ""]).encode()
        pieces = [body[start:end] for start, end in pairwise([0, *cuts, len(body)])]
        return self.send(head + pieces[0], *pieces[1:], directly=directly)

    def send(self, *pieces: bytes, end: bool = False, directly: bool = False) -> Outcome:
        """What comes of ``pieces``, seen one by one; ``end``: the client sends no more."""
        client = self.directly if directly else self.client
        with self.watching() as watch, Wire(client.address) as wire:
            for piece in pieces[:-1]:
                wire.send(piece)
                wire.wait_until_taken()
            wire.send(pieces[-1])
            if end:
                wire.socket.shutdown(SHUT_WR)
            watch.answer = exchange(wire)
        return watch.outcome

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """What Mattermost is sent meanwhile."""
        self.mattermost.reset()
        watch = Watch()
        try:
            yield watch
        finally:
            state = self.mattermost.wait_for(
                lambda state: all(request["status"] is not None for request in state["recent"])
            )
            watch.seen(self._before, state)
            self._before = kept(state)

    def assert_judged_as_taken(self, *outcomes: Outcome) -> None:
        """What Mattermost was sent is what the gateway's log says that was judged."""
        for outcome in outcomes:
            assert outcome.answer is not None
            request_id = outcome.answer.header("x-request-id")
            line = self.gateway.wait_for_log("request", request_id=request_id)
            judged = [(file["name"], file["size"]) for file in line["files"]]
            assert judged == [(took.name, took.size) for took in outcome.took]


def exchange(wire: Wire) -> WireResponse | None:
    """The next answer; None if the connection ends before it."""
    try:
        return wire.response()
    except (EOFError, ConnectionError):
        return None


def kept(state: dict[str, Any]) -> dict[str, Any]:
    """What of Mattermost's state lasts."""
    return {name: state[name] for name in ("files", "orphans", "others")}
