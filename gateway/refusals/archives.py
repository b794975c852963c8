"""Archives that may not pass, for what is in them."""

from gateway.refusals.refusal import Refusal, shown

_NOT_UPLOADED = "” was not uploaded: "


def archive_entry_denied(name: str, path: str, denied: str) -> Refusal:
    """``denied`` is the message that the entry would get as a file of its own."""
    return Refusal(
        "gateway.archive_entry_denied",
        415,
        "archive_entry_denied",
        f"“{shown(name)}” was not uploaded because of “{path}” in it: "
        f"{denied.rpartition(_NOT_UPLOADED)[2]}",
    )


def archive_too_large(name: str, problem: str) -> Refusal:
    """``problem`` completes the sentence "The archive …"."""
    return Refusal(
        "gateway.archive_too_large",
        413,
        "archive_too_large",
        f"“{shown(name)}” was not uploaded: it {problem}. Split it into smaller archives, or send "
        "its files as they are.",
    )


def archive_encrypted(name: str, what: str) -> Refusal:
    """``what`` is the archive (``it``) or something in it."""
    return Refusal(
        "gateway.archive_encrypted",
        415,
        "archive_encrypted",
        f"“{shown(name)}” was not uploaded: {what} is encrypted, so that it cannot be checked. "
        "Send it without a password.",
    )


def archive_unreadable(name: str, problem: str) -> Refusal:
    """``problem`` is a sentence about the archive (``it``), or about something in it."""
    return Refusal(
        "gateway.archive_unreadable",
        415,
        "archive_unreadable",
        f"“{shown(name)}” was not uploaded: {problem}. Pack it anew, best as a ZIP archive, and "
        "try again.",
    )


def archive_unsafe(name: str, problem: str) -> Refusal:
    """``problem`` is a sentence about the archive (``it``), or about something in it."""
    return Refusal(
        "gateway.archive_unsafe",
        415,
        "archive_unsafe",
        f"“{shown(name)}” was not uploaded: {problem}. If it is not your own, do not open it: it "
        "may be harmful. If it is, pack it anew without that.",
    )
