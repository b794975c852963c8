"""The tables of disguises in docs/content-types.md: ``./scripts/disguises`` writes them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.refusals import Refusal, malware_found
from tests.disguises.disguise import Disguise
from tests.disguises.every import DISGUISES, INFECTED, TOLD_BY
from tests.disguises.honest import HONEST
from tests.disguises.unseen import UNSEEN
from tests.support.clamd import SIGNATURE
from tests.support.example import hardened
from tests.support.judged import judged

PAGE = Path(__file__).parents[2] / "docs" / "content-types.md"
_REFUSED = re.compile(r"(<!-- disguises -->\n).*?(<!-- end -->)", re.DOTALL)
_PASSES = re.compile(r"(<!-- disguises that pass -->\n).*?(<!-- end -->)", re.DOTALL)
_WHY = re.compile(r".* was not uploaded:? (?:because of )?(.+?)\.(?: [A-Z]|$)", re.DOTALL)
_NOT_LOOKED_AT = frozenset({"gateway.extension_denied", "gateway.file_name_refused"})


def page(text: str) -> str:
    """``text`` with both tables as they have to be."""
    refused, passes = "\n".join(_refused()), "\n".join(_passes())
    text = _REFUSED.sub(lambda match: f"{match[1]}\n{refused}\n\n{match[2]}", text)
    return _PASSES.sub(lambda match: f"{match[1]}\n{passes}\n\n{match[2]}", text)


def _refused() -> Iterator[str]:
    answers = {name: judged(hardened(), *told).refusal for name, told in DISGUISES.items()}
    through = sum(answer is None for answer in answers.values())
    count = len(answers) + len(INFECTED)
    yield f"{count} disguises, let through wrongly: {through}."
    for title, group in TOLD_BY.items():
        yield from _table(title, group)
    yield from _table("By a scanner", INFECTED, malware_found("a", SIGNATURE))
    ordinary = ", ".join(f"`{name}`" for name in HONEST)
    yield f"\nOrdinary files that are sent as they are, and pass: {ordinary}."


def _table(
    title: str, group: Mapping[str, Disguise], by_scanner: Refusal | None = None
) -> Iterator[str]:
    yield f"\n**{title}**\n"
    yield "| disguise | called | is | since | answer |"
    yield "| --- | --- | --- | --- | --- |"
    for name, told in group.items():
        checked = judged(hardened(), *told)
        refusal = checked.refusal or by_scanner
        assert refusal is not None, name
        looked_at = refusal.id not in _NOT_LOOKED_AT
        content = f"`{checked.facts.content_type}`" if looked_at else ""
        yield f"| {name} | {_called(told)} | {content} | {_why(refusal)} | `{refusal.id}` |"


def _passes() -> Iterator[str]:
    yield "| what | called | is | what Mattermost gets |"
    yield "| --- | --- | --- | --- |"
    for name, (told, removed) in UNSEEN.items():
        content_type = judged(hardened(), *told).facts.content_type
        gets = "the picture, without it" if removed else "all of it"
        yield f"| {name} | {_called(told)} | `{content_type}` | {gets} |"


def _called(told: Disguise) -> str:
    name = _visible(told.name)
    shown = f"`{name}`" if name else "nothing"
    return f"{shown}, declared `{told.declared}`" if told.declared else shown


def _why(refusal: Refusal) -> str:
    match = _WHY.match(refusal.message)
    assert match, refusal.message
    return _visible(match[1]).replace("*", "\\*")


def _visible(text: str) -> str:
    """Without characters that nobody sees, or that show others in another order."""
    shown = "".join(c if c.isprintable() else f"[U+{ord(c):04X}]" for c in text)
    return re.sub(" {9,}", lambda match: f" [{len(match[0])} blanks] ", shown)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
