"""What the rest of a body can be poured into."""

from collections.abc import Callable
from typing import Protocol


class Sink(Protocol):
    """Takes pieces without ever waiting; whoever pours looks whether it is congested."""

    @property
    def congested(self) -> bool:
        """Whether something of what was written still waits."""

    def write(self, data: bytes | memoryview) -> None: ...

    def begin_pouring(self, drained: Callable[[], None]) -> None:
        """From now on nothing may wait without ``congested``; ``drained`` is called after."""

    def end_pouring(self) -> None: ...


class AllButTheLast:
    """Passes on what is poured, but keeps the piece that would make ``missing`` bytes complete."""

    def __init__(self, sink: Sink, missing: int) -> None:
        self._sink = sink
        self._missing = missing
        self.last = b""
        self.begin_pouring = sink.begin_pouring
        self.end_pouring = sink.end_pouring

    @property
    def congested(self) -> bool:
        return self._sink.congested

    def write(self, data: bytes | memoryview) -> None:
        self._missing -= len(data)
        if self._missing > 0:
            self._sink.write(data)
        else:
            self.last = bytes(data)
