"""Whatever the bytes are, there is an answer, it comes soon, and it is cheap."""

import gzip
import io
import lzma
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contents import Limits
from gateway.inspection.archives.look import look_into
from gateway.policy.rules import ArchiveRules
from tests.inspection import files

from . import made
from .bombs import BOMBS
from .looking import LIMITS, detect

_TEXT = b"All work and no play makes Jack a dull boy.\n" * 30
_INNER = made.zip_of(made.packed("a.txt", _TEXT), made.stored("b.exe", files.pe()))
_TAR = made.pax(path="a/b.txt") + made.tar_of(("x", _TEXT), ("in.zip", _INNER))
WHOLE = {
    "zip": ("application/zip", made.zip_of(made.packed("a.zip", _INNER), made.stored("b"))),
    "tar": ("application/x-tar", _TAR),
    "tar.gz": ("application/gzip", gzip.compress(_TAR, mtime=0)),
    "tar.xz": ("application/x-xz", lzma.compress(_TAR)),
    "7z": ("application/x-7z-compressed",
           made.seven_zip(("a.zip", _INNER), ("b", _TEXT), folders=["c"], encoded=True)),
    "7z, plain": ("application/x-7z-compressed", made.seven_zip(("a.zip", _INNER))),
    "rar": ("application/x-rar", made.rar5(made.rar5_file("a"), made.rar5_file("b"))),
    "rar4": ("application/x-rar", made.rar4(made.rar4_file(b"a"), made.rar4_file(b"b"))),
    "docx": ("application/zip", files.docx()),
}  # fmt: skip


def look(content_type: str, content: bytes, limits: Limits = LIMITS) -> None:
    contents = look_into(io.BytesIO(content), content_type, limits, detect)
    assert len(contents.entries) <= limits.entries
    assert contents.unpacked_size <= limits.unpacked_size
    assert contents.depth <= limits.depth


@pytest.mark.parametrize("name", WHOLE)
def test_damage(name: str) -> None:
    content_type, whole = WHOLE[name]
    dice = random.Random(name)
    for _ in range(150):
        damaged = bytearray(whole[: dice.randint(1, len(whole))] if dice.random() < 0.5 else whole)
        for _ in range(dice.randint(0, 8)):
            damaged[dice.randrange(len(damaged))] = dice.choice(
                (0, 1, 127, 255, dice.randrange(256))
            )
        look(content_type, bytes(damaged))


@pytest.mark.parametrize("name", WHOLE)
def test_every_length(name: str) -> None:
    content_type, whole = WHOLE[name]
    for size in range(0, len(whole), max(1, len(whole) // 100)):
        look(content_type, whole[:size])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.binary(max_size=600), st.integers(0, 600))
def test_noise(name: str, noise: bytes, at: int) -> None:
    content_type, whole = WHOLE[name]
    look(content_type, noise)
    look(content_type, whole[:at] + noise + whole[at + len(noise) :])


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    """What each costs ``./scripts/bombs`` measures."""
    bomb = BOMBS[name]
    limits = ArchiveRules().limits
    contents = look_into(io.BytesIO(bomb.make()), bomb.content_type, limits, detect)
    told = {problem.trouble for problem in contents.problems}
    told |= {entry.trouble for entry in contents.entries if entry.trouble is not None}
    assert told == {bomb.trouble}
