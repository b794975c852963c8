"""The policy file on its disk."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.policy_file.problems import PolicyFileError, Problem
from gateway.policy_file.reading import LARGEST, PolicyFile, read

ONE = '[[rule]]\nname = "a"\nenforce = false\n'
TWO = f'{ONE}[[rule]]\nname = "b"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(ONE)
    return path


def problem(path: Path) -> Problem:
    with pytest.raises(PolicyFileError) as error:
        read(path)
    (problem,) = error.value.problems
    return problem


def names(path: Path) -> list[str]:
    return [rule.name for rule in read(path)]


def test_a_file(path: Path) -> None:
    assert names(path) == ["a"]


def test_a_mark_of_utf_8_at_the_beginning(path: Path) -> None:
    path.write_text(ONE, encoding="utf-8-sig")
    assert names(path) == ["a"]


def test_what_is_no_file(path: Path, tmp_path: Path) -> None:
    assert problem(tmp_path / "x") == Problem(None, "there is no such file")
    assert problem(path / "x") == Problem(None, "it cannot be read (Not a directory)")
    assert problem(tmp_path) == Problem(None, "it is a folder")
    os.mkfifo(tmp_path / "pipe")
    assert problem(tmp_path / "pipe") == Problem(None, "it is no ordinary file")
    (tmp_path / "loop").symlink_to("loop")
    assert problem(tmp_path / "loop").sentence.startswith("it cannot be read (")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_others_may_read(path: Path) -> None:
    path.chmod(0)
    assert problem(path) == Problem(None, "it cannot be read (Permission denied)")


def test_what_is_no_text(path: Path) -> None:
    path.write_bytes(b'# Rules\n[[rule]]\nname = "\xff"\n')
    assert problem(path) == Problem(3, "this is not text in UTF-8")


def test_a_file_that_is_too_large(path: Path) -> None:
    path.write_text(ONE + "#" * (LARGEST - len(ONE)))
    assert names(path) == ["a"]
    path.write_text(ONE + "#" * (LARGEST - len(ONE) + 1))
    assert problem(path) == Problem(None, "it is larger than 1 MiB")


# Another version


@pytest.fixture
def file(path: Path) -> PolicyFile:
    file = PolicyFile(path)
    assert len(file.read()) == 1
    return file


def rewrite(path: Path) -> None:
    path.write_text(TWO)


def rename(path: Path) -> None:
    other = path.with_name("other")
    other.write_text(TWO)
    other.rename(path)


def link(path: Path) -> None:
    path.with_name("other").write_text(TWO)
    path.unlink()
    path.symlink_to("other")


def same_time_and_size(path: Path) -> None:
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # until the file system's clock goes on
        path.write_text(ONE.replace('"a"', '"b"'))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def test_nothing_has_changed(file: PolicyFile) -> None:
    assert [file.changed(), file.changed()] == [False, False]


@pytest.mark.parametrize("change", [rewrite, rename, link, same_time_and_size])
def test_another_version(file: PolicyFile, change: Callable[[Path], None]) -> None:
    """It is told once it has been seen twice, and until it is read."""
    change(file.path)
    assert [file.changed(), file.changed(), file.changed()] == [False, True, True]
    assert "b" in [rule.name for rule in file.read()]
    assert [file.changed(), file.changed()] == [False, False]


def test_a_volume_of_kubernetes(tmp_path: Path) -> None:
    """The file's own link stays, and that of its folder is another one."""
    for version, text in (("1", ONE), ("2", TWO)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "policy.toml").write_text(text)
    (tmp_path / "..data").symlink_to("1")
    (tmp_path / "policy.toml").symlink_to("..data/policy.toml")
    file = PolicyFile(tmp_path / "policy.toml")
    assert len(file.read()) == 1
    (tmp_path / "..new").symlink_to("2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert [file.changed(), file.changed()] == [False, True]
    assert len(file.read()) == 2


def test_a_file_that_is_being_written(file: PolicyFile) -> None:
    """Each of its lengths may be a valid file with fewer rules, and none is taken for one."""
    with file.path.open("w") as writing:
        for rule in range(4):
            writing.write(f'[[rule]]\nname = "{rule}"\nwhen.user = "{rule}"\n')
            writing.flush()
            assert not file.changed()
    assert file.changed()
    assert len(file.read()) == 4


def test_a_version_that_is_wrong_is_read_once(file: PolicyFile) -> None:
    file.path.write_text("x")
    assert [file.changed(), file.changed()] == [False, True]
    with pytest.raises(PolicyFileError, match="expected '='"):
        file.read()
    assert [file.changed(), file.changed()] == [False, False]
    file.path.write_text(TWO)
    assert [file.changed(), file.changed()] == [False, True]
    assert len(file.read()) == 2


def test_a_file_that_goes_and_comes_back(file: PolicyFile) -> None:
    away = file.path.with_name("away")
    file.path.rename(away)
    assert [file.changed(), file.changed()] == [False, True]
    with pytest.raises(PolicyFileError, match="no such file"):
        file.read()
    assert [file.changed(), file.changed()] == [False, False]
    away.rename(file.path)
    assert [file.changed(), file.changed()] == [False, True]
    assert len(file.read()) == 1


def test_a_file_that_was_never_there(tmp_path: Path) -> None:
    file = PolicyFile(tmp_path / "x")
    with pytest.raises(PolicyFileError, match="no such file"):
        file.read()
    assert [file.changed(), file.changed()] == [False, False]
    file.path.write_text(ONE)
    assert [file.changed(), file.changed()] == [False, True]


def test_another_version_while_it_is_read(file: PolicyFile) -> None:
    """A reader that gets one half of each would have rules that nobody wrote."""

    plain = file.path

    class Changing(type(plain)):  # type: ignore[misc]
        """A path whose file changes as soon as it was read."""

        def open(self, *arguments: str) -> object:
            opened = super().open(*arguments)
            rename(plain)
            return opened

    file.path = Changing(plain)
    with pytest.raises(PolicyFileError, match="it changed while it was read"):
        file.read()
    file.path = plain
    assert [file.changed(), file.changed()] == [False, True]
    assert len(file.read()) == 2
