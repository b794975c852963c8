"""Lively traffic: several people, files of many kinds, reasons to refuse some, slow uploads."""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess
from tests.support.server import join, new_user
from tests.support.wire import Client, Wire

KIB, MIB = 2**10, 2**20
PEOPLE = ("anna.berg", "jonas", "mei.lin", "priya.nair", "tom.baker", "lucia", "omar", "build-bot")
QUOTAS = "user 400MiB/day, user 2000 files/day, user 6 at once"
RULES = """
[[rule]]
name = "no-archives-from-bots"
when.user = ["build-bot"]
allowed_types = ["text", "documents", "images"]
message = "Build logs and reports only."

[[rule]]
name = "small-pictures"
when.channel = ["town-square"]
max_file_size = "24MiB"
strip_metadata = false

[[rule]]
name = "no-macros-soon"
enforce = false
denied_types = ["executables", "macros"]
"""
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08\2\0\0\0"
PROGRAM = b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0\xb8\0\0\0\0\0\0\0@" + bytes(35) + b"\x80\0\0\0"
ZIP = b"PK\3\4\x14\0\0\0\0\0" + bytes(20)


class Sample(NamedTuple):
    """A file, and how often it is sent."""

    name: str
    head: bytes
    most: int
    """Bytes."""
    weight: int


SAMPLES = (
    Sample("minutes of the meeting.pdf", PDF, 900 * KIB, 22),
    Sample("screenshot.png", PNG, 1500 * KIB, 30),
    Sample("notes.txt", b"Some notes.\n", 8 * KIB, 26),
    Sample("release.zip", ZIP, 2 * MIB, 8),
    Sample("setup.exe", PROGRAM, 300 * KIB, 4),
    Sample("invoice.pdf", PROGRAM, 200 * KIB, 3),
    Sample("holiday \u202egpj.scr", PROGRAM, 60 * KIB, 1),
    Sample("<img src=x onerror=alert(1)>.hta", b"<script>", 9 * KIB, 1),
)
SLOW = (
    ("All hands, recording.mp4", 21 * MIB, 240 * KIB),
    ("Quarterly figures.pdf", 9 * MIB, 130 * KIB),
    ("site plan, third floor.png", 14 * MIB, 420 * KIB),
    ("Kundenpräsentation – final (2).pdf", 6 * MIB, 75 * KIB),
)
"""Names, bytes, bytes a second."""


def person(stand_in: StandInProcess, name: str) -> dict[str, Any]:
    user = new_user(stand_in.url, stand_in.admin_token, name)
    join(stand_in.url, stand_in.admin_token, user["id"], stand_in.team_id, stand_in.channel_id)
    return user


def send_slowly(client: Client, name: str, size: int, speed: int, go_on: threading.Event) -> None:
    """An upload that takes its time; it breaks off when ``go_on`` is cleared."""
    head = PDF if name.endswith("pdf") else PNG if name.endswith("png") else bytes(16)
    with Wire(client.address) as wire:
        wire.send_head(
            "POST", client.target(quote(name)), client.head(("Content-Length", str(size)))
        )
        wire.send(head)
        sent, piece = len(head), speed // 10
        while sent < size and go_on.is_set():
            wire.send(bytes(min(piece, size - sent)))
            sent += min(piece, size - sent)
            time.sleep(0.1)
        if sent == size:
            wire.response()


class Traffic:
    """``with Traffic(stand_in, gateway): …`` until the end of the block."""

    def __init__(self, stand_in: StandInProcess, gateway: GatewayProcess, *, pace: float) -> None:
        """``pace``: small uploads a second."""
        self._clients = [
            Client(gateway.address, person(stand_in, name)["token"], stand_in.channel_id)
            for name in PEOPLE
        ]
        self._pace = pace
        self._random = random.Random(7)
        self._go_on = threading.Event()
        self._threads = [threading.Thread(target=self._small)]
        self._threads += [threading.Thread(target=self._slow, args=item) for item in SLOW]

    def __enter__(self) -> Self:
        self._go_on.set()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._go_on.clear()
        for thread in self._threads:
            thread.join()

    def _small(self) -> None:
        weights = [sample.weight for sample in SAMPLES]
        while self._go_on.is_set():
            (sample,) = self._random.choices(SAMPLES, weights)
            client = self._random.choice(self._clients)
            size = self._random.randrange(sample.most)
            self._try(lambda: self._send(client, sample, size))  # noqa: B023 - called at once
            if self._random.random() < 0.02:
                stranger = Client(client.address, "expired", client.channel_id)
                self._try(lambda: self._send(stranger, SAMPLES[2], 100))  # noqa: B023
            swing = 1 + 0.8 * random.Random(time.time() // 60).uniform(-1, 1)
            time.sleep(self._random.expovariate(self._pace * swing))

    def _send(self, client: Client, sample: Sample, size: int) -> None:
        filler = b"All is well. " if sample.name.endswith("txt") else bytes(16)
        content = sample.head + filler * (size // len(filler))
        client.raw(quote(sample.name), content)

    def _slow(self, name: str, size: int, speed: int) -> None:
        number = [item[0] for item in SLOW].index(name)
        client = self._clients[number]
        while self._go_on.is_set():
            self._try(lambda: send_slowly(client, name, size, speed, self._go_on))
            time.sleep(self._random.uniform(0.5, 4))

    def _try(self, step: Callable[[], None]) -> None:
        """A gateway that is being restarted is no matter."""
        with suppress(OSError, EOFError):
            step()
