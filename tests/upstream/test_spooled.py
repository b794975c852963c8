"""A file that waits on the disk, and a connection that has died meanwhile."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

from gateway.accounting import Account
from gateway.body.spool import BLOCK_BYTES, SpoolArea
from gateway.policy.circumstances import IdentityKind
from gateway.upload.incoming import IncomingFile
from gateway.upload.request import Caller, FileTarget, Sender
from gateway.values import Credential, CredentialKind, Identity
from tests.upload.support import delivery
from tests.upstream.support import Visitor, upstream

SIZE = 2 * BLOCK_BYTES
ANSWER = b'HTTP/1.1 201 Created\r\nContent-Length: 18\r\n\r\n{"file_infos": []}'
ALICE = Identity("u1", "alice", frozenset())
CREDENTIAL = Credential(CredentialKind.HEADER, "secret")
CALLER = Caller(ALICE, CREDENTIAL, b"", Sender(ALICE, IdentityKind.SESSION, CREDENTIAL))


class SlowDisk:
    """A spool area whose only thread is busy from the file's end on, until ``release``."""

    def __init__(self, folder: Path) -> None:
        self.area = SpoolArea(folder, 10 * SIZE, threads=1)
        self._released = threading.Event()
        self._busy: asyncio.Task[bool] | None = None

    def block(self) -> None:
        self._busy = asyncio.create_task(self.area.run(self._released.wait, 10))

    def release(self) -> None:
        self._released.set()


class Source:
    """A body of unknown length; ``ending`` is called when its end is reached."""

    def __init__(self, disk: SlowDisk) -> None:
        self._disk = disk
        self.ended = False
        self.received = 0

    async def read(self) -> bytes:
        if self.received == SIZE:
            self.ended = True
            self._disk.block()
            return b""
        self.received += BLOCK_BYTES // 2
        return bytes(BLOCK_BYTES // 2)

    read_on = read

    def check(self) -> None:
        pass

    async def pour(self, sink: object) -> bool:
        return False


async def test_a_spooled_file_is_sent_again_whole(tmp_path: Path) -> None:
    """The connection ends before anything has come from the disk."""
    bodies: list[bytes] = []

    async def serve(visitor: Visitor) -> None:
        if visitor.number == 0:
            await visitor.answer()
            await visitor.head()
            return
        request = await visitor.head()
        disk.release()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                bodies.append(await visitor.body(request))
                await visitor.send(ANSWER)

    disk = SlowDisk(tmp_path)
    async with upstream(serve) as server:
        await server.send(method=b"GET", safe=True)
        file = IncomingFile(FileTarget("c" * 26, "a.bin", ""), Source(disk), None, None)
        sending = delivery(server.mattermost, 2 * SIZE, disk.area)
        try:
            answer = await sending.deliver(CALLER, file, Account())
        finally:
            disk.area.close()
        assert answer.status == 201
    assert bodies == [bytes(SIZE)]
