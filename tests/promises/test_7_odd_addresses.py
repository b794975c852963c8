"""Promise 7: whatever spelling of an address leads to a file, leads past the rules of its row.

docs/http.md says which paths are refused, docs/security.md what becomes of the others.
"""

import re
from collections.abc import Callable

import pytest

from tests.promises.rows import TEXT
from tests.promises.tricks import (
    AMBIGUOUS,
    FORM,
    GOOD,
    PROGRAM,
    REFUSED_FOR_ITS_CONTENT,
    UNREADABLE,
    Error,
    Outcome,
    Scene,
)

Spell = Callable[[str], str]


def encoded(pattern: str, form: str = "%{:02x}") -> Spell:
    """With the characters that match ``pattern`` encoded."""
    return lambda path: re.sub(pattern, lambda match: form.format(ord(match[0])), path)


def replaced(old: str, new: str, count: int = -1) -> Spell:
    return lambda path: path.replace(old, new, count)


def with_end(end: str) -> Spell:
    return lambda path: path + end


def with_start(start: str) -> Spell:
    return lambda path: start + path


SAME: dict[str, list[Spell]] = {
    "letters and digits that are encoded": [
        encoded("[a-z0-9]"), encoded("[a-z0-9]", "%{:02X}"), encoded("(?<=/api/v4/)[a-z]"),
        encoded("[a-z]$", "%{:02X}"), encoded("4"), encoded("(?<=/)a(?=pi)"),
    ],
    "the address as a whole": [
        with_start("http://chat.example"), with_start("HTTP://CHAT.EXAMPLE"),
        lambda path: "http://chat.example" + encoded("[a-z]")(path),
    ],
}  # fmt: skip
REFUSED: dict[str, list[Spell]] = {
    "an empty segment": [
        replaced("/", "//"), with_start("/"), replaced("/v4/", "/v4//"), with_end("//"),
        with_start("http://chat.example/"),
    ],
    "a dot segment": [
        replaced("/v4/", "/v4/./"), replaced("/v4/", "/v4/x/../"), with_start("/.."),
        with_start("/x/.."), with_end("/."), with_end("/.."), with_end("/x/.."),
        replaced("/v4/", "/v4/%2e/"), replaced("/v4/", "/v4/x/%2e%2E/"), with_end("/%2e"),
        replaced("/v4/", "/v4/x/.%2e/"),
    ],
    "an encoded slash, a backslash": [
        replaced("/v4/", "/v4%2f"), replaced("/v4/", "/v4%2F"), replaced("/v4/", "%2fv4%2f"),
        replaced("/v4/", "/v4\\"), replaced("/v4/", "/v4%5c"), replaced("/v4/", "/v4%5C"),
        with_end("%2f"), with_end("\\"), replaced("/v4/", "/v4/x/..%2f"),
    ],
    "a broken encoding, a control character": [
        with_end("%"), with_end("%6"), with_end("%zz"), with_end("%u0065"), with_end("%00"),
        with_end("%0a"), with_end("%0d%0aX:%20y"), with_end("%7f"), replaced("/v4/", "/v4/%00"),
    ],
}  # fmt: skip
ELSEWHERE: dict[str, list[Spell]] = {
    "letters that are encoded twice, or longer than need be": [
        encoded("[a-z]$", "%25{:02x}"), encoded("(?<=/api/v4/)[a-z]", "%25{:02x}"),
        encoded("[a-z]$", "%c1%{:02x}"), encoded("[a-z]$", "%e0%81%{:02x}"),
        replaced("/v4/", "/v4%252f"), replaced("/v4/", "/v4/%252e/"), replaced("/v4/", "/v4%c0%af"),
    ],
    "letters in another case, or that only look alike": [
        str.upper, replaced("/api/", "/API/"), replaced("/v4/", "/V4/"), str.title,
        encoded("[a-z]$", "%ef%bd%{:02x}"), with_end("%e2%80%8b"),
    ],
    "more behind the path": [
        with_end("/"), with_end("%20"), with_end("."), with_end("%2e"), with_end(";x=1"),
        with_end("%3bx=1"), with_end("%3f"), with_end("%23"), with_end("/x"), with_end(".json"),
        with_end("%c2%a0"), with_end("~"), with_end("/..;/files"), with_end("%e3%80%82"),
    ],
    "something in the path": [
        replaced("/v4/", "/v4/;x=1/"), replaced("/v4/", "/v4/..;/v4/"), replaced("/v4/", "/v4;/"),
        replaced("/v4/", "/v4/.../"), replaced("/v4/", "/v4/%20/"), replaced("/v4/", "/v3/"),
        replaced("/v4/", "/v4/v4/"),
    ],
    "something before the path": [
        with_start("/x"), with_start("/api/v4"), with_start("/plugins/com.example"),
        with_start("/;"),
    ],
}  # fmt: skip
PLACES = ("raw", "files", "emoji", "brand/image")


def send(scene: Scene, place: str, spell: Spell, content: bytes | None = None) -> Outcome:
    """A file at another spelling of the address of ``place``."""
    at = scene.places["files" if place == "raw" else place]
    path = spell(at.path)
    if place == "raw":
        query = f"?channel_id={scene.client.channel_id}&filename=a.txt"
        return scene.post(path + query, at.content if content is None else content)
    return scene.post(path, at.fill(GOOD, content), FORM)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", SAME)
def test_another_spelling_of_the_same(kind: str, place: str, scene: Scene) -> None:
    at = scene.places["files" if place == "raw" else place]
    passed = []
    for spell in SAME[kind]:
        outcome = send(scene, place, spell)
        assert outcome.took == [at.taken], spell(at.path)
        assert outcome.others == [f"POST {at.path}"]
        passed.append(outcome)
        outcome = send(scene, place, spell, PROGRAM)
        assert outcome.error in REFUSED_FOR_ITS_CONTENT, spell(at.path)
        outcome.assert_nothing_passed()
    scene.assert_judged_as_taken(*passed)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", REFUSED)
def test_an_ambiguous_spelling(kind: str, place: str, scene: Scene) -> None:
    for spell in REFUSED[kind]:
        outcome = send(scene, place, spell)
        assert outcome.error == AMBIGUOUS, spell("/api/v4/files")
        outcome.assert_nothing_passed()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ELSEWHERE)
def test_what_is_another_address(kind: str, place: str, scene: Scene) -> None:
    """Mattermost knows none such, and shows its web page, or says so; it keeps nothing."""
    for spell in ELSEWHERE[kind]:
        for content in (None, PROGRAM):
            outcome = send(scene, place, spell, content)
            assert outcome.answer is not None
            assert outcome.answer.status in (200, 403, 404, 415), spell("/api/v4/files")
            assert outcome.took == []
            assert not outcome.left


@pytest.mark.parametrize("place", PLACES)
def test_an_address_of_the_table_in_another_subpath(place: str, scene: Scene) -> None:
    """Or with a slash behind it: the gateway's subpath and Mattermost's may differ."""
    path = scene.places["files" if place == "raw" else place].path
    for spell in (*ELSEWHERE["something before the path"], with_end("/")):
        for content in (TEXT, PROGRAM):
            outcome = scene.post(spell(path), content)
            assert outcome.error == (403, "gateway.unguarded_upload"), spell(path)
            outcome.assert_nothing_passed()


QUERIES: dict[str, tuple[Error, list[str]]] = {
    "a parameter that is given twice, however it is spelled": (
        AMBIGUOUS,
        [
            "{good}&filename=a.txt", "{good}&filename=b.exe", "{good}&file%6eame=b.exe",
            "{good}&file%6Eame=b.exe", "{good}&filename", "{good}&channel_id={channel}",
            "{good}&channel%5Fid={channel}", "{good}&x=1&x=2", "{good}&&", "{good}&x=1&%78",
            "{good}&a+b=1&a%20b=2",
        ],
    ),
    "a semicolon in the query": (
        AMBIGUOUS, ["{good};filename=b.exe", "{good}&x=a;b", ";{good}", "{good};"]
    ),
    "a query with bytes that are no UTF-8": (AMBIGUOUS, ["{good}&x=%ff", "{good}&%c0%ae=x"]),
    "a query with a broken encoding": (
        UNREADABLE, ["{good}&x=%", "{good}&x=%6", "{good}&%zz=x", "{good}&x=%u0065"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("place", ["raw", "files", "brand/image"])
@pytest.mark.parametrize("kind", QUERIES)
def test_an_odd_query(kind: str, place: str, scene: Scene) -> None:
    error, queries = QUERIES[kind]
    at = scene.places["files" if place == "raw" else place]
    channel = scene.client.channel_id
    good = f"channel_id={channel}&filename=a.txt"
    for query in queries:
        target = f"{at.path}?{query.format(good=good, channel=channel)}"
        if place == "raw":
            outcome = scene.post(target, at.content)
        else:
            outcome = scene.post(target, at.fill(GOOD), FORM)
        assert outcome.error == error, query
        outcome.assert_nothing_passed()


def test_a_channel_in_the_query_and_another_in_the_form(scene: Scene) -> None:
    at = scene.places["files"]
    outcome = scene.post(f"{at.path}?channel_id={'x' * 26}", at.fill(GOOD), FORM)
    assert outcome.error == (400, "api.file.upload_file.multiple_channel_ids.app_error")
    outcome.assert_nothing_passed()
    outcome = scene.post(f"{at.path}?channel_id={scene.client.channel_id}", at.fill(GOOD), FORM)
    assert outcome.took == [at.taken]
