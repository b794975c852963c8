"""Files that lose their metadata on their way."""

from collections.abc import Awaitable, Callable
from functools import partial

from gateway.body.spool import Spool, Whole, chunks
from gateway.metadata import removal
from gateway.metadata.removal import Remover, Unparsable
from gateway.policy.rules import Metadata
from gateway.refusals import Refused, metadata_unremovable
from gateway.upload.judging import Judge
from gateway.upload.request import Source
from gateway.upstream.sink import Sink

Run = Callable[[Callable[[], Remover]], Awaitable[Remover]]
"""Does what blocks in a thread."""


def is_stripped(judge: Judge) -> bool:
    """Whether the file loses its metadata."""
    keeps = judge.decision.policy.metadata is Metadata.KEEP
    return not keeps and removal.strips(judge.facts.content_type)


def is_stripped_whole(judge: Judge) -> bool:
    """Whether that cannot begin before all of the file is there: since it might be refused in the
    end, or since its beginning tells its length."""
    if not is_stripped(judge):
        return False
    required = judge.decision.policy.metadata is Metadata.REQUIRE
    return required or removal.needs_whole(judge.facts.content_type)


class Stripped:
    """A source whose metadata is left out; what cannot be parsed passes as it is."""

    def __init__(self, source: Source, content_type: str) -> None:
        self._source = source
        self._remover = Remover(content_type, leaves=True)
        self.ended = False
        self.received = 0
        """Bytes without what was left out."""

    def begin(self, head: bytes) -> bytes:
        """What is left of ``head``, which was read already."""
        return self._given_out(self._remover.feed(head) + self._rest_at_end())

    async def read(self) -> bytes:
        return await self._next(self._source.read)

    async def read_on(self) -> bytes:
        return await self._next(self._source.read_on)

    def check(self) -> None:
        self._source.check()

    async def pour(self, sink: Sink) -> bool:
        return False

    async def _next(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        out = b""
        while not self.ended and not out:
            out = self._remover.feed(await read()) + self._rest_at_end()
        return self._given_out(out)

    def _rest_at_end(self) -> bytes:
        if not self._source.ended:
            return b""
        self.ended = True
        return b"".join(self._remover.finish())

    def _given_out(self, out: bytes) -> bytes:
        self.received += len(out)
        return out


async def strip(
    whole: Whole, name: str, judge: Judge, spool: Spool, run: Run, *, pad_to: int | None = None
) -> Whole:
    """Fill ``spool`` with the file called ``name`` without its metadata.

    Raises Refused if it cannot be removed and has to be.
    """
    content_type = judge.facts.content_type
    leaves = judge.decision.policy.metadata is not Metadata.REQUIRE
    opened = whole.open() if removal.needs_whole(content_type) else None
    make = partial(Remover, content_type, leaves=leaves, pad_to=pad_to, whole=opened)
    try:
        remover = await run(make)
        async for chunk in chunks(whole):
            await spool.write(remover.feed(chunk))
        for piece in remover.finish():
            await spool.write(piece)
    except Unparsable as error:
        raise Refused(judge.worded(metadata_unremovable(name))) from error
    await spool.seal()
    return spool
