"""How a stand-in is set up."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_MAX_FILE_SIZE: Final = 50 * 2**20
"""Mattermost's own default, in bytes."""


@dataclass(frozen=True, slots=True)
class Options:
    data: Path
    """The folder for everything that survives a restart."""
    subpath: str = ""
    """Where the site lives below the host: empty, or such as ``/chat``."""
    max_file_size: int = DEFAULT_MAX_FILE_SIZE

    def __post_init__(self) -> None:
        if self.subpath and (not self.subpath.startswith("/") or self.subpath.endswith("/")):
            raise ValueError("a subpath begins with a slash and does not end with one")
        if self.max_file_size <= 0:
            raise ValueError("the largest file size must be positive")
