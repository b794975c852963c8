"""A file is judged by the name under which Mattermost would store it."""

import pytest

from gateway.body.filename import stored_name
from gateway.refusals import Refused


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        # As recorded with Mattermost 5.37.
        ("report v1.txt", "report v1.txt"),
        ("../../etc/passwd", "passwd"),
        ("a/b.txt", "b.txt"),
        (r"a\b.txt", r"a\b.txt"),
        ("名前.txt", "名前.txt"),
        (".hidden", ".hidden"),
        ("q%22uote.txt", "q%22uote.txt"),
        # As Go's filepath.Base does.
        ("a/", "a"),
        ("a//", "a"),
        ("/a.txt", "a.txt"),
        ("...", "..."),
        (" ", " "),
        # At the limits.
        ("x" * 255, "x" * 255),
        ("é" * 127, "é" * 127),
        ("a." + "e" * 64, "a." + "e" * 64),
        ("x" * 300 + "/b", "b"),
        # Marks that right-to-left and emoji text needs.
        ("שלום\u200f.txt", "שלום\u200f.txt"),
        ("👨\u200d👩\u200d👧.png", "👨\u200d👩\u200d👧.png"),
    ],
)
def test_stored_name(sent: str, stored: str) -> None:
    assert stored_name(sent) == stored


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ("", "is empty"),
        ("/", "is empty"),
        ("//", "is empty"),
        (".", "means a folder"),
        ("..", "means a folder"),
        ("a/..", "means a folder"),
        ("./", "means a folder"),
        ("x" * 256, "longer than 255 bytes (it has 256)"),
        ("é" * 128, "longer than 255 bytes (it has 256)"),
        ("a." + "e" * 65, "more than 64 characters after its last dot"),
        ("a\x00.txt", "control characters"),
        ("a\n.txt", "control characters"),
        ("a\x7f", "control characters"),
        ("a\x9b", "control characters"),
        ("a\u202egpj.exe", "U+202E"),
        ("\u202aa", "U+202A"),
        ("\u2066a", "U+2066"),
        ("a\u2069", "U+2069"),
        ("a\ud800.txt", "not valid Unicode"),
    ],
)
def test_refused_names(sent: str, problem: str) -> None:
    with pytest.raises(Refused) as refused:
        stored_name(sent)
    assert refused.value.refusal.id == "gateway.file_name_refused"
    assert problem in refused.value.refusal.message
    assert refused.value.refusal.message.isprintable()
