"""Measures the detector on real files and writes the results into docs/content-types.md.

``scripts/corpus`` runs it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.corpus.collect import UNPACKED, collect
from tests.corpus.formats import EXPECTED
from tests.corpus.measure import Result, measure, summary, told_otherwise

PAGE = Path(__file__).resolve().parents[2] / "docs" / "content-types.md"
_PLACE = re.compile(r"(<!-- measured on the corpus -->\n).*?(<!-- end -->)", re.DOTALL)
_LIBRARY_FOLDERS = ("site-packages", "dist-packages", "share", "lib", "include")


def main() -> None:
    specimens = collect()
    results = measure(specimens)
    print(summary(results))
    page = PAGE.read_text()
    measured = "\n".join([summary(results) + ".", "", *_report(results), ""])
    measured += "\n".join(_heads(told_otherwise(specimens)))
    PAGE.write_text(_PLACE.sub(lambda match: f"{match[1]}\n{measured}\n\n{match[2]}", page))


def _report(results: Sequence[Result]) -> Iterable[str]:
    rows: dict[tuple[str, ...], list[Result]] = defaultdict(list)
    for result in results:
        rows[tuple(sorted(EXPECTED[result.specimen.ending]))].append(result)
    yield "| expected | formats | files | group right | false alarms | refused by strict |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for groups, here in sorted(rows.items()):
        formats = sorted({result.specimen.ending for result in here})
        yield (
            f"| {' or '.join(groups)} | {', '.join(formats)} | {len(here)} "
            f"| {sum(r.right for r in here)} | {sum(r.alarm for r in here)} "
            f"| {sum(r.strict_alarm for r in here)} |"
        )
    yield from _listed("The misses:", [r for r in results if not r.right])
    yield from _listed("False alarms:", [r for r in results if r.alarm])
    yield from _listed(
        "Refused by `strict`:", [r for r in results if r.strict_alarm and not r.alarm]
    )


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
