"""Asks the admin port as browsers and programs do."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire, WireResponse

TOKEN = "correct-horse-battery-staple"
PATIENCE = 60.0


def ask(
    gateway: GatewayProcess,
    path: str,
    *headers: tuple[str, str],
    method: str = "GET",
    form: dict[str, str] | None = None,
    host: str | None = None,
) -> WireResponse:
    """The admin port's answer; ``Host`` is its own address unless given."""
    address = urlsplit(gateway.admin_url)
    body = urlencode(form or {}).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {address.netloc if host is None else host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if form is not None:
        lines += ["Content-Type: application/x-www-form-urlencoded"]
        lines += [f"Content-Length: {len(body)}"]
    with Wire((address.hostname or "", address.port or 0)) as wire:
        wire.send("\r\n".join([*lines, "", ""]).encode() + body)
        return wire.response()


def bearer(token: str = TOKEN) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


def told(gateway: GatewayProcess, name: str, *headers: tuple[str, str]) -> dict[str, Any]:
    """What ``/api/v1/<name>`` says."""
    answer = ask(gateway, f"/api/v1/{name}", *headers)
    assert answer.status == 200, answer
    document: dict[str, Any] = answer.json()
    return document


def eventually(
    gateway: GatewayProcess, name: str, condition: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The first answer of ``/api/v1/<name>`` of which ``condition`` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition(document := told(gateway, name)):
        if time.monotonic() > deadline:
            raise TimeoutError(json.dumps(document, indent=1))
        time.sleep(0.1)
    return document


class SlowUpload:
    """An upload of which ``send`` sends more."""

    def __init__(self, wire: Wire, size: int) -> None:
        self._wire = wire
        self.size = size
        self.sent = 0

    def send(self, size: int) -> None:
        self._wire.send(b"%PDF-1.7\n"[:size].ljust(size, b"\0") if not self.sent else bytes(size))
        self.sent += size

    def finish(self) -> WireResponse:
        if self.sent < self.size:
            self.send(self.size - self.sent)
        return self._wire.response()


@contextmanager
def slow_upload(client: Client, name: str, size: int) -> Iterator[SlowUpload]:
    """``name`` as it stands in an address."""
    with Wire(client.address) as wire:
        wire.send_head("POST", client.target(name), client.head(("Content-Length", str(size))))
        yield SlowUpload(wire, size)
