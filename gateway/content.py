"""What the bytes of a file are, in one word that travels: a content type, and what was found in it.

``application/zip; with=encryption``, the findings in a parameter (RFC 9110 §8.3.1), several of
them joined by ``+``.
"""

from enum import StrEnum
from functools import lru_cache

_WITH = "; with="


class Finding(StrEnum):
    """What content has in it that its type alone does not say."""

    MACROS = "macros"
    ENCRYPTION = "encryption"
    """So nobody can look into it."""
    SCRIPT = "script"
    """What a browser, or a server, may run."""
    OTHER_FORMAT = "other-format"
    """It can be opened as something else, too."""


def with_findings(content_type: str, findings: set[Finding]) -> str:
    """``content_type`` with what was found."""
    return f"{content_type}{_WITH}{'+'.join(sorted(findings))}" if findings else content_type


@lru_cache(1024)
def split(content_type: str) -> tuple[str, frozenset[Finding]]:
    """The bare type, and what was found. Parameters of other people's are dropped."""
    name, _, parameters = content_type.partition(";")
    mark, _, found = f"; {parameters.strip()}".partition(_WITH)
    if mark or not found:
        return name.strip(), frozenset()
    return name, frozenset(Finding(item) for item in found.split("+"))
