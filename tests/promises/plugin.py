"""A Mattermost with a plugin that takes whatever comes, and tells exactly what that was."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.gateway import GatewayProcess
from tests.support.ledger import usage
from tests.support.origin import Origin, Received, Visit
from tests.support.wire import Wire, WireResponse

UPLOAD = "/plugins/com.example.wiki/upload"
ME = "/api/v4/users/me"
BOUNDARY = "XboundaryX"
FORM = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
ANSWER = (
    b"HTTP/1.1 202 Thanks\r\nX-Plugin: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
    b"Content-Type: text/x-wiki\r\nContent-Length: 7\r\n\r\nstored\n"
)
_STRANGER = b'{"id": "api.context.session_expired.app_error", "message": "Log in."}'

Headers = list[tuple[str, str]]


@dataclass
class Plugin:
    """Behind a gateway; tokens are those of users of the same name."""

    origin: Origin
    gateway: GatewayProcess
    tokens: set[str] = field(default_factory=lambda: {"alice", "bob"})
    answer: bytes = ANSWER

    def serve(self, visit: Visit) -> object:
        if visit.target.partition("?")[0] == ME:
            visit.send(self._whoever(visit))
            return True
        self.origin.remember(visit)
        visit.send(self.answer)
        return b"connection: close" not in self.answer.lower()

    def _whoever(self, visit: Visit) -> bytes:
        scheme, _, token = (visit.header("authorization") or "").partition(" ")
        if not scheme:
            token = (visit.header("cookie") or "").removeprefix("MMAUTHTOKEN=")
        known = json.dumps({"id": token, "username": token, "roles": "system_user"}).encode()
        status, body = (b"200 OK", known) if token in self.tokens else (b"401 No", _STRANGER)
        return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)

    @property
    def received(self) -> list[Received]:
        return self.origin.requests

    def the_one(self) -> Received:
        """The only request that came, but for questions about users."""
        (received,) = self.origin.requests
        return received

    def send(
        self,
        body: bytes | Iterable[bytes],
        *headers: tuple[str, str],
        target: str = UPLOAD,
        method: str = "POST",
    ) -> WireResponse:
        """The answer to a body; if it comes in pieces, its length is not told."""
        with Wire(self.gateway.address) as wire:
            if isinstance(body, bytes):
                wire.send_head(method, target, [*headers, ("Content-Length", str(len(body)))])
                wire.send(body)
            else:
                wire.send_head(method, target, [*headers, ("Transfer-Encoding", "chunked")])
                for piece in body:
                    wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                wire.send(b"0\r\n\r\n")
            return wire.response(head_only=method == "HEAD")

    def head_only(
        self, *headers: tuple[str, str], target: str = UPLOAD, size: int = 1000
    ) -> WireResponse:
        """The answer to a request whose body never comes."""
        with Wire(self.gateway.address) as wire:
            wire.send_head("POST", target, [*headers, ("Content-Length", str(size))])
            return wire.response()

    def line(self, response: WireResponse) -> dict[str, Any]:
        """The log line about ``response``."""
        return self.gateway.wait_for_log("request", request_id=response.header("x-request-id"))

    def charged(self, user: str) -> int:
        """Bytes that count against a user's quota."""
        return usage(self.gateway.folder, user, patience=0.2).used

    def forget(self) -> None:
        """As if nothing had come yet."""
        self.origin.requests.clear()
        self.origin.answer = self.serve
        self.answer = ANSWER


@contextmanager
def plugin_behind(folder: Path, **settings: str) -> Iterator[Plugin]:
    """Behind a gateway with these settings."""
    with (
        Origin(lambda visit: False) as origin,
        GatewayProcess(origin.url, folder, **settings) as gateway,
    ):
        plugin = Plugin(origin, gateway)
        plugin.forget()
        yield plugin


def bearer(token: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {token}"


def id_of(response: WireResponse) -> tuple[int, str]:
    """Status and id of a refusal."""
    return response.status, response.json()["id"]
