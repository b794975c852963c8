"""Random forms are read back exactly, however they are cut; random damage never misleads."""

import re
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.body.multipart import (
    Fault,
    FormEnd,
    MultipartParser,
    PartBegin,
    PartData,
    PartEnd,
)

Part = tuple[str, str | None, bytes]
"""Name, file name, content."""

BOUNDARY_CHARACTERS = "0123456789abcXYZ'()+_,-./:=?"
TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], include_characters='"\\;=é名'), min_size=1
).filter(lambda name: name.lower() != "_charset_")


@dataclass(frozen=True)
class Form:
    boundary: bytes
    parts: list[Part]

    def body(self) -> bytes:
        return b"".join(
            [
                *(
                    b"--%b\r\nContent-Disposition: form-data; name=%b%b\r\n\r\n%b\r\n"
                    % (
                        self.boundary,
                        quoted(name),
                        b"" if filename is None else b"; filename=" + quoted(filename),
                        content,
                    )
                    for name, filename, content in self.parts
                ),
                b"--%b--\r\n" % self.boundary,
            ]
        )


def quoted(text: str) -> bytes:
    """As Go's multipart.Writer does."""
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'


@st.composite
def forms(draw: st.DrawFn) -> Form:
    boundary = draw(st.text(BOUNDARY_CHARACTERS, min_size=1, max_size=70)).encode()
    fragments = st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [b"\r", b"\n", b"\r\n", b"-", b"--", boundary, boundary[:-1], b"--" + boundary[:-1]]
        ),
        st.integers(0, len(boundary) + 3).map(lambda n: (b"\r\n--" + boundary)[:n]),
    )
    contents = (
        st.lists(fragments, max_size=12)
        .map(b"".join)
        .filter(lambda c: b"\n--" + boundary not in b"\n" + c)
    )
    parts = st.tuples(TEXT, st.none() | TEXT, contents)
    return Form(boundary, draw(st.lists(parts, max_size=4)))


def cut(body: bytes, sizes: list[int]) -> list[bytes]:
    chunks = []
    for size in sizes:
        chunks.append(body[:size])
        body = body[size:]
    return [*chunks, body]


@dataclass
class Outcome:
    """What was read of a form."""

    complete: list[Part]
    begun: list[Part]
    """The part that a fault came in, if it came in one."""
    fault: Fault | None


def outcome(boundary: bytes, chunks: list[bytes]) -> Outcome:
    """Also checks the order of events."""
    parser = MultipartParser(boundary)
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    before_the_end = len(events)
    events += parser.finish()
    read = Outcome([], [], None)
    for number, event in enumerate(events):
        assert read.fault is None
        match event:
            case PartBegin(headers):
                assert not read.begun
                read.begun = [(headers.name, headers.filename, b"")]
            case PartData(data):
                assert data
                name, filename, content = read.begun[0]
                read.begun = [(name, filename, content + data)]
            case PartEnd():
                read.complete += [read.begun.pop()]
            case FormEnd():
                assert event is events[-1]
                assert not read.begun
            case Fault():
                read.fault = event
                # Once content is handed out, nothing but the body's end keeps the rest of it back.
                at_the_end = number >= before_the_end
                assert at_the_end or not any(content for _, _, content in read.begun)
    assert parser.fault == read.fault
    return read


def delimited(boundary: bytes, body: bytes) -> list[bytes]:
    """All that stands between two delimiters of ``body``, the first piece being what precedes."""
    return (b"\r\n" + body).split(b"\r\n--" + boundary)


SIZES = st.lists(st.integers(0, 100), max_size=60) | st.integers(0, 400).map(lambda n: [1] * n)


@settings(deadline=None)
@given(forms(), SIZES)
def test_a_form_is_read_back_exactly(form: Form, sizes: list[int]) -> None:
    assert outcome(form.boundary, cut(form.body(), sizes)) == Outcome(form.parts, [], None)


HOSTILE = st.sampled_from(
    [
        *(bytes([byte]) for byte in b"\r\n\t ;=\"'\\-:x\x00\xff"),
        b"\r\n",
        b"\r\n\r\n",
        b"\n\n",
        b'\r\nContent-Disposition: form-data; name="z"; filename="evil.exe"',
        b"\r\nContent-Transfer-Encoding: base64",
        b'; filename="evil.exe"',
        b"; filename*=utf-8''evil.exe",
        b'; name="channel_id"',
        b'\\"',
    ]
)


@st.composite
def damaged_forms(draw: st.DrawFn) -> tuple[bytes, bytes]:
    form = draw(forms())
    body = form.body()
    lines = st.sampled_from([b"\r\n--", b"\n--", b"--"]).flatmap(
        lambda start: st.sampled_from(
            [start + form.boundary + end for end in (b"", b"\r\n", b"--")]
        )
    )
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.sampled_from(range(len(body) + 1)))
        end = start + draw(st.integers(0, 3))
        body = body[:start] + draw(HOSTILE | lines | st.just(b"")) + body[end:]
    return form.boundary, body


@settings(deadline=None)
@given(damaged_forms(), SIZES)
def test_cutting_a_body_differently_changes_nothing(
    damaged: tuple[bytes, bytes], sizes: list[int]
) -> None:
    boundary, body = damaged
    pieces, whole = outcome(boundary, cut(body, sizes)), outcome(boundary, [body])
    assert (pieces.complete, pieces.fault) == (whole.complete, whole.fault)


@settings(deadline=None)
@given(damaged_forms(), SIZES)
def test_what_is_complete_before_a_fault_ends_at_its_delimiter(
    damaged: tuple[bytes, bytes], sizes: list[int]
) -> None:
    boundary, body = damaged
    _, *pieces = delimited(boundary, body)
    for piece, (_, _, content) in zip(
        pieces, outcome(boundary, cut(body, sizes)).complete, strict=False
    ):
        assert piece.partition(b"\r\n\r\n")[2] == content


@settings(deadline=None)
@given(damaged_forms())
def test_a_damaged_form_is_refused_or_read_as_the_standards_say(
    damaged: tuple[bytes, bytes],
) -> None:
    boundary, body = damaged
    read = outcome(boundary, [body])
    if read.fault is None:
        assert read.complete == reference_reading(boundary, body)


def reference_reading(boundary: bytes, body: bytes) -> list[Part]:
    """All parts of a complete body, by the letter of RFC 2046 §5.1.1; raises if there are none."""
    _, *pieces, last = delimited(boundary, body)
    assert last in (b"--", b"--\r\n")
    parts: list[Part] = []
    for piece in pieces:
        assert piece.startswith(b"\r\n")
        head, empty_line, content = piece[2:].partition(b"\r\n\r\n")
        assert empty_line
        (disposition,) = re.findall(r"(?im)^content-disposition:(.*)$", head.decode())
        parameters = reference_parameters(disposition.strip())
        parts.append((parameters["name"], parameters.get("filename"), content))
    return parts


def reference_parameters(disposition: str) -> dict[str, str]:
    """Character by character, with Go's rule for backslashes."""
    items = [""]
    in_quotes = False
    characters = iter(disposition)
    for character in characters:
        if in_quotes and character == "\\":
            following = next(characters)
            items[-1] += following if following in '"\\' else "\\" + following
        elif character == '"':
            in_quotes = not in_quotes
        elif character == ";" and not in_quotes:
            items.append("")
        else:
            items[-1] += character
    pairs = [item.lstrip(" ").partition("=") for item in items[1:] if item.strip(" ")]
    parameters = {name.lower(): value for name, _, value in pairs}
    assert len(parameters) == len(pairs)
    return parameters
