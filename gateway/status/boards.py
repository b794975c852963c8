"""Notice boards of one gateway: in memory, or in the folder that its workers share.

They hold what its own processes tell also while the ledger is not there.
"""

import json
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path


class MemoryBoard:
    """For a gateway of one process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._notices: dict[str, tuple[float, str]] = {}

    async def post(self, name: str, text: str, ttl: float) -> None:
        self._notices[name] = (self._clock() + ttl, text)

    async def notices(self, prefix: str) -> dict[str, str]:
        now = self._clock()
        self._notices = {name: item for name, item in self._notices.items() if item[0] > now}
        return {name: text for name, (_, text) in self._notices.items() if name.startswith(prefix)}


class FolderBoard:
    """For a gateway of several: a file for each notice."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    async def post(self, name: str, text: str, ttl: float) -> None:
        """Raises OSError."""
        file = self._folder / f"{sha256(name.encode()).hexdigest()}.notice"
        new = file.with_suffix(".new")
        new.write_text(json.dumps([name, self._clock() + ttl, text]), encoding="utf-8")
        new.replace(file)

    async def notices(self, prefix: str) -> dict[str, str]:
        """Raises OSError."""
        found, now = {}, self._clock()
        for file in sorted(self._folder.glob("*.notice")):
            name, ends, text = json.loads(file.read_text(encoding="utf-8"))
            if ends <= now:  # of a process that is dead: those that live renew theirs in time
                file.unlink(missing_ok=True)
            elif name.startswith(prefix):
                found[name] = text
        return found
