"""What is wrong with a policy file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    line: int | None
    """None if it is about the file as such."""
    sentence: str
    """Without a full stop, for whoever wrote the file."""


class PolicyFileError(Exception):
    """The policy file cannot be used; ``problems`` holds all that is wrong, in their order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.sentence for problem in problems))
        self.problems = problems


def quoted(value: str) -> str:
    """``value`` fit for a sentence, however long it is."""
    return repr(value if len(value) <= _SHOWN else f"{value[: _SHOWN - 1]}…")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question to add to a sentence about ``word``, or nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
