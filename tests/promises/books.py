"""What the tests of exact quotas look at: the books, and uploads that stop half-way."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.standin.process import StandInProcess
from tests.promises.support import form_head, stored, text
from tests.support.ledger import usage
from tests.support.wire import Client, Wire, field, file_part, form_body

SIZE = 300_000
"""Of a file that is more than its head, and less than all buffers on its way."""
MIB = 2**20
SIZES = {"raw": SIZE, "form": SIZE, "large raw": 4 * MIB}
"""Ways to send a file of which half is held back; large bodies are moved by other means."""


@dataclass
class Books:
    """What is charged to a user, and what Mattermost has stored for them, since the start."""

    mattermost: StandInProcess
    folder: Path
    user: dict[str, Any]

    def __post_init__(self) -> None:
        self.start = self.charged(), self.stored()

    def charged(self) -> int:
        return usage(self.folder, self.user["id"], patience=0.2).used

    def reserved(self) -> int:
        return usage(self.folder, self.user["id"]).reserved

    def stored(self) -> int:
        files = stored(self.mattermost).files
        return sum(file["size"] for file in files if file["user_id"] == self.user["id"])

    def wait_until_nothing_is_reserved(self) -> None:
        deadline = time.monotonic() + 15
        while reserved := self.reserved():
            assert time.monotonic() < deadline, f"{reserved} bytes are still reserved"
            time.sleep(0.02)

    def assert_exact(self, expected: int) -> None:
        """``expected`` bytes were stored since the start, and just as many charged."""
        self.wait_until_nothing_is_reserved()
        charged, stored = self.start
        assert self.stored() - stored == expected
        assert self.charged() - charged == expected


@contextmanager
def half_sent(way: str, client: Client) -> Iterator[tuple[Wire, bytes]]:
    """An upload that stops in the middle, and the rest of it."""
    body, target = text(SIZES[way]), client.target("novel.txt")
    if way == "form":
        body = form_body(field("channel_id", client.channel_id), file_part("novel.txt", body))
        target = "/api/v4/files"
    headers = form_head(client, len(body))
    if way != "form":
        headers = client.head(("Content-Length", str(len(body))))
    half = len(body) // 2
    with Wire(client.address) as wire:
        wire.send_head("POST", target, headers)
        wire.send(body[:half])
        yield wire, body[half:]


def wait_until_half_arrived(mattermost: StandInProcess, way: str = "raw") -> None:
    mattermost.wait_for(
        lambda state: any(upload["body_bytes"] > SIZES[way] // 3 for upload in state["uploads"])
    )
