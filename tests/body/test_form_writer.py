"""Whatever the parts are, a written form is read as exactly these: by Go, and by the gateway."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.body.form_writer import FormWriter
from gateway.body.multipart import MultipartParser, PartBegin, PartData
from gateway.standin.go.media_type import parse_media_type
from gateway.standin.go.multipart import MultipartReader
from tests.body.test_multipart_properties import TEXT

Part = tuple[str, str | None, bytes]
"""Name, file name, content."""

VALUES = st.text(st.characters(exclude_categories=["Cs"])).map(str.encode)
PARTS = st.lists(
    st.tuples(TEXT, st.none(), VALUES) | st.tuples(TEXT, TEXT, st.binary(max_size=300)), max_size=6
)


class Pieces:
    """Bytes that are read a few at a time."""

    def __init__(self, content: bytes, size: int = 7) -> None:
        self._pieces = iter(content[i : i + size] for i in range(0, len(content), size))

    async def read(self) -> bytes:
        return next(self._pieces, b"")


def written(parts: list[Part]) -> FormWriter:
    writer = FormWriter()
    for name, filename, content in parts:
        if filename is None:
            writer.add_value(name, content.decode())
        else:
            writer.add_file(name, filename, Pieces(content).read, len(content))
    writer.end()
    return writer


async def read(writer: FormWriter) -> bytes:
    pieces = []
    while piece := await writer.read():
        pieces.append(piece)
    return b"".join(pieces)


async def as_go_reads(content_type: str, body: bytes) -> list[Part]:
    media_type, parameters = parse_media_type(content_type)
    assert media_type == "multipart/form-data"
    reader = MultipartReader(Pieces(body, 100), parameters["boundary"])
    parts: list[Part] = []
    while (part := await reader.next_part()) is not None:
        content = b""
        while piece := await part.read():
            content += piece
        parts.append((part.form_name, part.file_name or None, content))
    return parts


def as_the_gateway_reads(boundary: bytes, body: bytes) -> Iterator[Part]:
    parser = MultipartParser(boundary)
    begun: PartBegin | None = None
    content = b""
    for event in [*parser.feed(body), *parser.finish()]:
        if isinstance(event, PartBegin):
            begun, content = event, b""
        elif isinstance(event, PartData):
            content += event.data
        elif begun is not None:
            yield begun.headers.name, begun.headers.filename, content
            begun = None


@given(PARTS)
def test_a_form_is_read_as_it_was_meant(parts: list[Part]) -> None:
    writer = written(parts)
    body = asyncio.run(read(writer))
    assert len(body) == writer.length
    content_type = writer.content_type.decode()
    assert asyncio.run(as_go_reads(content_type, body)) == parts
    boundary = writer.content_type.partition(b"boundary=")[2]
    assert list(as_the_gateway_reads(boundary, body)) == parts


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("image", b'form-data; name="image"; filename="image"'),
        ('a"b', rb'form-data; name="a\"b"; filename="a\"b"'),
        ("a\\b", rb'form-data; name="a\\b"; filename="a\\b"'),
        ("a; b=c", b'form-data; name="a; b=c"; filename="a; b=c"'),
        ("é名", 'form-data; name="é名"; filename="é名"'.encode()),
    ],
)
async def test_how_names_are_written(name: str, head: bytes) -> None:
    body = await read(written([(name, name, b"")]))
    assert b"Content-Disposition: " + head + b"\r\n" in body


async def test_each_form_has_a_boundary_of_its_own() -> None:
    first, second = written([("a", None, b"b")]), written([("a", None, b"b")])
    assert first.content_type != second.content_type
    boundary = first.content_type.partition(b"boundary=")[2]
    assert len(boundary) == 32
    assert await read(first) == (
        b'--%b\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--%b--\r\n'
        % (boundary, boundary)
    )


async def test_a_read_that_is_cancelled_has_read_nothing() -> None:
    """The request can be sent once more on another connection."""
    wait = asyncio.Event()

    async def read_slowly() -> bytes:
        await wait.wait()
        return b"content"

    writer = FormWriter()
    writer.add_file("a", "b", read_slowly, 7)
    assert (await writer.read()).startswith(b"--")
    reading = asyncio.create_task(writer.read())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    wait.set()
    assert await writer.read() == b"content"
