"""Verdicts on archives, by what is in them."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.contents import Contents, Entry, Kind, Limits, Problem, Trouble
from gateway.policy.archives import judge_contents
from gateway.policy.rules import Agreement, ArchiveRules, Policy, Unseen
from gateway.policy.selectors import TypeSelector
from gateway.refusals import Refusal

from .test_judge import DOCX, DOS, OPEN, USUAL, reason

UNKNOWN = "application/octet-stream"
RULES = ArchiveRules()
ALLOWING = ArchiveRules(encrypted=Unseen.ALLOW, unreadable=Unseen.ALLOW)


def judge(
    *entries: Entry,
    problems: tuple[Problem, ...] = (),
    policy: Policy = USUAL,
    rules: ArchiveRules = RULES,
    name: str = "backup.zip",
) -> Refusal | None:
    policy = replace(policy, archives=rules)
    return judge_contents(policy, name, Contents(entries, 1000, 5000, problems))


def file(name: str, content_type: str = "text/plain", **more: Any) -> Entry:
    return Entry(name, size=10, content_type=content_type, **more)


def test_an_ordinary_archive_passes() -> None:
    entries = (
        Entry("docs/", kind=Kind.DIRECTORY),
        file("docs/a.txt"),
        file("docs/report.docx", DOCX),
        file("old.zip", "application/zip"),
        file("b.txt", archives=("old.zip",)),
        Entry("link", kind=Kind.SYMBOLIC_LINK, link="docs/a.txt"),
        Entry("hard", kind=Kind.HARD_LINK, link="docs/a.txt"),
        file("empty.pdf", "inode/x-empty"),
    )
    assert judge(*entries) is None
    assert judge() is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (file("docs/setup.exe"), "“docs/setup.exe” in it: files ending in .exe are not allowed"),
        (file("docs\\setup.EXE "), "ending in .exe"),
        (file("docs.a\\setup.exe"), "ending in .exe"),
        (file("tool", DOS), "“tool” in it: it is a Windows program"),
        (file("invoice.pdf", DOS), "its name ends in .pdf, but its content is a Windows program"),
        (file("setup.exe", archives=("a.zip", "b.tar")), "“a.zip/b.tar/setup.exe” in it"),
        (file("a.txt", other_names=("setup.exe",)), "ending in .exe"),
        (file("", archives=("setup.exe.gz",)), "“setup.exe.gz” in it"),
        (file("setup.exe", UNKNOWN, trouble=Trouble.UNSUPPORTED), "ending in .exe"),
        (file("setup.exe", UNKNOWN, trouble=Trouble.ENCRYPTED), "ending in .exe"),
        (Entry("setup.exe", kind=Kind.SYMBOLIC_LINK, link="a"), "ending in .exe"),
    ],
)
def test_entries_are_judged_as_files_of_their_own(entry: Entry, words: str) -> None:
    refusal = judge(file("a.txt"), entry)
    assert reason(refusal) == "archive_entry_denied"
    assert refusal is not None
    assert refusal.message.startswith("“backup.zip” was not uploaded because of “")
    assert words in refusal.message


def test_what_is_not_looked_at() -> None:
    """A folder's ending, and sizes: those are counted together."""
    assert judge(Entry("setup.exe/", kind=Kind.DIRECTORY)) is None
    assert judge(replace(file("a.txt"), size=10**9)) is None


def test_a_compressed_file_is_called_as_its_archive() -> None:
    assert reason(judge(file(""), name="setup.exe.gz")) == "archive_entry_denied"
    assert reason(judge(file("", DOS), name="invoice.pdf.gz")) == "archive_entry_denied"
    assert judge(file(""), name="notes.txt.gz") is None
    assert judge(file(""), name="notes") is None


def test_the_groups_of_entries_count() -> None:
    images = replace(OPEN, allowed=TypeSelector.parse("images,archives"))
    assert judge(file("a.png", "image/png"), policy=images) is None
    assert reason(judge(file("a.txt"), policy=images)) == "archive_entry_denied"
    macros = replace(OPEN, denied=TypeSelector.parse("macros"))
    docm = file("a.docx", f"{DOCX}; with=macros")
    assert reason(judge(docm, policy=macros)) == "archive_entry_denied"
    strict = replace(OPEN, agreement=Agreement.STRICT)
    assert reason(judge(file("a.png", "image/jpeg"), policy=strict)) == "archive_entry_denied"


@pytest.mark.parametrize(
    "entry",
    [
        file("../a.txt"),
        file("a/../../b.txt"),
        file("a\\..\\b.txt"),
        file("/etc/passwd"),
        file("\\\\server\\share\\a.txt"),
        file("//server/a.txt"),
        file("C:\\a.txt"),
        file("c:a.txt"),
        file(".. /a.txt"),
        file("a/.../b.txt"),
        file("a.txt", other_names=("../a.txt",)),
        file("a\0.txt"),
        file("docs/" + "a." * 128),
        file("a\n.txt"),
        file("photo\u202egpj.txt"),
        Entry("../", kind=Kind.DIRECTORY),
        Entry("tty", kind=Kind.DEVICE),
        file("a.txt", trouble=Trouble.AMBIGUOUS),
        Entry("a", kind=Kind.SYMBOLIC_LINK, link="../b"),
        Entry("a/b", kind=Kind.SYMBOLIC_LINK, link="../../b"),
        Entry("a/b", kind=Kind.SYMBOLIC_LINK, link="c/../../../b"),
        Entry("a/b/c/d", kind=Kind.SYMBOLIC_LINK, link="e/../f"),
        Entry("a", kind=Kind.SYMBOLIC_LINK, link="/etc/passwd"),
        Entry("a", kind=Kind.SYMBOLIC_LINK, link="C:\\a"),
        Entry("a", kind=Kind.SYMBOLIC_LINK, link="\\\\server\\a"),
        Entry("a", kind=Kind.SYMBOLIC_LINK, link=""),
        Entry("a", kind=Kind.SYMBOLIC_LINK),
        Entry("a", kind=Kind.HARD_LINK, link="/etc/passwd"),
        Entry("a", kind=Kind.HARD_LINK, link="../b"),
        Entry("a", kind=Kind.HARD_LINK),
    ],
    ids=str,
)
def test_entries_that_do_harm_where_they_are_unpacked(entry: Entry) -> None:
    """Whatever the rules allow."""
    assert reason(judge(entry, policy=OPEN, rules=ALLOWING)) == "archive_unsafe"


@pytest.mark.parametrize(
    "entry",
    [
        file("./a.txt"),
        file("a/./b..txt"),
        file("..a/b.txt"),
        file("a./b.txt"),
        file("docs\\a.txt"),
        file("größe/漢字.txt"),
        Entry("./", kind=Kind.DIRECTORY),
        Entry("a/b/c", kind=Kind.SYMBOLIC_LINK, link="../../d"),
        Entry("a/b", kind=Kind.SYMBOLIC_LINK, link="../c"),
        Entry("a", kind=Kind.SYMBOLIC_LINK, link="./b"),
        Entry("a", kind=Kind.SYMBOLIC_LINK, link="."),
        Entry("a/b", kind=Kind.HARD_LINK, link="a/c"),
    ],
    ids=str,
)
def test_entries_that_stay_where_they_belong(entry: Entry) -> None:
    assert judge(entry, policy=OPEN) is None


@pytest.mark.parametrize(
    "entry",
    [
        file("link/a.txt"),
        file("LINK/a.txt"),
        file("./link/b/a.txt"),
        file("link\\a.txt"),
        Entry("a", kind=Kind.HARD_LINK, link="link/b"),
    ],
    ids=str,
)
def test_nothing_is_unpacked_through_a_link(entry: Entry) -> None:
    """Two links that stay inside can lead out of it together."""
    link = Entry("link", kind=Kind.SYMBOLIC_LINK, link="b")
    assert reason(judge(link, entry, policy=OPEN)) == "archive_unsafe"
    assert judge(link, replace(entry, archives=("other.zip",)), policy=OPEN) is None


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Trouble.TOO_MANY_ENTRIES, "more than 10,000 files"),
        (Trouble.TOO_LARGE, "more than 1 GiB"),
        (Trouble.RATIO, "more than 200 times"),
        (Trouble.TOO_DEEP, "more than 3 deep"),
        (Trouble.TOOK_TOO_LONG, "too long"),
    ],
)
def test_limits(trouble: Trouble, words: str) -> None:
    refusal = judge(file("setup.exe"), problems=(Problem(trouble),), rules=ALLOWING)
    assert reason(refusal) == "archive_too_large"
    assert refusal is not None
    assert words in refusal.message


@pytest.mark.parametrize("path", ["", "a.zip"])
@pytest.mark.parametrize(
    ("trouble", "refused", "where_allowed"),
    [
        (Trouble.ENCRYPTED, "archive_encrypted", None),
        (Trouble.UNREADABLE, "archive_unreadable", None),
        (Trouble.UNSUPPORTED, "archive_unreadable", None),
        (Trouble.AMBIGUOUS, "archive_unsafe", "archive_unsafe"),
    ],
)
def test_archives_that_were_not_seen_to_their_end(
    trouble: Trouble, refused: str, where_allowed: str | None, path: str
) -> None:
    problems = (Problem(trouble, path),)
    refusal = judge(problems=problems)
    assert reason(refusal) == refused
    assert refusal is not None
    assert ("“a.zip” in it" in refusal.message) == bool(path)
    assert reason(judge(problems=problems, rules=ALLOWING)) == where_allowed


def test_what_was_seen_comes_first() -> None:
    problems = (Problem(Trouble.UNREADABLE),)
    assert reason(judge(file("setup.exe"), problems=problems)) == "archive_entry_denied"


def test_entries_that_cannot_be_read() -> None:
    hardened = replace(OPEN, denied=TypeSelector.parse("unknown"), agreement=Agreement.STRICT)
    locked = file("a.txt", UNKNOWN, trouble=Trouble.ENCRYPTED)
    assert reason(judge(locked)) == "archive_encrypted"
    assert judge(locked, rules=ALLOWING, policy=hardened) is None
    damaged = file("a.txt", UNKNOWN, trouble=Trouble.UNREADABLE)
    assert reason(judge(damaged)) == "archive_unreadable"
    assert judge(damaged, rules=ALLOWING, policy=hardened) is None


def test_entries_of_which_only_the_names_are_known() -> None:
    """As of RAR archives. What they are is unknown, and does not disagree with their names."""
    unseen = file("a.pdf", UNKNOWN, trouble=Trouble.UNSUPPORTED)
    strict = replace(OPEN, agreement=Agreement.STRICT)
    assert judge(unseen, policy=strict) is None
    no_unknown = replace(OPEN, denied=TypeSelector.parse("unknown"))
    assert reason(judge(unseen, policy=no_unknown)) == "archive_entry_denied"


@pytest.mark.parametrize(
    ("name", "content_type"), [("a.zip", UNKNOWN), ("a.tar.gz", UNKNOWN), ("a", "application/zip")]
)
def test_archives_of_which_only_the_name_is_known(name: str, content_type: str) -> None:
    """Further names are in it."""
    unseen = file(name, content_type, trouble=Trouble.UNSUPPORTED)
    assert reason(judge(unseen)) == "archive_unreadable"
    assert judge(unseen, rules=ALLOWING) is None


def test_a_long_path_is_told_by_its_end() -> None:
    refusal = judge(file("folder/" * 50 + "setup.exe"))
    assert refusal is not None
    assert "folder/setup.exe” in it" in refusal.message
    assert len(refusal.message) < 400


def test_rules_tell_how_far_to_look() -> None:
    rules = ArchiveRules(1, 2, 3, 4, 5)
    assert rules.limits == Limits(1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_entries": 0},
        {"max_unpacked_size": -1},
        {"max_ratio": 0.5},
        {"max_depth": 0},
        {"max_seconds": 0},
    ],
    ids=str,
)
def test_rules_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ArchiveRules(**wrong)


@pytest.mark.parametrize(
    ("limits", "limited"),
    [
        ({"max_entries": 2}, False),
        ({"max_entries": 1}, True),
        ({"max_unpacked_size": 5000}, False),
        ({"max_unpacked_size": 4999}, True),
        ({"max_ratio": 1}, False),  # of so little that it is no burden
        ({"max_depth": 2}, False),
        ({"max_depth": 1}, True),
    ],
)
def test_what_another_rule_had_looked_into_further(limits: dict[str, Any], limited: bool) -> None:
    inner = file("b.txt", archives=("a.zip",))
    refusal = judge(file("a.zip", "application/zip"), inner, rules=ArchiveRules(**limits))
    assert reason(refusal) == ("archive_too_large" if limited else None)


def test_a_ratio_that_is_a_burden() -> None:
    policy = replace(USUAL, archives=RULES)
    contents = Contents((file("a.txt"),), 2**20, 201 * 2**20)
    assert reason(judge_contents(policy, "a.zip", contents)) == "archive_too_large"
    assert judge_contents(policy, "a.zip", replace(contents, unpacked_size=200 * 2**20)) is None


def test_who_has_no_rules_for_archives_lets_them_pass() -> None:
    contents = Contents((file("a.exe", DOS),), 1000, 5000, (Problem(Trouble.RATIO),))
    assert judge_contents(USUAL, "a.zip", contents) is None
