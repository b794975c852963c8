"""A form's files as sources: when their faults are told, and how large they can be."""

import asyncio
from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.refusals import Refused
from gateway.upload.form import Field, FilePart, Form, Truncated
from gateway.upstream.sink import Sink

HEAD = (
    b'--XX\r\nContent-Disposition: form-data; name="channel_id"\r\n\r\nabc'
    b'\r\n--XX\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
)
END = b"\r\n--XX--\r\n"
NEXT = b'\r\n--XX\r\nContent-Disposition: form-data; name="files"; filename="b"\r\n\r\nbbb'
JUNK = b"\r\n--XXjunk"
BARE = b"\n--XX\n"


class Pieces:
    """A body that arrives in pieces, the last of which ends it."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = deque(pieces)
        self.received = 0

    @property
    def ended(self) -> bool:
        return not self._pieces

    async def read(self) -> bytes:
        piece = self._pieces.popleft() if self._pieces else b""
        self.received += len(piece)
        return piece

    read_on = read

    def check(self) -> None:
        pass

    async def pour(self, sink: Sink) -> bool:
        return False


def form_of(*pieces: bytes) -> Form:
    return Form(b"XX", Pieces(*pieces), sum(map(len, pieces)))


async def first_file(form: Form) -> FilePart:
    assert await form.next_part() == Field("channel_id", "abc")
    part = await form.next_part()
    assert isinstance(part, FilePart)
    return part


async def rest_of(part: FilePart) -> bytes:
    content = b""
    while piece := await part.read_on():
        content += piece
    return content


async def test_a_fault_in_the_first_piece_is_told_by_the_first_read() -> None:
    part = await first_file(form_of(HEAD + b"aaa" + JUNK))
    with pytest.raises(Refused):
        await part.read()


async def test_a_fault_behind_another_file_is_told_as_well() -> None:
    part = await first_file(form_of(HEAD + b"aaa" + NEXT + JUNK))
    with pytest.raises(Refused):
        await part.read()


async def test_a_fault_behind_an_empty_file_is_told_as_well() -> None:
    part = await first_file(form_of(HEAD + JUNK))
    with pytest.raises(Refused):
        await part.read()


async def test_a_fault_is_told_by_the_read_that_brings_it() -> None:
    part = await first_file(form_of(HEAD + b"aaa", b"aaa", JUNK))
    assert [await part.read() for _ in range(2)] == [b"aaa", b"aaa"]
    with pytest.raises(Refused):
        await part.read()


async def test_a_bare_delimiter_is_told_before_the_end_of_the_file() -> None:
    part = await first_file(form_of(HEAD + b"aaa", BARE, b"aaa" + END))
    assert await part.read() == b"aaa"
    with pytest.raises(Refused):
        await part.read()


@pytest.mark.parametrize(("odd", "tail"), [(b"", JUNK), (BARE, END), (BARE, JUNK)])
async def test_who_reads_on_gets_the_whole_file_first(odd: bytes, tail: bytes) -> None:
    form = form_of(HEAD + b"aaa", b"aaa" + odd + tail)
    part = await first_file(form)
    assert await part.read() == b"aaa"
    assert await rest_of(part) == b"aaa" + odd
    with pytest.raises(Refused):
        await form.next_part()


async def test_a_file_behind_the_one_that_was_read_on_is_told_at_once() -> None:
    form = form_of(HEAD + b"aaa", b"aaa" + NEXT + JUNK)
    part = await first_file(form)
    assert await rest_of(part) == b"aaaaaa"
    second = await form.next_part()
    assert isinstance(second, FilePart)
    with pytest.raises(Refused):
        await second.read()


async def test_a_file_without_an_end_is_told_to_who_reads_on() -> None:
    part = await first_file(form_of(HEAD + b"aaa", b"aaa\r\n--X"))
    with pytest.raises(Truncated):
        await rest_of(part)
    assert not part.ended


async def test_a_fault_is_told_again_and_again() -> None:
    form = form_of(HEAD + b"aaa" + JUNK)
    part = await first_file(form)
    assert await rest_of(part) == b"aaa"
    for _ in range(2):
        with pytest.raises(Refused):
            await form.next_part()


@given(
    content=st.binary(max_size=100).filter(lambda content: b"--XX" not in content),
    tail=st.sampled_from([END, b"\r\n--XX--", b"\r\n--XX", NEXT + END, JUNK]),
    cuts=st.lists(st.integers(0, 500), max_size=6),
)
def test_no_file_is_larger_than_its_bound(content: bytes, tail: bytes, cuts: list[int]) -> None:
    body = HEAD + content + tail
    ends = [0, *sorted(min(end, len(body)) for end in cuts), len(body)]
    pieces = [body[start:end] for start, end in pairwise(ends)]

    async def read() -> None:
        form = form_of(*pieces)
        part = await first_file(form)
        bound = form.bound()
        assert bound is not None
        assert len(content) <= bound <= len(content) + len(tail)
        assert await rest_of(part) == content

    asyncio.run(read())


async def test_a_chunked_form_has_no_bound() -> None:
    form = Form(b"XX", Pieces(HEAD + b"aaa" + END), None)
    await first_file(form)
    assert form.bound() is None
