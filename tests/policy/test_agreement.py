"""Names, declared types and contents that agree, and that do not."""

from dataclasses import replace

import pytest

from gateway.policy.agreement import Agreement, contradicts
from gateway.policy.judge import judge_content, unkept_promise
from gateway.policy.promises import promised
from gateway.policy.selectors import TypeSelector

from .test_judge import DISGUISES, DOCX, DOS, OPEN, reason

STRICT = replace(OPEN, agreement=Agreement.STRICT)
DANGEROUS = OPEN
OFF = replace(OPEN, agreement=Agreement.OFF)
ENCRYPTED = "application/encrypted"
OLE = "application/x-ole-storage"

DIFFERENT = [
    ("report.docx", "application/zip"),
    ("report.docx", "application/vnd.ms-word.document.macroEnabled.12"),
    ("report.doc", DOCX),
    ("photo.jpg", "image/png"),
    ("logo.bmp", "image/png"),
    ("photo.jpg", "text/plain"),
    ("invoice.pdf", "text/plain"),
    ("invoice.pdf", "application/octet-stream"),
    ("invoice.pdf", DOCX),
    ("invoice.pdf", "application/pdf; with=other-format"),
    ("film.mp4", "video/x-matroska"),
    ("film.mp4", "audio/mpeg"),
    ("song.mp3", "audio/x-wav"),
    ("table.xlsx", "application/vnd.ms-excel"),
    ("backup.zip", "application/x-rar"),
    ("backup.tar.gz", "application/zip"),
    ("main.ts", "text/x-shellscript"),
    ("config.ini", "text/x-shellscript"),
    ("font.ttf", "image/png"),
]

AGREEING = [
    ("photo.jpg", "image/jpeg"),
    ("photo.JPEG", "image/jpeg"),
    ("photo.heic", "image/heif"),
    ("photo.nef", "image/tiff"),
    ("logo.ico", "image/png"),
    ("logo.bmp", "image/x-ms-bmp"),
    ("report.docx", DOCX),
    ("report.docx", ENCRYPTED),
    ("report.doc", "application/msword"),
    ("report.doc", OLE),
    ("table.xls", "application/vnd.ms-excel; with=macros"),
    ("mail.msg", "application/vnd.ms-outlook"),
    ("backup.zip", "application/x-zip-compressed"),
    ("backup.zip", DOCX),
    ("book.epub", "application/epub+zip"),
    ("backup.tgz", "application/gzip"),
    ("backup.tar.gz", "application/x-gzip"),
    ("backup.rar", "application/x-rar"),
    ("disk.iso", "application/x-iso9660-image"),
    ("song.m4a", "video/mp4"),
    ("film.m4v", "video/mp4"),
    ("film.mov", "video/mp4"),
    ("film.mkv", "video/webm"),
    ("sound.ogg", "application/ogg"),
    ("sound.ogg", "video/ogg"),
    ("sound.oga", "audio/ogg"),
    ("sound.wav", "audio/x-wav"),
    ("film.wmv", "video/x-ms-asf"),
    ("notes.txt", "text/csv"),
    ("notes.txt", "application/json"),
    ("table.csv", "text/plain"),
    ("data.json", "application/x-ndjson"),
    ("data.xml", "text/plain"),
    ("main.ts", "text/plain"),
    ("main.c", "text/plain"),
    ("app.js", "text/plain"),
    ("run.sh", "text/x-shellscript"),
    ("README.md", "text/html"),
    ("page.html", "text/plain"),
    ("setup.exe", DOS),
    ("plugin.jar", "application/java-archive"),
    ("font.otf", "application/vnd.ms-opentype"),
    ("drawing.svg", "image/svg+xml; with=script"),
    ("drawing.svgz", "application/gzip"),
    ("empty.pdf", "inode/x-empty"),
    ("key.key", "text/plain"),
    ("key.key", "application/x-pem-file"),
    ("certificate.pem", "application/x-pem-file"),
    ("certificate.crt", "application/x-pem-file"),
    ("certificate.cer", "application/x-pem-file"),
    ("request.csr", "application/x-pem-file"),
    # Nothing is promised.
    ("invoice", DOS),
    ("data.dat", "image/png"),
    ("data.bin", "application/octet-stream"),
    ("data.qqq", "text/plain"),
]


@pytest.mark.parametrize(("name", "content_type"), DIFFERENT)
def test_strict_refuses_what_the_default_logs(name: str, content_type: str) -> None:
    assert reason(judge_content(STRICT, name, content_type)) == "content_mismatch"
    assert judge_content(DANGEROUS, name, content_type) is None
    assert unkept_promise(DANGEROUS, name, content_type) is not None


@pytest.mark.parametrize(("name", "content_type"), AGREEING)
def test_what_agrees_passes_everywhere(name: str, content_type: str) -> None:
    for policy in (STRICT, DANGEROUS, OFF):
        assert judge_content(policy, name, content_type) is None
        assert unkept_promise(policy, name, content_type) is None


@pytest.mark.parametrize(("name", "content_type"), [*DISGUISES, *DIFFERENT])
def test_off_does_not_look(name: str, content_type: str) -> None:
    assert judge_content(OFF, name, content_type, "image/png") is None
    assert unkept_promise(OFF, name, content_type) is None


@pytest.mark.parametrize(("name", "content_type"), DISGUISES)
def test_strict_refuses_disguises_too(name: str, content_type: str) -> None:
    assert reason(judge_content(STRICT, name, content_type)) == "content_mismatch"


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("photo.gif", "image/gif; with=script"),
        ("photo.png", "image/png; with=script"),
        ("notes.txt", "text/xml; with=script"),
        ("song.mp3", "audio/mpeg; with=script"),
    ],
)
def test_a_script_inside_is_dangerous(name: str, content_type: str) -> None:
    assert reason(judge_content(DANGEROUS, name, content_type)) == "content_mismatch"


@pytest.mark.parametrize(
    ("name", "content_type", "declared", "passes"),
    [
        ("photo.png", "image/png", None, True),
        ("photo.png", "image/png", "image/png", True),
        ("photo.png", "image/png", "IMAGE/PNG; x=y", True),
        ("photo.png", "image/png", "", True),
        ("photo.png", "image/png", "application/octet-stream", True),
        ("photo.png", "image/png", "application/x-www-form-urlencoded", True),
        ("photo.png", "image/png", "multipart/mixed", True),
        ("photo.png", "image/png", "application/pdf", False),
        ("photo", "image/png", "application/pdf", False),
        ("photo", "image/png", "application/pdf; with=nonsense", False),
        ("photo", "image/png", "nonsense", False),
        # Read off the name, which has been judged.
        ("main.ts", "text/plain", "video/mp2t", True),
        ("table.csv", "text/csv", "application/vnd.ms-excel", True),
        ("table.txt", "text/csv", "application/vnd.ms-excel", False),
        ("backup.zip", "application/zip", "application/x-zip-compressed", True),
    ],
)
def test_strict_compares_the_declared_type(
    name: str, content_type: str, declared: str | None, passes: bool
) -> None:
    refusal = judge_content(STRICT, name, content_type, declared)
    assert reason(refusal) == (None if passes else "content_mismatch")
    assert judge_content(DANGEROUS, name, content_type, declared) is None


def test_what_the_user_reads() -> None:
    promise = judge_content(STRICT, "report.docx", "application/zip")
    assert promise is not None
    assert "its name promises a Word document, but its content is a ZIP archive" in promise.message
    assert "(application/zip)" in promise.message
    assert "harmful" not in promise.message
    declared = judge_content(STRICT, "photo", "image/png", "application/pdf")
    assert declared is not None
    assert "it was sent as application/pdf, but its content is a PNG picture" in declared.message
    hidden = judge_content(STRICT, "photo.gif", "image/gif; with=script")
    assert hidden is not None
    assert "a GIF picture with a script in it (image/gif). " in hidden.message
    assert "harmful" in hidden.message


def test_the_table() -> None:
    """It is mime-db's, and what that lacks."""
    assert promised("jpg") == ("image/jpeg",)
    assert promised("docx")[0] == DOCX
    assert "text/x-typescript" in promised("ts")
    assert promised("qqq") == ()
    assert promised("bin") == ()  # application/octet-stream says nothing


@pytest.mark.parametrize(
    ("denied", "agreement", "closely"),
    [
        ("executables", Agreement.DANGEROUS, False),
        ("scripts,macros", Agreement.OFF, False),
        ("active", Agreement.OFF, True),
        ("polyglots", Agreement.DANGEROUS, True),
        ("", Agreement.STRICT, True),
    ],
)
def test_who_wants_pictures_to_be_searched(
    denied: str, agreement: Agreement, closely: bool
) -> None:
    policy = replace(OPEN, denied=TypeSelector.parse(denied), agreement=agreement)
    assert policy.looks_closely is closely


@pytest.mark.parametrize("padding", ["", " " * 600])
@pytest.mark.parametrize("rest", ["", "; a=" + "b" * 600])
def test_a_declared_type_counts_however_it_is_padded(padding: str, rest: str) -> None:
    assert contradicts(f"{padding}application/pdf{rest}", ("png",), "image/png")
    assert not contradicts(f"{padding}image/png{rest}", ("png",), "image/png")
