import pytest

from gateway.policy.extensions import DEFAULT_DENIED_EXTENSIONS, parse_extensions
from gateway.policy.selectors import TypeSelector


@pytest.mark.parametrize(
    ("text", "content_type", "answer"),
    [
        ("*", "image/png", True),
        ("*/*", "application/octet-stream", True),
        ("", "image/png", False),
        (" , ", "image/png", False),
        ("images", "image/png", True),
        ("images", "application/pdf", False),
        ("images, application/pdf", "application/pdf", True),
        ("IMAGES,Application/PDF", "application/pdf", True),
        ("image/*", "image/tiff", True),
        ("image/*", "audio/mpeg", False),
        ("application/pdf", "application/pdf", True),
        ("application/pdf", "application/pdfx", False),
        # libmagic's name of today or yesterday, whichever the administrator wrote.
        ("application/vnd.microsoft.portable-executable", "application/x-dosexec", True),
        ("application/x-dosexec", "application/vnd.microsoft.portable-executable", True),
        ("application/x-rar-compressed", "application/x-rar", True),
        # A group is more than a family, and less.
        ("audio", "application/ogg", True),
        ("text", "application/json", True),
        ("text", "text/x-shellscript", False),
        ("text/*", "text/x-shellscript", True),
        ("documents", "text/rtf", True),
        ("unknown", "application/octet-stream", True),
        ("executables,scripts", "text/x-python", True),
        # Traits cut across groups.
        ("macros", "application/vnd.ms-word.document.macroEnabled.12", True),
        ("macros", "application/msword; with=macros", True),
        ("macros", "application/msword", False),
        ("encrypted", "application/encrypted", True),
        ("encrypted", "application/zip; with=encryption+macros", True),
        ("active", "text/html", True),
        ("active", "image/svg+xml; with=script", True),
        ("active", "image/svg+xml", False),
        ("polyglots", "application/pdf; with=other-format", True),
        ("archives", "application/zip; with=encryption", True),
        ("application/zip", "application/zip; with=encryption", True),
    ],
)
def test_matches(text: str, content_type: str, answer: bool) -> None:
    assert TypeSelector.parse(text).matches(content_type) is answer


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", ""),
        ("*/*", "*"),
        ("video/*, application/x-pdf, scripts, images, macros",
         "images, scripts, macros, application/pdf, video/*"),
    ],
)  # fmt: skip
def test_as_text(text: str, written: str) -> None:
    selector = TypeSelector.parse(text)
    assert str(selector) == written
    assert TypeSelector.parse(written) == selector


@pytest.mark.parametrize(
    "item", ["pictures", "image", "image/", "/png", "*/png", "im*", "a/b/c", "text/plain; x=y"]
)
def test_malformed(item: str) -> None:
    with pytest.raises(ValueError, match=r"images, documents, archives, .*unknown") as raised:
        TypeSelector.parse(f"images, {item}")
    assert str(raised.value).startswith(repr(item))


@pytest.mark.parametrize(
    ("text", "endings"),
    [
        ("", set()),
        ("exe", {"exe"}),
        (" EXE, .Bat,*.tar.gz,", {"exe", "bat", "tar.gz"}),
        ("default", DEFAULT_DENIED_EXTENSIONS),
        ("default,iso", DEFAULT_DENIED_EXTENSIONS | {"iso"}),
    ],
)
def test_extensions(text: str, endings: set[str]) -> None:
    assert parse_extensions(text) == endings


@pytest.mark.parametrize("item", [".", "*", "e xe", "e*e", "a/b", "..exe", "?"])
def test_malformed_extension(item: str) -> None:
    with pytest.raises(ValueError, match="not a file-name ending") as raised:
        parse_extensions(f"exe,{item}")
    assert str(raised.value).startswith(repr(item))


def test_default_extensions() -> None:
    """They stop what a double click runs, and leave alone what teams send each other."""
    assert {"exe", "scr", "lnk", "msi", "vbs", "hta", "jar"} <= DEFAULT_DENIED_EXTENSIONS
    daily = {"js", "py", "sh", "ps1", "pdf", "zip", "docx", "png", "sql", "html", "iso", "apk"}
    assert not daily & DEFAULT_DENIED_EXTENSIONS
