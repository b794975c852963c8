"""What was found of files, for people and for programs."""

import json
from collections.abc import Iterator, Sequence

from gateway.checking.files import Checked, Unread
from gateway.edge.answers import render
from gateway.policy.rules import DEFAULT_RULE
from gateway.refusals import shown
from gateway.units import format_size
from gateway.upload.facts import Facts

_HEAD = ("FILE", "TYPE", "GROUP", "SIZE", "ENTRIES", "RULE", "ANSWER")
_LONGEST_PATH = 200


def table(checked: Sequence[Checked]) -> str:
    """One line for each file, and below those that may not pass what their users would read."""
    rows = [_HEAD, *map(_row, checked)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for number, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
        if number:
            lines += [f"    {note}" for note in _notes(checked[number - 1])]
    return "\n".join(lines)


def as_json(checked: Sequence[Checked]) -> str:
    """A list; ``answer`` is the body that users would get, null for what passes."""
    return json.dumps([_document(file) for file in checked], indent=2)


def complaint(file: Unread) -> str:
    return f"{shown(file.path, _LONGEST_PATH)}: {file.problem}"


def _row(file: Checked) -> tuple[str, ...]:
    facts, refusal = file.facts, file.refusal
    entries = "-" if facts.entries is None else str(facts.entries)
    answer = "passes" if refusal is None else f"{refusal.status} {refusal.id}"
    size = format_size(file.size)
    path = shown(file.path, _LONGEST_PATH)
    return path, facts.content_type, file.group, size, entries, _rule(facts), answer


def _rule(facts: Facts) -> str:
    return facts.rule or DEFAULT_RULE


def _notes(file: Checked) -> Iterator[str]:
    facts = file.facts
    if file.refusal is not None:
        yield file.refusal.message
    if facts.promised is not None:
        yield f"Its name promises {facts.promised}."
    if facts.scan is not None:
        yield f"Scan: {facts.scan}{f' ({facts.scan_detail})' if facts.scan_detail else ''}."
    for rule, reason in facts.would_refuse.items():
        yield f"The rule {rule}, which is only watched, would refuse it ({reason})."


def _document(file: Checked) -> dict[str, object]:
    facts, refusal = file.facts, file.refusal
    answer = None
    if refusal is not None:
        answer = json.loads(render(refusal, "").body)
        del answer["request_id"]  # each request has its own
    return {
        "file": file.path,
        "type": facts.content_type,
        "group": file.group,
        "size": file.size,
        "entries": facts.entries,
        "promised": facts.promised,
        "scan": facts.scan,
        "rule": _rule(facts),
        "would_refuse": [
            {"rule": rule, "reason": reason} for rule, reason in facts.would_refuse.items()
        ],
        "passes": refusal is None,
        "answer": answer,
    }
