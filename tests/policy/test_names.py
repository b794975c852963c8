import pytest

from gateway.names import extensions, readings


@pytest.mark.parametrize(
    ("name", "endings"),
    [
        ("a", ()),
        ("", ()),
        ("...", ()),
        ("a.txt", ("txt",)),
        ("a.tar.gz", ("gz", "tar.gz")),
        ("A.PDF.EXE", ("exe", "pdf.exe")),
        ("v1.2.tar.gz", ("gz", "tar.gz", "2.tar.gz")),
        (".hidden", ("hidden",)),
        ("a..exe", ("exe",)),
        ("folder.d/a", ()),
        ("folder.d/a.txt", ("txt",)),
        # What Windows drops.
        ("evil.exe.", ("exe",)),
        ("evil.exe ", ("exe",)),
        ("evil.exe . .", ("exe",)),
        ("evil.exe\N{NO-BREAK SPACE}", ("exe",)),
        # NTFS streams.
        ("evil.exe::$DATA", ("exe",)),
        ("evil.exe::$data", ("exe",)),
        ("evil.exe:stream:$DATA", ("exe",)),
        ("evil.exe:stream", ("exe:stream", "exe")),
        ("evil.exe:picture.jpg", ("jpg", "exe:picture.jpg", "exe")),
        ("Meeting 10:30.pdf", ("pdf",)),
        # Other spellings of the same letters.
        ("a.\N{KELVIN SIGN}", ("k",)),
        ("evil.\N{LATIN SMALL LETTER LONG S}cr", ("scr",)),
        ("evil.ｅｘｅ", ("exe",)),
        ("evil．exe", ("exe",)),
        ("EVİL.exe", ("exe",)),
        # What cannot be seen.
        ("evil.exe\N{ZERO WIDTH SPACE}", ("exe",)),
        ("evil.e\N{SOFT HYPHEN}xe", ("exe",)),
        ("photo\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", ("exe",)),
        ("evil.exe\0", ("exe",)),
        # Any script.
        ("отчёт.документ", ("документ",)),
        ("\N{PILE OF POO}.txt", ("txt",)),
    ],
)
def test_extensions(name: str, endings: tuple[str, ...]) -> None:
    assert extensions(name) == endings


@pytest.mark.parametrize(
    ("name", "read_as"),
    [
        ("A.TXT", ("a.txt",)),
        ("folder/a.txt", ("a.txt",)),
        ("a.txt. .", ("a.txt",)),
        ("ａ.TXT", ("a.txt",)),
        ("a.exe::$DATA", ("a.exe",)),
        ("a.exe:b.jpg", ("a.exe:b.jpg", "a.exe")),
        ("a.exe .:b.jpg", ("a.exe .:b.jpg", "a.exe")),
        ("Meeting 10:30.pdf", ("meeting 10:30.pdf",)),
        ("", ("",)),
    ],
)
def test_readings(name: str, read_as: tuple[str, ...]) -> None:
    assert readings(name) == read_as
