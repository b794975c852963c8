"""Whatever the bytes are, there is an answer, and nobody waits long for it."""

import random

import pytest

from gateway.content import split
from gateway.inspection.detector import HEAD_SIZE, Detector

from . import files

_WHOLE = [
    files.png(),
    files.pdf(),
    files.docx(),
    files.docm(),
    files.odt(),
    files.jar(),
    files.encrypted_zip(),
    files.ole("WordDocument", "Macros"),
    files.mp4(),
    files.matroska(),
    files.json_text(),
    files.tar(),
    "Grüße aus Köln\n".encode("utf-16"),
    b"<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>",
    b"a,b\n1,2\n3,4\n",
]
_UNITS = [
    b"PK\x03\x04",
    b"<?xml-stylesheet ",
    b"<svg><?xml-stylesheet ",
    b"<svg onaaaaaaaaaaaaaaaaaaaaaaaa",
    b"<svg " + b"attributename=",
    b"<?xml ?><!--",
    b"\n%PDF-",
    b"rem\n",
    b"# x\n",
    b"[",
    b'{"a":',
    b'["\\u',
    b"From: x\nTo: y\n",
    b"a\0",
    b"\0\0\0a",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0\0\0\1" * 200,
    b"a,",
    b'"',
    b"-----BEGIN ",
    b"\xef\xbb\xbf",
    b" \n",
]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


@pytest.mark.parametrize("whole", _WHOLE)
def test_damage(whole: bytes, detector: Detector) -> None:
    dice = random.Random(whole)
    for _ in range(300):
        damaged = bytearray(whole[: dice.randint(1, len(whole))])
        for _ in range(dice.randint(0, 8)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        for closely in (False, True):
            content_type, _ = split(detector.detect(bytes(damaged), closely=closely))
            assert "/" in content_type


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", _UNITS)
def test_repetition(unit: bytes, detector: Detector) -> None:
    """Eighty times each; what took a second would not come to its end."""
    head = (unit * (HEAD_SIZE // len(unit) + 1))[:HEAD_SIZE]
    for start in (head, head[:-1], b"<svg " + head, b"<?xml version='1.0'?><" + head[:9000]):
        for closely in (False, True):
            for _ in range(10):
                detector.detect(start, closely=closely)
