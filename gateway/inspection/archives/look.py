"""Looking into an archive: the one function for others."""

from collections.abc import Callable
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from gateway.contents import Contents, Limits
from gateway.inspection.archives.formats import is_archive
from gateway.inspection.archives.walk import Walk

_IN_MEMORY = 2**20
"""Bytes of archives within that are laid aside there; more go to a file."""


def look_into(
    file: BinaryIO,
    content_type: str,
    limits: Limits,
    detect: Callable[[bytes], str],
    *,
    opens: Callable[[str], bool] = is_archive,
    searches: bool = False,
    folder: Path | None = None,
) -> Contents:
    """What is in ``file``, an archive of ``content_type``, which is read only and seekable.

    Takes less than 64 MiB of memory and little more than ``limits.seconds``, and blocks. Entries
    for whose type ``opens`` says so are looked into as well, and if it ``searches``, markup is
    searched to its end for what acts; they lie in ``folder`` meanwhile, in a file without a name.
    ``detect`` tells a type by a head, as the detector does. Raises OSError if there is no room in
    ``folder``, or if ``file`` cannot be read.
    """
    with SpooledTemporaryFile(_IN_MEMORY, dir=None if folder is None else str(folder)) as aside:
        walk = Walk(limits, detect, opens, cast("BinaryIO", aside), searches=searches)
        return walk.contents(file, content_type)
