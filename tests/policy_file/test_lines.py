"""In which line what of a TOML document is."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy_file import lines
from gateway.policy_file.lines import line_of, lines_of

ROOT = Path(__file__).parent.parent.parent

EACH_VALUE_IS_ITS_LINE = """\
a = 1 # "b = 9
# c = 9
'd' = 3
"e\\n\\u0041 = 9" = 4

f.g = 6
f . "h.i" . j=7
k = [8, 8, # ]
     9,
  [ 10, [
     11 ] ] , ]
l = { m = 12, n.o = 12, "p}" = { q = 12 }, r = [12, 12] }
[s]
t = 14
[ u . 'v' ] # w = 9
x = 16
[[y]]
z = 18
y1 = { y2 = 19 }
[y.y3]
y4 = 21
[[y.y5]]
y6 = 23
[[y.y5]]
y6 = 25
[y.y5.y7]
y8.y9 = 27

[[ y ]]
z=30
"""

STRINGS = '''\
a = "# \\" \\\\"
b = '"\\'
c = """
d = 9 "" \\""" [x]
"""
e = """""""" # two quotes
f = \'\'\'
'' g = 9
\'\'\'
h = \'\'\'\'\'\'\'
i = ["]", '[', """
j = 9, ]""", 2021-01-01 07:30:00, 1979-05-27T00:32:00-07:00]
k = 13
'''
STRING_LINES = {"a": 1, "b": 2, "c": 3, "e": 6, "f": 7, "h": 10, "i": 11, "k": 13}


def paths(value: object, path: lines.Path = ()) -> Iterator[tuple[lines.Path, object]]:
    """All that is in ``value``, and where."""
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from paths(item, (*path, number))


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_lines(newline: str) -> None:
    text = EACH_VALUE_IS_ITS_LINE.replace("\n", newline)
    found = lines_of(text)
    everything = dict(paths(tomllib.loads(text)))
    assert set(found) == set(everything)
    numbers = {path: value for path, value in everything.items() if isinstance(value, int)}
    assert len(numbers) > 20
    assert {path: found[path] for path in numbers} == numbers


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("s",), 13),
        (("u",), 15),
        (("u", "v"), 15),
        (("y",), 17),
        (("y", 0), 17),
        (("y", 0, "y3"), 20),
        (("y", 0, "y5", 1), 24),
        (("y", 0, "y5", 1, "y7"), 26),
        (("y", 1), 29),
        (("f",), 6),
        (("k",), 8),
        # What is not there is where it would be.
        (("y", 1, "colour"), 29),
        (("y", 1, "z", 7), 30),
        (("nothing",), None),
        ((), None),
    ],
    ids=str,
)
def test_a_line(path: lines.Path, line: int | None) -> None:
    assert line_of(lines_of(EACH_VALUE_IS_ITS_LINE), path) == line


def test_strings_do_not_lead_astray() -> None:
    assert {
        path[0]: line for path, line in lines_of(STRINGS).items() if len(path) == 1
    } == STRING_LINES
    assert set(lines_of(STRINGS)) == {path for path, _ in paths(tomllib.loads(STRINGS))}


@pytest.mark.parametrize("text", ["", "\n", "# nothing", "a = 1", "[a]", "[[a]]"])
def test_small_documents(text: str) -> None:
    assert set(lines_of(text)) == {path for path, _ in paths(tomllib.loads(text))}


def test_a_document_of_other_people() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert set(lines_of(text)) == {path for path, _ in paths(tomllib.loads(text))}


# Any document.

KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,3}", fullmatch=True),
    st.text("ab.#=[]{}'\\ ä", min_size=1, max_size=3).map(
        lambda key: '"' + key.replace("\\", "\\\\") + '"'
    ),
    st.text('ab.#=[]{}"\\ ä', min_size=1, max_size=3).map(lambda key: f"'{key}'"),
)
DOTTED = st.lists(KEYS, min_size=1, max_size=3).map(" .".join)
WORDS = st.text("ab#=[]{},\n\"'\\ ", max_size=6)
SCALARS = st.one_of(
    st.sampled_from(["0", "-1.5e3", "true", "inf", "1979-05-27 07:32:00", "07:32:00", "0xff"]),
    WORDS.map(lambda word: '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"').filter(
        lambda word: "\n" not in word
    ),
    WORDS.map(lambda word: "'" + word.replace("'", "").replace("\n", "") + "'"),
    WORDS.map(lambda word: '"""' + word.replace("\\", "\\\\").replace('"""', "") + '"""'),
    WORDS.map(lambda word: "'''" + word.replace("'''", "") + "'''"),
)
GAPS = st.sampled_from(["", " ", "\n", " # ]}\"'\n\n"])


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(st.sampled_from(["scalar", "scalar", "list", "table"])) if depth else "scalar"
    if kind == "list":
        items = draw(st.lists(values(depth - 1), max_size=3))
        gaps = [draw(GAPS) for _ in range(len(items) + 1)]
        return "[" + "".join(f"{g}{i}{g}," for g, i in zip(gaps, items, strict=False)) + "]"
    if kind == "table":
        pairs = draw(st.lists(st.tuples(DOTTED, values(depth - 1)), max_size=3))
        return "{ " + ", ".join(f"{key} = {value}" for key, value in pairs) + " }"
    return draw(SCALARS)


STATEMENTS = st.one_of(
    st.tuples(DOTTED, values()).map(" = ".join),
    DOTTED.map(lambda key: f"[ {key} ]"),
    DOTTED.map(lambda key: f"[[{key}]]"),
    st.sampled_from(["", "# [[x]]", "\t"]),
)


@given(st.lists(STATEMENTS, max_size=8))
def test_any_document(statements: list[str]) -> None:
    """Each part is where the statement is that it comes from."""
    accepted: list[str] = []
    for statement in statements:
        try:
            tomllib.loads("\n".join([*accepted, statement]))
            accepted.append(statement)
        except tomllib.TOMLDecodeError:
            pass
    text = "\n".join(accepted)
    found = lines_of(text)
    assert set(found) == {path for path, _ in paths(tomllib.loads(text))}
    for path in found:
        before = "\n".join(text.split("\n")[: found[path] - 1])
        assert path not in {p for p, _ in paths(_as_far(before))}


def _as_far(text: str) -> dict[str, Any]:
    """What the document says up to there; nothing if it breaks off in the middle of a value."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}
