"""Archives that may not pass, for what is in them."""

from gateway.phrases import Phrase, phrase
from gateway.refusals.files import not_uploaded, why_not
from gateway.refusals.refusal import Refusal, shown


def archive_entry_denied(name: str, path: str, denied: Refusal) -> Refusal:
    """``denied`` is what the entry would get as a file of its own."""
    text = phrase(
        "“{name}” was not uploaded because of “{path}” in it: {why}",
        name=shown(name),
        path=path,
        why=why_not(denied),
    )
    return Refusal("gateway.archive_entry_denied", 415, "archive_entry_denied", text)


def archive_too_large(name: str, problem: Phrase) -> Refusal:
    """``problem`` is a sentence about the archive (``it``)."""
    why = phrase(
        "{problem}. Split it into smaller archives, or send its files as they are.",
        problem=problem,
    )
    return Refusal("gateway.archive_too_large", 413, "archive_too_large", not_uploaded(name, why))


def archive_encrypted(name: str, problem: Phrase) -> Refusal:
    """``problem`` is a sentence about the archive (``it``), or about something in it."""
    why = phrase(
        "{problem}, so that it cannot be checked. Send it without a password.", problem=problem
    )
    return Refusal("gateway.archive_encrypted", 415, "archive_encrypted", not_uploaded(name, why))


def archive_unreadable(name: str, problem: Phrase) -> Refusal:
    """``problem`` as for ``archive_encrypted``."""
    why = phrase("{problem}. Pack it anew, best as a ZIP archive, and try again.", problem=problem)
    return Refusal("gateway.archive_unreadable", 415, "archive_unreadable", not_uploaded(name, why))


def archive_unsafe(name: str, problem: Phrase) -> Refusal:
    """``problem`` as for ``archive_encrypted``."""
    why = phrase(
        "{problem}. If it is not your own, do not open it: it may be harmful. If it is, pack it "
        "anew without that.",
        problem=problem,
    )
    return Refusal("gateway.archive_unsafe", 415, "archive_unsafe", not_uploaded(name, why))
