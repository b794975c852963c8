"""A file that streams through: some of its bytes are kept, some dropped, some written anew."""

from abc import ABC, abstractmethod
from typing import NamedTuple

_STEP_COST = 256
_CREDIT = 65_536 * _STEP_COST
"""In bytes: an honest file has one step for 256 of them, after the first 65,536 steps."""


class Unparsable(Exception):
    """It cannot be told where the metadata of a file is."""


class Stripper(ABC):
    """Goes through a file in whatever pieces it comes, and keeps back less than 128 KiB of it.

    What it does not understand is Unparsable, and so is a file of so many tiny parts that going
    through them would keep everybody else waiting.
    """

    padding = b"\0"
    """What may stand behind the end of such a file."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._left = 0
        """Bytes to come that the last step has decided on."""
        self._keeps = False
        self._out: list[bytes | memoryview] = []
        self._credit = _CREDIT

    def feed(self, data: bytes) -> bytes:
        """What of ``data``, and of what was kept back, remains. Raises Unparsable."""
        self._credit += len(data)
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0
        while self._at < len(self._data):
            if self._left:
                self._go_on()
            elif not self._step():
                break
            else:
                self._pay()
        return self._taken_out()

    def finish(self) -> bytes:
        """What remains of what was kept back. Raises Unparsable if the file may not end here."""
        self._end()
        return self._taken_out()

    def give_up(self) -> bytes:
        """After Unparsable: what was understood, and from there on all as it came."""
        self._out.append(self._data[self._at :])
        self._at = len(self._data)
        return self._taken_out()

    @abstractmethod
    def _step(self) -> bool:
        """Decides on what comes next in the file; False if more of it has to be seen first."""

    @abstractmethod
    def _end(self) -> None:
        """The file ends here."""

    def _seen(self) -> int:
        """Bytes that have come and are not decided on."""
        return len(self._data) - self._at

    def _keep(self, size: int) -> None:
        self._left, self._keeps = size, True

    def _drop(self, size: int) -> None:
        self._left, self._keeps = size, False

    def _write(self, data: bytes) -> None:
        if data:
            self._out.append(data)

    def _pay(self) -> None:
        self._credit -= _STEP_COST
        if self._credit < 0:
            raise Unparsable

    def _go_on(self) -> None:
        size = min(self._left, self._seen())
        if self._keeps:
            self._out.append(memoryview(self._data)[self._at : self._at + size])
        self._at += size
        self._left -= size

    def _taken_out(self) -> bytes:
        match self._out:
            case [memoryview() as only] if len(only) == len(self._data):
                taken = self._data
            case pieces:
                taken = b"".join(pieces)
        self._out.clear()
        return taken


class Edit(NamedTuple):
    """Some bytes that are kept, and then others in the place of some that are not."""

    keeps: int
    writes: bytes = b""
    drops: int = 0


class Editor(Stripper):
    """Does what was decided beforehand, and drops what lies behind."""

    def __init__(self, edits: list[Edit]) -> None:
        super().__init__()
        self._edits = iter(edits)
        self._edit: Edit | None = None

    def _step(self) -> bool:
        if self._edit is not None:
            self._write(self._edit.writes)
            self._drop(self._edit.drops)
            self._edit = None
            return True
        self._edit = next(self._edits, None)
        if self._edit is None:
            self._drop(self._seen())
        else:
            self._keep(self._edit.keeps)
        return True

    def _end(self) -> None:
        """Nothing is missing of a file that is the one on which was decided."""
