"""The SHA-256 of files, for the audit log."""

from hashlib import sha256

from gateway.body.spool import Whole
from gateway.upload.facts import Facts
from gateway.upload.request import Source
from gateway.upstream.sink import Sink

_PIECE = 256 * 1024


def sha256_of(whole: Whole) -> str:
    """In hexadecimal; blocks. Raises OSError."""
    digest = sha256()
    with whole.open() as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


class Hashed:
    """A source that is hashed as it is read, behind a head that was read already."""

    __slots__ = ("_facts", "_hash", "_source")

    def __init__(self, source: Source, head: bytes, facts: Facts) -> None:
        self._source = source
        self._hash = sha256()
        self._facts = facts
        self._note(head)

    @property
    def ended(self) -> bool:
        return self._source.ended

    @property
    def received(self) -> int:
        return self._source.received

    async def read(self) -> bytes:
        return self._note(await self._source.read())

    async def read_on(self) -> bytes:
        return self._note(await self._source.read_on())

    def check(self) -> None:
        self._source.check()

    async def pour(self, sink: Sink) -> bool:
        return False

    def _note(self, piece: bytes) -> bytes:
        self._hash.update(piece)
        if self._source.ended:
            self._facts.sha256 = self._hash.hexdigest()
        return piece
