"""Measures the detector on real files and writes the results into docs/content-types.md.

``scripts/corpus`` runs it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.corpus.collect import UNPACKED, collect
from tests.corpus.formats import EXPECTED
from tests.corpus.measure import Result, measure, summary, told_otherwise

PAGE = Path(__file__).resolve().parents[2] / "docs" / "content-types.md"
_PLACE = re.compile(r"(<!-- measured on the corpus -->\n).*?(<!-- end -->)", re.DOTALL)
_PRICE = re.compile(r"(<!-- the corpus under the example -->\n).*?(<!-- end -->)", re.DOTALL)
_LIBRARY_FOLDERS = ("site-packages", "dist-packages", "share", "lib", "include")


def main() -> None:
    specimens = collect()
    results = measure(specimens)
    print(summary(results))
    page = PAGE.read_text()
    measured = "\n".join([summary(results) + ".", "", *_report(results), ""])
    measured += "\n".join(_heads(told_otherwise(specimens)))
    page = _PLACE.sub(lambda match: f"{match[1]}\n{measured}\n\n{match[2]}", page)
    price = "\n".join(_price(results))
    PAGE.write_text(_PRICE.sub(lambda match: f"{match[1]}\n{price}\n\n{match[2]}", page))


def _report(results: Sequence[Result]) -> Iterable[str]:
    rows: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        rows[_expected(result)].append(result)
    yield "| expected | formats | files | group right | false alarms | refused by strict |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for expected, here in sorted(rows.items()):
        formats = sorted({result.specimen.ending for result in here})
        yield (
            f"| {expected} | {', '.join(formats)} | {len(here)} "
            f"| {sum(r.right for r in here)} | {sum(r.alarm for r in here)} "
            f"| {sum(r.strict_alarm for r in here)} |"
        )
    yield from _listed("The misses:", [r for r in results if not r.right])
    yield from _listed("False alarms:", [r for r in results if r.alarm])
    yield from _listed(
        "Refused by `strict`:", [r for r in results if r.strict_alarm and not r.alarm]
    )


def _price(results: Sequence[Result]) -> Iterable[str]:
    """What the example of a policy file refuses, by what it is and why."""
    of = Counter(_expected(result) for result in results)
    refused: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for result in results:
        if result.hardened is not None:
            why = _expected(result), result.hardened.id
            refused[why][result.specimen.ending] += 1
    count = sum(formats.total() for formats in refused.values())
    yield f"{len(results) - count} of {len(results)} files pass, {count} are refused."
    yield ""
    yield "| expected | refused | of | answer | formats |"
    yield "| --- | --- | --- | --- | --- |"
    for (expected, answer), formats in sorted(refused.items()):
        shown = ", ".join(f"{ending} ({n})" for ending, n in sorted(formats.items()))
        yield f"| {expected} | {formats.total()} | {of[expected]} | `{answer}` | {shown} |"


def _expected(result: Result) -> str:
    return " or ".join(sorted(EXPECTED[result.specimen.ending]))


def _listed(title: str, results: Sequence[Result]) -> Iterable[str]:
    yield ""
    yield title if results else f"{title} none."
    if results:
        yield ""
        for result in results:
            yield f"- `{_shown(result.specimen.path)}`: {result.group}, `{result.content}`"


def _shown(path: Path) -> str:
    """Where it lies in its package."""
    if path.is_relative_to(UNPACKED):
        return str(path.relative_to(UNPACKED))
    last = max(i for i, part in enumerate(path.parts) if part in _LIBRARY_FOLDERS)
    return "/".join(path.parts[last + 1 :])


def _heads(otherwise: dict[int, int]) -> Iterable[str]:
    yield ""
    yield "Files, texts aside, that would be told otherwise by a shorter head:"
    yield ""
    yield "| KiB seen | " + " | ".join(str(size // 1024) for size in otherwise) + " |"
    yield "| --- |" + " --- |" * len(otherwise)
    yield "| told otherwise | " + " | ".join(str(count) for count in otherwise.values()) + " |"


if __name__ == "__main__":
    main()
