"""Sizes and durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.units import format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1", 1),
        ("512", 512),
        ("512B", 512),
        ("1kB", 1000),
        ("1KiB", 1024),
        ("1 KiB", 1024),
        (" 100MiB ", 100 * 2**20),
        ("100mib", 100 * 2**20),
        ("1.5GB", 1_500_000_000),
        ("0.5KiB", 512),
        ("2GiB", 2**31),
        ("1TB", 10**12),
        ("1TiB", 2**40),
        ("1MB", 10**6),
    ],
)
def test_a_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("30", 30), ("30s", 30), ("1.5s", 1.5), ("500ms", 0.5), ("5m", 300), ("5 M", 300),
     ("2h", 7200), ("1d", 86_400)],
)  # fmt: skip
def test_a_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "MiB", "-1", "+1", "1e3", "1,5MB", ".5MB", "1.MB", "1 M B", "1MiBs", "1XB", "inf",
     "nan", "1PiB", "٣MiB", "1_000", "0x10"],
)  # fmt: skip
@pytest.mark.parametrize(("parse", "hint"), [(parse_size, "100MiB"), (parse_duration, "30s")])
def test_what_is_neither(text: str, parse: object, hint: str) -> None:
    """The administrator is told what was meant."""
    assert callable(parse)
    with pytest.raises(ValueError, match=hint) as error:
        parse(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize(("parse", "text"), [(parse_size, "1s"), (parse_duration, "1MiB")])
def test_one_is_not_the_other(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(ValueError, match=text):
        parse(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1_048_575, "1 MiB"),
        (2**20, "1 MiB"),
        (104_857_600, "100 MiB"),
        (1_500_000, "1.4 MiB"),
        (2**30, "1 GiB"),
        (2**40, "1 TiB"),
        (5000 * 2**40, "5000 TiB"),
    ],
)
def test_a_size_for_people(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(0, 2**60))
def test_what_people_read_is_nearly_what_it_is(size: int) -> None:
    shown = format_size(size).removesuffix(" bytes").removesuffix(" byte")
    assert parse_size(shown) == pytest.approx(size, rel=0.051)
