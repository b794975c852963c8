import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from gateway.policy.extensions import DEFAULT_DENIED_EXTENSIONS
from gateway.policy.judge import judge_content, judge_declaration
from gateway.policy.rules import Agreement, Policy
from gateway.policy.selectors import TypeSelector
from gateway.refusals import Refusal

ANYTHING, NOTHING = TypeSelector.parse("*"), TypeSelector.parse("")
OPEN = Policy(
    max_file_size=1000,
    allowed=ANYTHING,
    denied=NOTHING,
    denied_extensions=frozenset(),
    agreement=Agreement.DANGEROUS,
)
"""Lets everything pass but disguises."""
USUAL = replace(
    OPEN, denied=TypeSelector.parse("executables"), denied_extensions=DEFAULT_DENIED_EXTENSIONS
)

DOS = "application/x-dosexec"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def reason(refusal: Refusal | None) -> str | None:
    return None if refusal is None else refusal.reason


@pytest.mark.parametrize(
    ("name", "size", "verdict"),
    [
        ("a.txt", 1000, None),
        ("a.txt", 0, None),
        ("a.txt", None, None),
        ("a.txt", 1001, "file_too_large"),
        ("a.exe", 10, "extension_denied"),
        ("a.exe", 1001, "extension_denied"),
        ("A.EXE", None, "extension_denied"),
        ("a.pdf.exe", None, "extension_denied"),
        ("a.exe.", None, "extension_denied"),
        ("a.exe ", None, "extension_denied"),
        ("a.exe::$DATA", None, "extension_denied"),
        ("a.ｅｘｅ", None, "extension_denied"),
        ("a.exe.pdf", None, None),
        ("exe", None, None),
        ("a.exercise", None, None),
        ("script.js", None, None),
        ("deploy.sh", None, None),
    ],
)
def test_declaration(name: str, size: int | None, verdict: str | None) -> None:
    assert reason(judge_declaration(USUAL, name, size)) == verdict


def test_a_denied_ending_of_two_parts() -> None:
    policy = replace(OPEN, denied_extensions=frozenset({"tar.gz"}))
    assert reason(judge_declaration(policy, "a.tar.gz", None)) == "extension_denied"
    assert judge_declaration(policy, "a.gz", None) is None


@pytest.mark.parametrize(
    ("allowed", "denied", "content_type", "passes"),
    [
        ("*", "", "image/png", True),
        ("*", "executables", "image/png", True),
        ("*", "executables", DOS, False),
        ("*", "executables", "application/x-pie-executable", False),
        ("*", "executables", "text/x-shellscript", True),
        ("*", "executables,scripts", "text/x-shellscript", False),
        ("images,documents", "", "application/pdf", True),
        ("images,documents", "", "text/plain", False),
        ("images,documents", "", "application/octet-stream", False),
        ("images,documents,unknown", "", "application/octet-stream", True),
        # Denial wins.
        ("image/*", "image/svg+xml", "image/svg+xml", False),
        ("image/svg+xml", "images", "image/svg+xml", False),
        ("*", "*", "text/plain", False),
        ("", "", "text/plain", False),
    ],
)
def test_types(allowed: str, denied: str, content_type: str, passes: bool) -> None:
    policy = replace(OPEN, allowed=TypeSelector.parse(allowed), denied=TypeSelector.parse(denied))
    refusal = judge_content(policy, "file", content_type)
    assert reason(refusal) == (None if passes else "type_denied")


DISGUISES = [
    ("invoice.pdf", DOS),
    ("invoice.pdf", "application/vnd.microsoft.portable-executable"),
    ("invoice.PDF", DOS),
    ("invoice.pdf ", DOS),
    ("invoice.exe.pdf", DOS),
    ("invoice.pdf", "text/html"),
    ("invoice.pdf", "text/x-shellscript"),
    ("invoice.pdf", "application/java-archive"),
    ("invoice.pdf", "application/javascript"),
    ("invoice.docx", "application/x-msi"),
    ("invoice.docx", "text/html"),
    ("photo.jpg", DOS),
    ("photo.jpg", "application/x-sharedlib"),
    ("photo.jpg", "text/html"),
    ("photo.png", "image/svg+xml"),
    ("photo.heic", "text/x-php"),
    ("photo.webp", "application/x-mach-binary"),
    ("drawing.svg", "text/html"),
    ("song.mp3", DOS),
    ("song.flac", "application/x-executable"),
    ("film.mp4", "application/x-dosexec"),
    ("film.mkv", "text/x-msdos-batch"),
    ("backup.zip", DOS),
    ("backup.tar.gz", "text/x-shellscript"),
    ("backup.7z", "application/x-executable"),
    ("notes.txt", DOS),
    ("notes.txt", "text/html"),
    ("server.log", "text/x-shellscript"),
    ("table.csv", "application/x-executable"),
    ("data.json", "text/html"),
]


@pytest.mark.parametrize(("name", "content_type"), DISGUISES)
def test_disguises_are_refused(name: str, content_type: str) -> None:
    """Even where everything is allowed."""
    assert reason(judge_content(OPEN, name, content_type)) == "content_mismatch"
    assert judge_content(replace(OPEN, agreement=Agreement.OFF), name, content_type) is None


HARMLESS = [
    # What it says.
    ("photo.jpg", "image/jpeg"),
    ("report.docx", DOCX),
    ("drawing.svg", "image/svg+xml"),
    ("page.html", "text/html"),
    ("page.htm", "text/html"),
    ("deploy.sh", "text/x-shellscript"),
    ("tool.py", "text/x-script.python"),
    ("setup.exe", DOS),
    ("library.so.6", "application/x-sharedlib"),
    ("library.jar", "application/java-archive"),
    # Another thing, but as harmless.
    ("photo.jpg", "image/png"),
    ("photo.jpg", "text/plain"),
    ("report.docx", "application/zip"),
    ("report.doc", "application/CDFV2"),
    ("report.pdf", "application/octet-stream"),
    ("table.csv", "text/plain"),
    ("table.xlsx", "application/vnd.ms-excel"),
    ("data.json", "text/plain"),
    ("data.json", "application/x-ndjson"),
    ("logo.ico", "image/png"),
    ("empty.pdf", "inode/x-empty"),
    ("messages.pot", "text/x-po"),
    ("graph.dot", "text/plain"),
    # Web applications export these.
    ("table.xls", "text/html"),
    ("letter.doc", "text/html"),
    # A zip all the same.
    ("plugin.zip", "application/java-archive"),
    # Markdown may begin with HTML, and sources with anything.
    ("README.md", "text/html"),
    ("page.php", "text/x-php"),
    ("data.xml", "text/html"),
    ("template.tpl", "text/html"),
    ("main.ts", "text/x-shellscript"),
    ("run.pl", "text/x-perl"),
    ("run.ksh", "text/x-shellscript"),
    # Nothing is promised.
    ("invoice", DOS),
    ("invoice.", DOS),
    ("invoice.qwertz", DOS),
    (".png", "image/png"),
    ("", DOS),
]


@pytest.mark.parametrize(("name", "content_type"), HARMLESS)
def test_harmless_disagreement_passes(name: str, content_type: str) -> None:
    assert judge_content(OPEN, name, content_type) is None


def test_a_disguise_is_named_before_a_denied_type() -> None:
    assert reason(judge_content(USUAL, "invoice.pdf", DOS)) == "content_mismatch"
    assert reason(judge_content(USUAL, "invoice", DOS)) == "type_denied"


def test_what_the_user_reads() -> None:
    mismatch = judge_content(USUAL, "invoice.pdf", DOS)
    assert mismatch is not None
    assert "“invoice.pdf”" in mismatch.message
    assert "ends in .pdf" in mismatch.message
    assert f"a Windows program ({DOS})" in mismatch.message
    denied = judge_content(USUAL, "tool", "application/x-sharedlib")
    assert denied is not None
    assert "a Linux program or library (application/x-sharedlib)" in denied.message
    extension = judge_declaration(USUAL, "Tool.PDF.EXE ", None)
    assert extension is not None
    assert "ending in .exe " in extension.message
    size = judge_declaration(USUAL, "a.txt", 2048)
    assert size is not None
    assert "2 KiB" in size.message
    assert "1000 bytes" in size.message


@pytest.mark.parametrize("extension", ["EXE", ".exe"])
def test_a_policy_wants_its_endings_lower_case_without_dot(extension: str) -> None:
    with pytest.raises(ValueError, match="lower-case ending"):
        replace(OPEN, denied_extensions=frozenset({extension}))


def test_a_policy_wants_a_size() -> None:
    with pytest.raises(ValueError, match="-1"):
        replace(OPEN, max_file_size=-1)


# Which policy it was.


def test_equal_policies_have_one_fingerprint_in_all_processes() -> None:
    """Sets have another order in each."""
    code = (
        "from tests.policy.test_judge import USUAL, replace, TypeSelector;"
        "print(replace(USUAL, allowed=TypeSelector.parse('images,text,a/b,c/d')).fingerprint())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"max_file_size": 1001},
        {"allowed": TypeSelector.parse("images")},
        {"allowed": TypeSelector.parse("image/*")},
        {"allowed": TypeSelector.parse("image/png")},
        {"denied": NOTHING},
        {"denied_extensions": frozenset({"exe"})},
        {"agreement": Agreement.OFF},
    ],
    ids=str,
)
def test_other_policies_have_another_fingerprint(change: dict[str, Any]) -> None:
    assert replace(USUAL, **change).fingerprint() != USUAL.fingerprint()
