"""The file store: a folder, written to as Mattermost's local backend writes."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from gateway.standin.go.body import BodyError, Source


class StoreError(Exception):
    """The file could not be written, or not to its end. What was written stays."""

    def __init__(self, problem: str, written: int = 0) -> None:
        super().__init__(problem)
        self.written = written


@dataclass(frozen=True, slots=True)
class FileStore:
    """Paths are relative; those that Mattermost makes of client's names may be odd."""

    root: Path
    _digests: dict[str, str] = field(default_factory=dict)

    async def write(self, path: str, source: Source) -> int:
        """Bytes written. Raises StoreError, and leaves behind what came until then."""
        return await _copy(source, self._create(path, "wb"))

    async def append(self, path: str, source: Source) -> int:
        """Likewise, behind what is there."""
        return await _copy(source, self._create(path, "ab"))

    def put(self, path: str, content: bytes) -> None:
        with self._create(path, "wb") as file:
            file.write(content)

    def _create(self, path: str, mode: Literal["wb", "ab"]) -> BinaryIO:
        target = self._resolve(path)
        self._digests.pop(path, None)
        try:
            target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            return target.open(mode, buffering=0)
        except (OSError, ValueError) as error:
            raise StoreError(str(error)) from error

    def exists(self, path: str) -> bool:
        return self._resolve(path).is_file()

    def move(self, path: str, new_path: str) -> None:
        self._resolve(path).rename(self._resolve(new_path))

    def open(self, path: str) -> BinaryIO:
        return self._resolve(path).open("rb")

    def remove(self, path: str) -> None:
        self._resolve(path).unlink()

    def walk(self) -> Iterator[tuple[str, int]]:
        """All files there are, with their sizes."""
        above = len(f"{self.root}/")
        for entry in _files(str(self.root)):
            # It may be gone by now: uploads go on meanwhile.
            with contextlib.suppress(FileNotFoundError):
                yield entry.path[above:], entry.stat().st_size

    def digest(self, path: str) -> str:
        """SHA-256, computed once per path."""
        if path not in self._digests:
            with self._resolve(path).open("rb") as file:
                self._digests[path] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[path]

    def _resolve(self, path: str) -> Path:
        # Cleaned as text, as Go's filepath.Join does; pathlib would keep "..".
        return Path(os.path.normpath(f"{self.root}/{path}"))


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    """All below ``folder``. There are thousands, of which tests ask after each request."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(entry.path)
            else:
                yield entry


async def _copy(source: Source, file: BinaryIO) -> int:
    written = 0
    with file:
        try:
            while piece := await source.read():
                file.write(piece)
                written += len(piece)
        except (BodyError, OSError) as error:
            raise StoreError(str(error), written) from error
    return written
