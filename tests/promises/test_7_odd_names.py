"""Promise 7: a file has the name under which Mattermost would store it, and its ending is seen.

docs/security.md has a row for each kind.
"""

from urllib.parse import quote

import pytest

from tests.promises.tricks import (
    AMBIGUOUS,
    PROGRAM,
    REFUSED_FOR_ITS_CONTENT,
    Error,
    Outcome,
    Scene,
)

DENIED = (403, "gateway.extension_denied")
BAD = (400, "gateway.file_name_refused")
FORM = ("Content-Type", "multipart/form-data; boundary=XboundaryX")
FILE = (
    b'{values}--XboundaryX\r\nContent-Disposition: form-data; name="{field}"; filename="%s"\r\n'
    b"\r\n{content}\r\n--XboundaryX--\r\n"
)

REFUSED: dict[str, tuple[Error, Error, list[str]]] = {
    "a name that means a folder, or is empty": (BAD, BAD, [".", "..", "a/..", "/", "a/./", "//"]),
    "a name of more than 255 bytes": (BAD, BAD, ["x" * 252 + ".txt", "ä" * 126 + ".txt"]),
    "more than 64 characters after the last dot": (BAD, BAD, ["a." + "x" * 65]),
    "a bidirectional embedding, override or isolate": (
        BAD, BAD, ["a\u202egnp.exe", "a\u202dtxt", "\u2066a.txt\u2069", "a\u202c.txt", "\u2067a"],
    ),
    "a control character": (
        BAD,
        AMBIGUOUS,
        ["a\nb.txt", "a\r\nX: y.txt", "a\0.exe.txt", "a\tb.txt", "a\x7f.txt", "a\x1b[2J.txt",
         "a\x85b.txt", "a\x9bb.txt"],
    ),
    "bytes that are no UTF-8": (
        AMBIGUOUS, AMBIGUOUS, ["a\udcff.txt", "a\udcc0\udcae.exe", "a\udced\udca0\udc80.txt"]
    ),
    "a denied ending, however it is written": (
        DENIED,
        DENIED,
        ["a.exe", "a.EXE", "a.eXe", ".exe", "a.txt.exe", "dir/a.exe", "a.txt/a.exe", "a.exe/",
         "../a.exe", "C:\\dir\\a.exe", "..\\a.exe", "a.exe.", "a.exe...", "a.exe ", "a.exe. .",
         "a. exe", "a.exe\u00a0", "a.exe\u3000", "a.exe\u2028", "a.exe\u200b", "a.e\u200bxe",
         "a.\ufeffexe", "a.ex\u00ade", "a.exe\u200f", "a.\U000e0065exe", "a\uff0eexe",
         "a\u2024exe", "a\ufe52exe", "a.\uff45\uff58\uff45", "a.\u1d49xe", "a.\u24d4\u24e7\u24d4",
         "a.\U0001d5be\U0001d5d1\U0001d5be", "a.\u017fcr", "a.ln\u212a"],
    ),
    "an ending before a colon, which is the file's on NTFS": (
        DENIED,
        DENIED,
        ["a.exe:b.txt", "a.exe::$DATA", "a.exe::$data", "a.exe:b:$DATA", "a.exe:",
         "a.exe\uff1ab.txt"],
    ),
}  # fmt: skip
STORED: dict[str, list[tuple[str, str]]] = {
    "a path": [
        ("dir/a.txt", "a.txt"), ("../../etc/passwd", "passwd"), ("/etc/passwd", "passwd"),
        ("a.exe/b.txt", "b.txt"), ("b.txt/", "b.txt"), ("./b.txt", "b.txt"),
    ],
    "backslashes": [("C:\\dir\\b.txt", "C:\\dir\\b.txt"), ("..\\..\\b", "..\\..\\b")],
    "what looks encoded": [
        (name, name)
        for name in ("a%2Fb.txt", "a%00.txt", "..%2f..%2fb", "a%2eexe", "=?utf-8?b?YS5leGU=?=",
                     "a&#46;exe", "a+b.txt", "a&filename=b.txt", "a;b.txt", "\\u202egnp.exe.txt")
    ],
    "a denied ending that is not the last one": [
        ("a.exe.txt", "a.exe.txt"), ("a.exe.gz", "a.exe.gz"), ("a.txt:b.png", "a.txt:b.png")
    ],
    "letters and dots that only look alike": [
        (name, name) for name in ("a.\u0435\u0445\u0435", "a\u3002exe", "a\u00b7exe", "a.e\u0301xe")
    ],
    "names that Windows keeps for its devices": [
        (name, name) for name in ("CON", "con.txt", "NUL", "aux.png.txt", "COM1", "LPT¹.txt")
    ],
    "dots and spaces at either end": [
        (name, name) for name in (".hidden", "a.txt.", " a.txt", "a.txt  ", "...a", "~$a.txt")
    ],
    "any language": [
        (name, name)
        for name in ("名前.txt", "ملف.txt", "קובץ.txt", "ä.txt", "a\u0308.txt", "😀.txt")
    ],
    "as long as a name may be, and other oddities": [
        (name, name) for name in ("x" * 251 + ".txt", "a." + "x" * 64, "'\"<>|?*.txt")
    ],
}  # fmt: skip


def send(scene: Scene, way: str, name: str, content: bytes) -> Outcome:
    """A file of this name, raw or in a form for the place ``way``."""
    encoded = name.encode("utf-8", "surrogateescape")
    if way == "raw":
        query = f"?channel_id={scene.client.channel_id}&filename={quote(encoded, safe='')}"
        return scene.post("/api/v4/files" + query, content)
    escaped = encoded.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return scene.post(scene.places[way].path, scene.places[way].fill(FILE % escaped, content), FORM)


WAYS = ("raw", "files", "brand/image")


@pytest.mark.parametrize("way", [*WAYS, "unlisted"])
@pytest.mark.parametrize("kind", REFUSED)
def test_a_name_that_is_refused(kind: str, way: str, scene: Scene) -> None:
    in_query, in_form, names = REFUSED[kind]
    at = scene.places["files" if way == "raw" else way]
    for name in names:
        outcome = send(scene, way, name, at.content)
        assert outcome.error == (in_query if way == "raw" else in_form), name
        outcome.assert_nothing_passed()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", STORED)
def test_a_name_that_is_stored(kind: str, way: str, scene: Scene) -> None:
    at = scene.places["files" if way == "raw" else way]
    passed = []
    for name, stored in STORED[kind]:
        outcome = send(scene, way, name, at.content)
        assert outcome.took == [at.taken._replace(name=stored)]
        passed.append(outcome)
        outcome = send(scene, way, name, PROGRAM)
        assert outcome.error in REFUSED_FOR_ITS_CONTENT, name
        outcome.assert_nothing_passed()
    scene.assert_judged_as_taken(*passed)
