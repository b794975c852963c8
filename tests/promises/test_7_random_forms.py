"""Promises 3 and 7 for random forms: of whatever is sent, Mattermost gets the files in it, or none.

What is in a form is said by a reader that has nothing of the gateway's: it cuts the body at its
delimiters, and takes the headers apart with three regular expressions.
"""

import re
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.inspection import files
from tests.promises.rows import digest
from tests.promises.support import BOUNDARY
from tests.promises.tricks import FORM, Outcome, Place, Scene, Took
from tests.support.wire import field, form_body

PNG = files.png()
DELIMITER = b"\r\n--" + BOUNDARY.encode()
DISPOSITION = re.compile(
    rb"\r\nContent-Disposition: *form-data(.*?)(?=\r\n|$)", re.IGNORECASE | re.DOTALL
)
PARAMETER = re.compile(rb"""([ \t]*;[ \t]*([^\s=;"]+)=("(?:[^"\\]|\\.)*"|[^\s;"]+))""")
NAMES = st.text("abXYZ09 ._-+=&%'äß漢/\\\"", min_size=1, max_size=12).filter(
    lambda name: name.strip("./ ")[-1:] not in ("", "x")
)
FIELDS = st.sampled_from(["files", "image", "a b", "ä", 'q"\\'])
PIECES = st.sampled_from(
    [
        b"\r\n", b"\n", b"\r", b"--", DELIMITER, DELIMITER[1:], DELIMITER[2:], DELIMITER[:-1],
        DELIMITER + b"--", DELIMITER + b"--\r\n", DELIMITER + b"\r\n", DELIMITER + b" ",
        b'Content-Disposition: form-data; name="files"; filename="b.exe"\r\n', b"\r\n\r\n",
        b"\0", b"a", b"\xff",
    ]
)  # fmt: skip
CONTENTS = st.lists(PIECES | st.binary(max_size=8), max_size=5).map(b"".join)
DAMAGES = st.sampled_from(
    [
        b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b";", b'"', b"\\", b"=", b":", b"*", b"%22", b"\0",
        b"-", b"--", b"\x80", b"\r\n\r\n", DELIMITER, DELIMITER + b"--\r\n", b"X: y\r\n",
        b'; filename="b.txt"', b"; name=x", b"; filename*=UTF-8''b.txt", b" \r\n",
        b"Content-Transfer-Encoding: base64\r\n", b"Content-Disposition: form-data\r\n",
    ]
)  # fmt: skip


class Part(NamedTuple):
    field: str
    filename: str | None
    content: bytes

    def written(self) -> bytes:
        disposition = f"Content-Disposition: form-data; name={quoted(self.field)}"
        if self.filename is not None:
            disposition += f"; filename={quoted(self.filename)}"
        return f"{disposition}\r\n\r\n".encode() + self.content


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Sent(NamedTuple):
    """A form as it goes over the wire."""

    place: str
    body: bytes
    damaged: bool
    cuts: tuple[int, ...]


@st.composite
def forms(draw: st.DrawFn, scene: Scene) -> Sent:
    place = draw(st.sampled_from(["files", "files", "emoji", "brand/image"]))
    parts = [
        Part(draw(FIELDS), draw(NAMES), draw(CONTENTS)) for _ in range(draw(st.integers(1, 3)))
    ]
    if place != "files":
        parts = [part._replace(content=PNG + part.content) for part in parts]
    written = [part.written() for part in parts]
    values = list(scene.places[place].values)
    ids = [field("client_ids", f"c {number}") for number in range(len(parts))]
    if place == "files" and draw(st.booleans()):
        values = draw(st.permutations([*values, *ids]))
    at = draw(st.sampled_from([0, len(written)]))
    body = form_body(*written[:at], *values, *written[at:])
    damaged = draw(st.booleans())
    if damaged:
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.sampled_from([0, 0, 0, 1, 2, 5, len(body)])))
        body = body[:start] + draw(DAMAGES) + body[end:]
    cuts = tuple(sorted(draw(st.lists(st.integers(1, max(1, len(body))), max_size=2))))
    return Sent(place, body, damaged, cuts)


def read(body: bytes) -> tuple[list[Part], bool]:
    """The parts that are complete before anything is wrong, and whether nothing is."""
    _, *pieces = (b"\r\n" + body).split(DELIMITER)
    parts: list[Part] = []
    for piece in pieces[:-1]:
        head, empty_line, content = piece.partition(b"\r\n\r\n")
        part = part_of(head)
        if not empty_line or part is None:
            return parts, False
        parts.append(part._replace(content=content))
    return parts, pieces[-1:] in ([b"--"], [b"--\r\n"])


def part_of(head: bytes) -> Part | None:
    """What a part's headers say."""
    disposition = DISPOSITION.findall(head)
    if len(disposition) != 1:
        return None
    values = PARAMETER.findall(disposition[0])
    if b"".join(value[0] for value in values) != disposition[0].rstrip(b"; "):
        return None
    named = {name.lower(): unquoted(value) for _, name, value in values}
    if len(named) != len(values) or not named.get(b"name"):
        return None
    return Part(named[b"name"], named.get(b"filename"), b"")


def unquoted(value: bytes) -> str:
    if value.startswith(b'"'):
        value = re.sub(rb'\\(["\\])', rb"\1", value[1:-1])
    return value.decode("utf-8", "replace")


def taken(place: str, parts: list[Part]) -> list[Took]:
    """The files, as Mattermost is to get them."""
    kinds = [part.field if part.filename is None else "file" for part in parts]
    if place == "files" and "channel_id" not in kinds[: [*kinds, "file"].index("file")]:
        # Read whole, since the first file comes before its channel: others are overlooked.
        parts = [part for part in parts if part.field == "files"]
    return [
        Took(
            "" if place == "files" else part.field,
            part.filename.rstrip("/").rpartition("/")[2],
            len(part.content),
            digest(part.content),
        )
        for part in parts
        if part.filename is not None
    ]


def post(scene: Scene, sent: Sent) -> Outcome:
    place: Place = scene.places[sent.place]
    return scene.post(place.path, sent.body, FORM, cuts=sent.cuts)


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_mattermost_gets_the_files_of_a_form_or_nothing(data: st.DataObject, scene: Scene) -> None:
    sent = data.draw(forms(scene))
    parts, good = read(sent.body)
    outcome = post(scene, sent)
    assert outcome.error is not None
    status, error_id = outcome.error
    expected = taken(sent.place, parts)
    if not outcome.took:
        assert status >= 400 or (good and not expected)
        assert not outcome.left
    elif sent.place == "files":
        # They go on one by one, as their form is read.
        assert outcome.took == expected[: len(outcome.took)]
        assert status >= 400 or (good and len(outcome.took) == len(expected))
    else:
        # All go on at once; Mattermost may say no to a picture, or to what comes with it.
        assert good
        assert sorted(outcome.took) == sorted(expected)
        assert not error_id.startswith("gateway.")
