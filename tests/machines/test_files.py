"""Files that are read again when they change: the watch itself, and the tokens of accounts."""

from pathlib import Path

import pytest

from gateway.machines.accounts import Accounts, NoAccount
from gateway.machines.watched import LONGEST, FileProblem, Watched


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def number(document: bytes) -> int:
    try:
        return int(document)
    except ValueError:
        raise FileProblem(["no number"]) from None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("1")
    return path


def test_a_watch(path: Path) -> None:
    clock, heard = Clock(), list[str]()
    watched = Watched(
        path,
        number,
        taken=lambda: heard.append("taken"),
        rejected=lambda problem: heard.append(str(problem)),
        clock=clock,
    )
    path.write_text("22")
    assert watched.value == 1
    clock.now += 1
    assert watched.value == 22
    path.write_text("wrong")
    clock.now += 1
    assert watched.value == 22
    clock.now += 1
    assert watched.value == 22
    path.unlink()
    clock.now += 1
    assert watched.value == 22
    path.write_text("333")
    clock.now += 1
    assert watched.value == 333
    assert heard[:2] == ["taken", "no number"]
    assert "cannot be read" in heard[2]
    assert heard[3:] == ["taken"]


def test_a_link_that_leads_elsewhere(path: Path, tmp_path: Path) -> None:
    """As Kubernetes changes what it mounts."""
    other, link = tmp_path / "other", tmp_path / "link"
    other.write_text("2")
    link.symlink_to(path)
    watched = Watched(link, number, interval=0)
    (tmp_path / "new").symlink_to(other)
    (tmp_path / "new").rename(link)
    assert watched.value == 2


def test_the_first_version_has_to_be_right(path: Path, tmp_path: Path) -> None:
    path.write_text("wrong")
    for wrong in (path, tmp_path / "none", tmp_path):
        with pytest.raises(FileProblem):
            Watched(wrong, number)
    path.write_bytes(bytes(LONGEST + 1))
    with pytest.raises(FileProblem, match="longer"):
        Watched(path, number)


# Accounts.


def test_tokens_of_accounts(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "ci").write_text(f"{'a' * 26}\n")
    accounts = Accounts(tmp_path, "of-the-environment", clock=clock)
    assert accounts.find("ci").token == "a" * 26
    assert accounts.find("default").token == "of-the-environment"
    (tmp_path / "ci").write_text("b" * 26)
    assert accounts.find("ci").token == "a" * 26
    clock.now += 1
    assert accounts.find("ci").token == "b" * 26
    (tmp_path / "ci").unlink()
    clock.now += 1
    with pytest.raises(NoAccount, match="No such file"):
        accounts.find("ci")


def test_a_token_of_the_default_account_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "default").write_text("of-the-folder")
    assert Accounts(tmp_path).find("default").token == "of-the-folder"
    with pytest.raises(NoAccount):
        Accounts(None).find("default")


@pytest.mark.parametrize("name", ["", "..", "../secret", "/etc/passwd", ".hidden", "a/b", "a\0"])
def test_names_that_lead_elsewhere(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "accounts").mkdir()
    with pytest.raises(NoAccount):
        Accounts(tmp_path / "accounts").find(name)


@pytest.mark.parametrize("content", ["", "\n", "two words", "a\nb", "é", "a" * 5000])
def test_what_is_no_token(content: str, tmp_path: Path) -> None:
    """It would end up in a header."""
    (tmp_path / "ci").write_text(content, encoding="latin-1")
    with pytest.raises(NoAccount) as error:
        Accounts(tmp_path).find("ci")
    assert "holds no token" in str(error.value)
