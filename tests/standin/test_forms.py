"""The stand-in's reader agrees with Go's: the expectations below are what Go 1.19 answered."""

import pytest

from gateway.standin.go.body import BodyError
from gateway.standin.go.media_type import MediaTypeError, parse_media_type
from gateway.standin.go.multipart import FormError, MultipartReader, read_form
from gateway.standin.go.urls import (
    TargetError,
    clean_path,
    escape_path,
    escape_path_segment,
    parse_query,
    parse_target,
)

FORM = "multipart/form-data"


class Pieces:
    """A body that arrives in pieces of a given size, and may break off."""

    def __init__(self, body: bytes, size: int, *, breaks: bool = False) -> None:
        self._pieces = [body[i : i + size] for i in range(0, len(body), size)]
        self._breaks = breaks

    async def read(self) -> bytes:
        if self._pieces:
            return self._pieces.pop(0)
        if self._breaks:
            raise BodyError("client gone")
        return b""


async def parts_of(body: bytes, size: int = 7, *, breaks: bool = False) -> list[object]:
    """Name, file name and content of each part; then how it went wrong, if it did."""
    reader = MultipartReader(Pieces(body, size, breaks=breaks), "XX")
    read: list[object] = []
    try:
        while (part := await reader.next_part()) is not None:
            content = b""
            try:
                while piece := await part.read():
                    content += piece
            except BodyError:
                content += b" BROKEN"
            read.append((part.form_name, part.file_name, content))
    except FormError:
        read.append("error")
    return read


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"{FORM}; boundary=XX", {"boundary": "XX"}),
        ("Multipart/Form-Data ; BOUNDARY = XX", {"boundary": "XX"}),
        (f'{FORM}; boundary="X X"', {"boundary": "X X"}),
        (f'{FORM}; boundary="X\\"X"', {"boundary": 'X"X'}),
        (f'{FORM}; boundary="X\\nX"', {"boundary": "X\\nX"}),
        (f'{FORM}; boundary=""', {"boundary": ""}),
        (f"{FORM};boundary=XX;", {"boundary": "XX"}),
        (f"{FORM};\u00a0boundary=XX", {"boundary": "XX"}),
        (f"{FORM}; boundary*0=X; boundary*1=Y", {"boundary": "XY"}),
        (f"{FORM}; boundary*=utf-8''X%58", {"boundary": "XX"}),
        (f"{FORM}; boundary*=latin-1''XX", {}),
        (f"{FORM}; boundary*1=X", {}),
        (f"{FORM}; boundary=A; boundary*=utf-8''B", {"boundary": "B"}),
        (f"{FORM}; x*0=a; x*1*=%20b; x*2=c", {"x": "a bc"}),
        (FORM, {}),
    ],
)
def test_media_types(value: str, expected: dict[str, str]) -> None:
    assert parse_media_type(value) == (FORM, expected)


@pytest.mark.parametrize(
    ("value", "media_type"),
    [
        (f"{FORM}; boundary=XX; boundary=XX", ""),
        (f"{FORM}, {FORM}; boundary=XX", ""),
        ("", ""),
        ("multipart/", ""),
        ("multipart/form-data/x", ""),
        (f"{FORM}; boundary=", FORM),
        (f'{FORM}; boundary="XX', FORM),
        (f"{FORM}; boundary=X X", FORM),
        (f"{FORM}; =XX", FORM),
        (f"{FORM}; ; boundary=XX", FORM),
        (f'{FORM}; boundary="X\r\n"', FORM),
    ],
)
def test_malformed_media_types(value: str, media_type: str) -> None:
    with pytest.raises(MediaTypeError) as caught:
        parse_media_type(value)
    assert caught.value.media_type == media_type


@pytest.mark.parametrize(
    ("disposition", "name", "file_name"),
    [
        ('form-data; name="files"; filename="a.txt"', "files", "a.txt"),
        ("FORM-DATA; NAME=f; FILENAME=a", "f", "a"),
        ('form-data; name=f; filename="C:\\dir\\a.txt"', "f", "C:\\dir\\a.txt"),
        ('form-data; name=f; filename="a\\"b;c=d"', "f", 'a"b;c=d'),
        ("form-data; name=f; filename*=UTF-8''%e5%90%8d.txt", "f", "名.txt"),
        ("form-data; name=f; filename=a; filename*=utf-8''b", "f", "b"),
        ('form-data; name=f; filename*0="a"; filename*1=b', "f", "ab"),
        ("attachment; name=f; filename=x", "", "x"),
        ("form-data; name=f; filename=", "", ""),
        ("form-data; name=f; filename=a b", "", ""),
        ('form-data; name="a"; name="b"', "", ""),
        ("form-data", "", ""),
        ('form-data; name="f"; filename="../x/"', "f", "../x/"),
        ("form-data;\r\n name=f;\r\n\tfilename=folded", "f", "folded"),
    ],
)
async def test_dispositions(disposition: str, name: str, file_name: str) -> None:
    body = f"--XX\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--XX--\r\n".encode()
    assert await parts_of(body) == [(name, file_name, b"x")]


FIELD = b"Content-Disposition: form-data; name=f\r\n"
X = ("f", "", b"x")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"--XX\r\n" + FIELD + b"\r\nx\r\n--XX--\r\n", [X]),
        (b"--XX\r\n" + FIELD + b"\r\nx\r\n--XX--", [X]),
        (b"--XX\r\n" + FIELD + b"\r\nx\r\n--XX-- \tepilogue", [X, "error"]),
        (b"--XX\r\n" + FIELD + b"\r\nx\r\n--XX--\r\nepilogue", [X]),
        (b"preamble\r\n--XX\r\n" + FIELD + b"\r\nx\r\n--XX--\r\n", [X]),
        (b"p" * 5000 + b"\r\n--XX\r\n" + FIELD + b"\r\nx\r\n--XX--\r\n", ["error"]),
        (b"--XX \t\r\n" + FIELD + b"\r\nx\r\n--XX \r\n" + FIELD + b"\r\nx\r\n--XX--\r\n", [X, X]),
        # Bare line feeds, if the first boundary has one; not mixed.
        (b"--XX\n" + FIELD.replace(b"\r", b"") + b"\nx\n--XX--\n", [X]),
        (b"--XX\n" + FIELD + b"\r\nx\r\n--XX--\n", [("f", "", b"x\r")]),
        (b"--XX\r\n" + FIELD + b"\r\nx\n--XX--\r\n", [("f", "", b"x\n--XX-- BROKEN"), "error"]),
        # What looks like a boundary and is none.
        (b"--XX\r\n" + FIELD + b"\r\nx\r\n--XXY\r\n--XX--\r\n", [("f", "", b"x\r\n--XXY")]),
        (b"--XX\r\n" + FIELD + b"\r\nx\r\n--XX-\r\n--XX--\r\n", [("f", "", b"x\r\n--XX-")]),
        (b"--XX\r\n" + FIELD + b"\r\nx\r\n--XX\rjunk\r\n--XX--\r\n", [X, "error"]),
        (b"--XX\r\n" + FIELD + b"\r\n--XX--\r\n", [("f", "", b"")]),
        (b"--XX\r\n" + FIELD + b"\r\n--XXY\r\n--XX--\r\n", [("f", "", b"--XXY")]),
        # Cut short.
        (b"", ["error"]),
        (b"garbage", ["error"]),
        (b"--XX", ["error"]),
        (b"--XX\r\n" + FIELD, []),
        (b"--XX\r\n" + FIELD + b"\r\nx", [("f", "", b"x BROKEN"), "error"]),
        (b"--XX\r\n" + FIELD + b"\r\nx\r\n--XX", [X, "error"]),
        # Headers.
        (b"--XX\r\n\r\nx\r\n--XX--\r\n", [("", "", b"x")]),
        (b"--XX\r\n lead: x\r\n\r\nx\r\n--XX--\r\n", ["error"]),
        (b"--XX\r\nno colon\r\n\r\nx\r\n--XX--\r\n", ["error"]),
        (b"--XX\r\ncontent-DISPOSITION:form-data; name=f\r\n\r\nx\r\n--XX--\r\n", [X]),
        (
            b"--XX\r\nContent-Disposition : form-data; name=f\r\n\r\nx\r\n--XX--\r\n",
            [("", "", b"x")],
        ),
        (b"--XX\r\n" + FIELD + FIELD.replace(b"=f", b"=g") + b"\r\nx\r\n--XX--\r\n", [X]),
        (b"--XX\r\nX: " + b"y" * 5000 + b"\r\n" + FIELD + b"\r\nx\r\n--XX--\r\n", [X]),
        (b"--XX\r\n" + b"X: y\r\n" * 10_001 + b"\r\nx\r\n--XX--\r\n", ["error"]),
        (b"--XX\r\nX: " + b"y" * 10_500_000 + b"\r\n\r\nx\r\n--XX--\r\n", ["error"]),
    ],
)
async def test_forms(body: bytes, expected: list[object]) -> None:
    assert await parts_of(body, 4096) == expected
    if len(body) < 100_000:
        assert await parts_of(body, 1) == expected


async def test_a_body_that_breaks_off_is_an_error_everywhere() -> None:
    whole = b"--XX\r\n" + FIELD + b"\r\nx\r\n--XX--\r\n"
    for end in range(len(whole) - 4):
        read = await parts_of(whole[:end], breaks=True)
        assert read[-1] == "error"


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        (b"=41=3d=\r\nsoft=\nbreak", b"A=softbreak"),
        (b"trailing space \t\r\nend", b"trailing space\r\nend"),
        (b"caf\xc3\xa9 = =zz", b"caf\xc3\xa9 = =zz"),
        (b"end=", b"end"),
        (b"bad= \r\nsoft break", b"bad BROKEN"),
        (b"con\x01trol", b"con BROKEN"),
        (b"a=\rb", b"a BROKEN"),
        (b"q" * 5000, b"q" * 4096 + b" BROKEN"),
    ],
)
async def test_quoted_printable_is_decoded_behind_the_parts_back(
    encoded: bytes, decoded: bytes
) -> None:
    header = FIELD + b"Content-Transfer-Encoding: Quoted-Printable\r\n"
    body = b"--XX\r\n" + header + b"\r\n" + encoded + b"\r\n--XX--\r\n"
    assert (await parts_of(body))[0] == ("f", "", decoded)


async def test_an_empty_boundary_is_refused() -> None:
    with pytest.raises(FormError):
        await MultipartReader(Pieces(b"--\r\n\r\n\r\n----", 100), "").next_part()


async def test_a_long_value_is_read_in_part_and_the_next_part_found() -> None:
    body = (
        b"--XX\r\n" + FIELD + b"\r\n" + b"v" * 20_000 + b"\r\n--XX\r\n" + FIELD + b"\r\nx\r\n--XX--"
    )
    reader = MultipartReader(Pieces(body, 1000), "XX")
    first = await reader.next_part()
    assert first is not None
    assert await first.read_value(10_240) == b"v" * 10_240
    second = await reader.next_part()
    assert second is not None
    assert await second.read_value(10) == b"x"


async def test_a_whole_form() -> None:
    file = b'Content-Disposition: form-data; name=files; filename="a/b.txt"\r\n'
    pieces = [FIELD + b"\r\n1", file + b"\r\none", FIELD + b"\r\n2", b"\r\nnameless"]
    body = b"".join(b"--XX\r\n" + piece + b"\r\n" for piece in pieces) + b"--XX--\r\n"
    form = await read_form(MultipartReader(Pieces(body, 9), "XX"), 1000)
    assert form.values == {"f": ["1", "2"]}
    assert [(f.name, f.content) for f in form.files["files"]] == [("a/b.txt", b"one")]


@pytest.mark.parametrize(
    "body",
    [
        (b"--XX\r\n" + FIELD + b"\r\nx\r\n") * 1001 + b"--XX--\r\n",
        b"--XX\r\n" + FIELD + b"\r\n" + b"v" * 10_500_000 + b"\r\n--XX--\r\n",
        b"--XX\r\n" + FIELD + b"\r\nx",
    ],
    ids=["parts", "value", "cut"],
)
async def test_whole_forms_that_are_refused(body: bytes) -> None:
    with pytest.raises((FormError, BodyError)):
        await read_form(MultipartReader(Pieces(body, 65536), "XX"), 1000)


@pytest.mark.parametrize(
    ("query", "values", "malformed"),
    [
        (b"", {}, False),
        (b"a=1&b=2&a=3", {"a": ["1", "3"], "b": ["2"]}, False),
        (b"a=1;b=2", {"a": ["1"], "b": ["2"]}, False),
        (b"a+b=c+d&e", {"a b": ["c d"], "e": [""]}, False),
        (b"a=%41%c3%A9&=x", {"a": ["Aé"], "": ["x"]}, False),
        (b"a=b=c", {"a": ["b=c"]}, False),
        (b"a=%zz&b=1&%=2", {"b": ["1"]}, True),
        (b"a=%ff", {"a": ["\udcff"]}, False),
    ],
)
def test_queries(query: bytes, values: dict[str, list[str]], malformed: bool) -> None:
    parsed = parse_query(query)
    assert (dict(parsed), parsed.malformed) == (values, malformed)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/api/v4/%66iles?x=%66", "/api/v4/files", b"x=%66"),
        (b"//api//v4", "//api//v4", b""),
        (b"http://host:1/a?b", "/a", b"b"),
        (b"http://host?b", "", b"b"),
        (b"/a%2Fb?c?d", "/a/b", b"c?d"),
        (b"/a#b", "/a#b", b""),
    ],
)
def test_targets(target: bytes, path: str, query: bytes) -> None:
    assert parse_target(target) == (path, query)


@pytest.mark.parametrize("target", [b"", b"*x", b"a/b", b"/%", b"/%4", b"/%gg", b"/\x7f"])
def test_malformed_targets(target: bytes) -> None:
    with pytest.raises(TargetError):
        parse_target(target)


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        ("", "/"),
        ("/", "/"),
        ("//", "/"),
        ("/a/", "/a/"),
        ("//a//b//", "/a/b/"),
        ("/a/./b/../c", "/a/c"),
        ("/a/..", "/"),
        ("/../../a", "/a"),
        ("/a/.", "/a"),
        ("/a/b/..", "/a"),
        ("/...", "/..."),
    ],
)
def test_cleaned_paths(path: str, cleaned: str) -> None:
    assert clean_path(path) == cleaned


def test_escaped_paths() -> None:
    assert escape_path("/a b/é;,?#") == "/a%20b/%C3%A9;,%3F%23"
    assert escape_path_segment("a/b;c,d e") == "a%2Fb%3Bc%2Cd%20e"
