"""Names that rules allow and deny, and what an endpoint takes at all."""

from dataclasses import replace

import pytest

from gateway.policy.judge import judge_content, judge_declaration
from gateway.policy.rules import Agreement, ArchiveRules, ImageRules, Policy, Unseen
from gateway.policy.selectors import EVERYTHING, NOTHING, TypeSelector
from gateway.refusals import Refusal

OPEN = Policy(1000, EVERYTHING, NOTHING, frozenset(), Agreement.OFF)


def reason(refusal: Refusal | None) -> str | None:
    return None if refusal is None else refusal.reason


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("a.pdf", True),
        ("A.PDF", True),
        ("a.exe.pdf", True),
        ("a.pdf.", True),
        ("a.tar.gz", True),
        ("Meeting 10:30.pdf", True),
        ("a.pdf:picture.pdf", True),
        ("a.gz", False),
        ("a.pdf.exe", False),
        ("a.exe:picture.pdf", False),
        ("a.exe:picture.pdf:$DATA", False),
        ("pdf", False),
        ("", False),
    ],
)
def test_allowed_endings(name: str, passes: bool) -> None:
    """Each way in which somebody may read the name has to end in one of them."""
    policy = replace(OPEN, allowed_extensions=frozenset({"pdf", "tar.gz"}))
    assert reason(judge_declaration(policy, name, 1)) == (None if passes else "extension_denied")


def test_no_ending_is_allowed() -> None:
    policy = replace(OPEN, allowed_extensions=frozenset())
    assert reason(judge_declaration(policy, "a.txt", 1)) == "extension_denied"


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("invoice-1.pdf", True),
        ("invoice-1.exe", True),
        ("INVOICE-Ä.PDF", True),
        ("folder/invoice-1.pdf", True),
        ("invoice.pdf", False),
        ("my invoice-1.pdf", False),
        ("invoice-secret.pdf", False),
        ("Invoice-SECRET.pdf", False),
        ("invoice-ｓｅｃｒｅｔ.pdf", False),
        ("invoice-sec\N{SOFT HYPHEN}ret.pdf", False),
        ("invoice-1.key", False),
        ("invoice-1.key ", False),
        ("invoice-1.key.", False),
        ("invoice-1.key::$DATA", False),
        ("invoice-1.key:x.pdf", False),
        ("x.key:invoice-1.pdf", False),
    ],
)
def test_globs(name: str, passes: bool) -> None:
    policy = replace(OPEN, allowed_names=("invoice-*",), denied_names=("*secret*", "*.key"))
    assert reason(judge_declaration(policy, name, 1)) == (None if passes else "name_denied")


@pytest.mark.parametrize(
    ("glob", "name", "matches"),
    [
        ("a?c", "abc", True),
        ("a?c", "abbc", False),
        ("[ab].txt", "b.txt", True),
        ("[!ab].txt", "b.txt", False),
        ("a.txt", "xa.txt", False),
        ("a.txt", "a.txtx", False),
        ("a|b", "a", False),
        ("(a", "(a", True),
    ],
)
def test_a_glob_is_about_the_whole_name(glob: str, name: str, matches: bool) -> None:
    policy = replace(OPEN, denied_names=("zzz", glob))
    assert (judge_declaration(policy, name, 1) is not None) == matches


def test_no_name_is_allowed() -> None:
    assert reason(judge_declaration(replace(OPEN, allowed_names=()), "a", 1)) == "name_denied"


def test_the_order_of_reasons() -> None:
    policy = replace(
        OPEN,
        denied_extensions=frozenset({"exe"}),
        allowed_extensions=frozenset({"pdf", "exe"}),
        denied_names=("*x*",),
    )
    assert reason(judge_declaration(policy, "x.exe", 2000)) == "extension_denied"
    assert reason(judge_declaration(policy, "x.txt", 2000)) == "extension_denied"
    assert reason(judge_declaration(policy, "x.pdf", 2000)) == "name_denied"
    assert reason(judge_declaration(policy, "a.pdf", 2000)) == "file_too_large"


def test_what_the_user_reads() -> None:
    policy = replace(OPEN, allowed_extensions=frozenset({"pdf"}), denied_names=("x*",))
    without, other, denied = (
        judge_declaration(policy, name, 1) for name in ("README", "a.tar.gz", "x.pdf")
    )
    assert without is not None
    assert "names without an ending are not allowed" in without.message
    assert other is not None
    assert "files ending in .gz are not allowed" in other.message
    assert denied is not None
    assert "“x.pdf”" in denied.message


@pytest.mark.parametrize(
    ("allowed", "within", "content_type", "passes"),
    [
        ("*", "images", "image/png", True),
        ("*", "images", "application/pdf", False),
        ("application/pdf", "images", "image/png", False),
        ("application/pdf", "images", "application/pdf", False),
        ("images", "*", "image/png", True),
    ],
)
def test_what_an_endpoint_takes(allowed: str, within: str, content_type: str, passes: bool) -> None:
    policy = replace(OPEN, allowed=TypeSelector.parse(allowed), within=TypeSelector.parse(within))
    assert reason(judge_content(policy, "a", content_type)) == (None if passes else "type_denied")


def test_names_are_only_looked_at_where_that_makes_a_difference() -> None:
    assert not OPEN.limits_names
    assert replace(OPEN, allowed_extensions=frozenset()).limits_names
    assert replace(OPEN, allowed_names=()).limits_names
    assert replace(OPEN, denied_names=("x",)).limits_names


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x"},
        {"within": NOTHING},
        {"allowed_extensions": frozenset({"a"})},
        {"allowed_names": ("a",)},
        {"denied_names": ("a",)},
        {"scan": True},
        {"archives": ArchiveRules()},
        {"archives": ArchiveRules(unreadable=Unseen.ALLOW)},
        {"images": ImageRules()},
        {"images": ImageRules(max_frames=1)},
    ],
    ids=str,
)
def test_other_policies_have_another_fingerprint(change: dict[str, object]) -> None:
    changed = replace(OPEN, **change)  # type: ignore[arg-type]
    assert changed.fingerprint() != OPEN.fingerprint()
    assert changed.fingerprint() != replace(OPEN, message="x").fingerprint()


@pytest.mark.parametrize(
    "limits",
    [{"max_entries": 0}, {"max_unpacked_size": 0}, {"max_ratio": 0}, {"max_depth": 0},
     {"max_seconds": 0}, {"max_seconds": float("nan")}],
    ids=str,
)  # fmt: skip
def test_limits_that_no_archive_keeps(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="lets no archive pass"):
        ArchiveRules(**limits)  # type: ignore[arg-type]


@pytest.mark.parametrize("limits", [{"max_pixels": 0}, {"max_frames": 0}], ids=str)
def test_limits_that_no_picture_keeps(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="lets no picture pass"):
        ImageRules(**limits)
