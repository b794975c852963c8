"""What the gateway takes real files for, and whether its rules would bother their owners."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.inspection.detector import HEAD_SIZE, Detector
from gateway.policy.groups import Group, group_of
from gateway.policy.judge import judge_content
from gateway.policy.rules import Agreement, Policy
from gateway.policy.selectors import TypeSelector
from gateway.refusals import Refusal
from tests.corpus.collect import Specimen
from tests.corpus.formats import EXPECTED
from tests.support.example import hardened
from tests.support.judged import judged_files

_SHORTER_HEADS = tuple(2**exponent * 1024 for exponent in range(6))
_DEFAULT = Policy(
    max_file_size=2**40,
    allowed=TypeSelector.parse("*"),
    denied=TypeSelector.parse(""),
    denied_extensions=frozenset(),
    agreement=Agreement.DANGEROUS,
)
_STRICT = replace(_DEFAULT, agreement=Agreement.STRICT)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one specimen."""

    specimen: Specimen
    content: str
    group: str
    alarm: bool
    """The default agreement rule would refuse it."""
    strict_alarm: bool
    hardened: Refusal | None
    """What the example of a policy file says to the whole of it."""

    @property
    def right(self) -> bool:
        return self.group in EXPECTED[self.specimen.ending]


def measure(specimens: Iterable[Specimen]) -> list[Result]:
    """All but what a scanner would say."""
    specimens, detector = list(specimens), Detector()
    checked = judged_files(hardened(), [specimen.path for specimen in specimens])
    return [
        _judged(detector, specimen, file.refusal)
        for specimen, file in zip(specimens, checked, strict=True)
    ]


def _judged(detector: Detector, specimen: Specimen, by_example: Refusal | None) -> Result:
    with specimen.path.open("rb") as file:
        content = detector.detect(file.read(HEAD_SIZE))
    name = specimen.path.name
    return Result(
        specimen,
        content,
        group_of(content),
        judge_content(_DEFAULT, name, content) is not None,
        judge_content(_STRICT, name, content) is not None,
        by_example,
    )


def told_otherwise(specimens: Iterable[Specimen]) -> dict[int, int]:
    """How many files, texts aside, are told otherwise by a shorter head of so many bytes."""
    detector = Detector()
    otherwise = dict.fromkeys(_SHORTER_HEADS, 0)
    for specimen in specimens:
        with specimen.path.open("rb") as file:
            head = file.read(HEAD_SIZE)
        content = detector.detect(head)
        if group_of(content) is not Group.TEXT:
            for size in _SHORTER_HEADS:
                otherwise[size] += detector.detect(head[:size]) != content
    return otherwise


def summary(results: Sequence[Result]) -> str:
    """One line for a terminal."""
    right = sum(result.right for result in results)
    return (
        f"{len(results)} files of {len({result.specimen.ending for result in results})} formats: "
        f"group right for {right} ({right / len(results):.2%}), "
        f"{sum(result.alarm for result in results)} false alarms, "
        f"{sum(result.strict_alarm for result in results)} refused by strict"
    )
