"""Archives in archives, and how far the look goes."""

import gzip
import io
from pathlib import Path

import pytest

from gateway.contents import Trouble
from gateway.inspection.archives.formats import is_archive, is_container
from gateway.inspection.archives.look import look_into
from gateway.inspection.detector import HEAD_SIZE
from gateway.policy.groups import MEMBERS, Group
from tests.inspection import files

from . import made
from .looking import LIMITS, detect, entries, look, trouble

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PROGRAM = ("setup.exe", files.pe())
LARGE = bytes(range(256)) * 400


def nested(depth: int) -> bytes:
    content = made.zip_of(made.stored("a.txt"))
    for _ in range(depth - 1):
        content = made.zip_of(made.packed("in.zip", content))
    return content


def test_archives_of_all_kinds_in_archives() -> None:
    inner = {
        "a.zip": files.zipped(PROGRAM),
        "a.tar": made.tar_of(PROGRAM),
        "a.tar.gz": gzip.compress(made.tar_of(PROGRAM)),
        "a.7z": made.seven_zip(PROGRAM),
        "a.rar": made.rar5(made.rar5_file("setup.exe")),
        "setup.exe.gz": gzip.compress(files.pe()),
    }
    for content in (
        files.zipped(*inner.items()),
        made.tar_of(*inner.items()),
        made.seven_zip(*inner.items()),
    ):
        paths = {e.path: e.content_type for e in entries(content) if e.depth == 2}
        assert set(paths) == {
            "a.zip/setup.exe",
            "a.tar/setup.exe",
            "a.tar.gz/setup.exe",
            "a.7z/setup.exe",
            "a.rar/setup.exe",
            "setup.exe.gz",
        }
        del paths["a.rar/setup.exe"]
        assert set(paths.values()) == {"application/x-dosexec"}


def test_large_ones() -> None:
    """Larger than the head, and than what is kept in memory."""
    noise = made.stored("noise", LARGE * 20)
    inner = made.zip_of(noise, made.stored("b.exe", files.pe()))
    found = entries(made.zip_of(made.stored("1.zip", inner), made.packed("2.zip", inner)))
    assert [e.path for e in found] == [
        *("1.zip", "2.zip", "1.zip/noise", "1.zip/b.exe", "2.zip/noise", "2.zip/b.exe")
    ]
    assert found[3].content_type == "application/x-dosexec"


def test_depth() -> None:
    assert look(nested(3)).depth == 3
    assert trouble(nested(3)) is None
    assert trouble(nested(4)) is Trouble.TOO_DEEP
    assert trouble(nested(2), depth=1) is Trouble.TOO_DEEP


def test_the_first_trouble_ends_it() -> None:
    contents = look(nested(9))
    assert [e.path for e in contents.entries] == ["in.zip", "in.zip/in.zip"]
    (problem,) = contents.problems
    assert problem.path == "in.zip/in.zip"


def test_entries() -> None:
    content = files.zipped(*((f"{n}", b"") for n in range(10)))
    assert trouble(content, entries=10) is None
    assert trouble(content, entries=9) is Trouble.TOO_MANY_ENTRIES
    twice = files.zipped(("a.zip", content), ("b.zip", content))
    assert trouble(twice, entries=22) is None
    assert trouble(twice, entries=21) is Trouble.TOO_MANY_ENTRIES


def test_what_is_unpacked_is_counted_at_all_depths() -> None:
    size = len(made.zip_of(made.stored("a", LARGE)))
    content = made.zip_of(made.packed("in.zip", made.zip_of(made.stored("a", LARGE))))
    assert look(content).unpacked_size == size + len(LARGE)
    assert trouble(content, unpacked_size=size + len(LARGE)) is None
    assert trouble(content, unpacked_size=size + len(LARGE) - 1) is Trouble.TOO_LARGE


def test_a_tar_counts_with_its_headers() -> None:
    content = made.tar_of(("a", LARGE))
    assert look(gzip.compress(content)).unpacked_size == len(content)


def test_the_ratio() -> None:
    """Not that of small files."""
    small, large = gzip.compress(bytes(31 * 2**20)), gzip.compress(bytes(33 * 2**20))
    assert trouble(small, ratio=10) is None
    assert trouble(large, ratio=10) is Trouble.RATIO
    assert trouble(large, ratio=2000) is None


def test_time() -> None:
    assert trouble(files.zipped(("a", b"a")), seconds=-1) is Trouble.TOOK_TOO_LONG


def test_a_broken_archive_within_is_named() -> None:
    broken = made.zip_of(made.stored("a"))[:-1]
    contents = look(made.zip_of(made.stored("b.zip", broken), made.stored("c.zip", nested(1))))
    assert [(p.path, p.trouble) for p in contents.problems] == [("b.zip", Trouble.UNREADABLE)]
    assert contents.entries[-1].path == "c.zip/a.txt"


def test_documents_within_are_seen_whole() -> None:
    """But not looked into, unless that is asked for."""
    filling = ("media/a.bin", LARGE)
    docm = files.zipped(
        filling,
        ("[Content_Types].xml", files.content_types(files.DOCX_PART)),
        ("word/vbaProject.bin", b"x"),
    )
    assert detect(docm[:HEAD_SIZE]) == "application/zip"
    content = files.zipped(("a.docx", docm), ("b.txt", b"b"), ("c.zip", nested(1)))
    found = entries(content)
    assert found[0].content_type == f"{DOCX}; with=macros"
    assert [e.path for e in found] == ["a.docx", "b.txt", "c.zip", "c.zip/a.txt"]
    opened = look_into(io.BytesIO(content), "application/zip", LIMITS, detect, opens=lambda _: True)
    assert "a.docx/word/vbaProject.bin" in [e.path for e in opened.entries]


def test_markup_within_is_searched_to_its_end_if_that_matters() -> None:
    drawing = b"<svg xmlns='http://www.w3.org/2000/svg'>" + b"<path/>" * 10_000
    blank = b" " * HEAD_SIZE
    content = files.zipped(
        ("acts.svg", drawing + b"<script/></svg>"),
        ("shows.svg", drawing + b"</svg>"),
        ("acts.txt", blank + b"<html>"),
        ("blank.txt", blank),
        ("notes.txt", b"<html> is a tag, and so is <script>.\n"[6:] + blank + b"<html>"),
        ("in.zip", files.zipped(("acts.svg", drawing + b"<script/></svg>"))),
    )
    assert not any("with=" in entry.content_type for entry in entries(content))
    found = look_into(io.BytesIO(content), "application/zip", LIMITS, detect, searches=True)
    acting = [entry.path for entry in found.entries if "with=script" in entry.content_type]
    assert acting == ["acts.svg", "acts.txt", "in.zip/acts.svg"]


def test_there_has_to_be_room(tmp_path: Path) -> None:
    content = made.zip_of(made.packed("a.zip", made.zip_of(made.stored("a", LARGE * 20))))
    with pytest.raises(OSError, match="No such file"):
        look_into(
            io.BytesIO(content), "application/zip", LIMITS, detect, folder=tmp_path / "missing"
        )
    contents = look_into(io.BytesIO(content), "application/zip", LIMITS, detect, folder=tmp_path)
    assert len(contents.entries) == 2
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_looked_into() -> None:
    assert trouble(b"MSCF", "application/vnd.ms-cab-compressed") is Trouble.UNSUPPORTED
    assert trouble(files.iso()) is Trouble.UNSUPPORTED
    assert trouble(files.zipped(("backup", files.iso()))) is Trouble.UNSUPPORTED


def test_every_archive_is_looked_into_or_cannot_be() -> None:
    """None passes a rule about archives because nobody here reads its kind."""
    for content_type, group in MEMBERS.items():
        assert is_archive(content_type) == (group is Group.ARCHIVES), content_type


def test_what_is_called_an_archive() -> None:
    for content_type in ("application/zip", "application/zip; with=encryption", "application/gzip",
                         "application/x-tar", "application/x-7z-compressed", "application/x-rar",
                         "application/vnd.ms-cab-compressed"):  # fmt: skip
        assert is_archive(content_type)
        assert not is_container(content_type)
    for content_type in (DOCX, f"{DOCX}; with=macros", "application/java-archive",
                         "application/vnd.oasis.opendocument.text", "application/epub+zip",
                         "application/vnd.ms-word.document.macroEnabled.12"):  # fmt: skip
        assert is_container(content_type)
        assert not is_archive(content_type)
    for content_type in ("text/plain", "application/pdf", "application/x-dosexec", "image/png"):
        assert not is_archive(content_type)
        assert not is_container(content_type)
