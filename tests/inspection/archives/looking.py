"""Looking into what tests have made."""

import io
from dataclasses import replace

from gateway.contents import Contents, Entry, Limits, Trouble
from gateway.inspection.archives.look import look_into
from gateway.inspection.detector import Detector

LIMITS = Limits(entries=1000, unpacked_size=64 * 2**20, ratio=200, depth=3, seconds=20)
detect = Detector().detect


def look(content: bytes, content_type: str | None = None, **limits: float) -> Contents:
    """By its own type, if no other is given."""
    wanted = replace(LIMITS, **limits)  # type: ignore[arg-type]
    return look_into(io.BytesIO(content), content_type or detect(content), wanted, detect)


def entries(content: bytes, content_type: str | None = None) -> tuple[Entry, ...]:
    """Of an archive that has no problem."""
    contents = look(content, content_type)
    assert contents.problems == ()
    return contents.entries


def entry(content: bytes, content_type: str | None = None) -> Entry:
    """The only one."""
    (found,) = entries(content, content_type)
    return found


def trouble(content: bytes, content_type: str | None = None, **limits: float) -> Trouble | None:
    """That of the archive itself."""
    contents = look(content, content_type, **limits)
    problem = next(iter(contents.problems), None)
    return None if problem is None else problem.trouble
