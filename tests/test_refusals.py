"""Every refusal: stable, bounded, and a sentence that its reader can act on."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway import refusals
from gateway.phrases import phrase
from gateway.refusals import (
    Refusal,
    Refused,
    extension_denied,
    file_too_large,
    shown,
    too_large_to_scan,
)

EXAMPLES: dict[str, tuple[Any, ...]] = {
    "file_too_large": ("holiday.mp4", 300 * 2**20, 100 * 2**20),
    "extension_denied": ("setup.exe", "exe"),
    "name_denied": ("passwords.txt",),
    "type_denied": ("setup.bin", "application/x-dosexec", phrase("a program")),
    "content_mismatch": (
        "invoice.pdf",
        phrase("its name ends in .pdf"),
        "application/x-dosexec",
        phrase("a program"),
    ),
    "image_too_large": ("photo.png", 50_000, 50_000, 24_000_000),
    "image_too_many_frames": ("dance.gif", 5000, 500),
    "image_unreadable": ("photo.png",),
    "metadata_unremovable": ("photo.jpg",),
    "malware_found": ("invoice.pdf", "Win.Test.EICAR_HDB-1"),
    "too_large_to_scan": ("film.mp4", 25 * 2**20),
    "archive_entry_denied": (
        "backup.zip",
        "docs/setup.exe",
        extension_denied("setup.exe", "exe"),
    ),
    "archive_too_large": ("backup.zip", phrase("it has more than 10,000 files in it")),
    "archive_encrypted": ("backup.zip", phrase("“docs/a.txt” in it is encrypted")),
    "archive_unreadable": ("backup.zip", phrase("it is damaged")),
    "archive_unsafe": ("backup.zip", phrase("“docs/tty” in it is a device")),
    "file_name_refused": (phrase("is empty"),),
    "credential_limited": (phrase("is not for this channel"),),
    "too_many_attempts": (3,),
    "account_unavailable": (30,),
    "issuer_unavailable": (30,),
    "quota_exceeded": (phrase("You have used 512 MiB of your 1 GiB for today."), 3600),
    "ambiguous_request": (phrase("the form has two boundaries."),),
    "method_not_allowed": ("TRACE",),
    "upstream_unreachable": (5,),
    "audit_unavailable": (5,),
    "ledger_unavailable": (5,),
    "scan_failed": (10,),
    "invalid_url_param": ("channel_id",),
    "invalid_body_param": ("colour",),
    "unreadable_form_value": ("channel_id",),
    "incorrect_number_of_client_ids": (1, 2),
    "first_chunk_too_small": (5 * 2**20,),
}
"""Arguments of those that take some."""
LONGEST_NAME = "ä" * 255


def factories() -> Iterator[tuple[str, Callable[..., Refusal]]]:
    for name, function in inspect.getmembers(refusals, inspect.isfunction):
        returns = inspect.signature(function).return_annotation
        if returns is Refusal:
            yield name, function


ALL = {name: function(*EXAMPLES.get(name, ())) for name, function in factories()}


def test_all_of_them_are_looked_at() -> None:
    assert len(ALL) > 20
    assert set(EXAMPLES) <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_refusal(name: str) -> None:
    refusal = ALL[name]
    own = refusal.id.startswith("gateway.")
    assert re.fullmatch(r"gateway\.[a-z_]+|(api|app|model)\.[a-z_.]+", refusal.id)
    assert re.fullmatch(r"[a-z_]+", refusal.reason)
    assert refusal.reason == refusal.id.removeprefix("gateway.") if own else True
    assert refusal.message[0].isupper() or refusal.message[0] == "“"
    # Of Mattermost's own texts one has no full stop.
    assert refusal.message.endswith(".") or refusal.id.startswith("model.")
    assert ".." not in refusal.message
    assert "\n" not in refusal.message


def test_ids_are_unique_and_belong_to_one_status() -> None:
    """Mattermost gives one of its ids with two statuses, but never the gateway."""
    own = [refusal.id for refusal in ALL.values() if refusal.id.startswith("gateway.")]
    assert len(own) == len(set(own))


def test_statuses_are_in_their_places() -> None:
    assert {name: refusal.status for name, refusal in ALL.items()} == {
        "file_too_large": 413,
        "extension_denied": 403,
        "name_denied": 403,
        "type_denied": 415,
        "content_mismatch": 415,
        "image_too_large": 413,
        "image_too_many_frames": 413,
        "image_unreadable": 415,
        "metadata_unremovable": 415,
        "malware_found": 403,
        "too_large_to_scan": 413,
        "archive_entry_denied": 415,
        "archive_too_large": 413,
        "archive_encrypted": 415,
        "archive_unreadable": 415,
        "archive_unsafe": 415,
        "file_name_refused": 400,
        "credential_refused": 401,
        "credential_limited": 403,
        "too_many_attempts": 429,
        "account_unavailable": 503,
        "issuer_unavailable": 503,
        "quota_exceeded": 429,
        "malformed_request": 400,
        "ambiguous_request": 400,
        "unguarded_upload": 403,
        "remote_cluster_off": 403,
        "not_served": 404,
        "method_not_allowed": 405,
        "expectation_failed": 417,
        "transfer_coding_refused": 501,
        "content_encoding_refused": 415,
        "client_too_slow": 408,
        "upstream_unreachable": 503,
        "upstream_failed": 502,
        "upstream_timeout": 504,
        "audit_unavailable": 503,
        "ledger_unavailable": 503,
        "scan_failed": 503,
        "spool_full": 507,
        "internal_error": 500,
        "session_expired": 401,
        "invalid_url_param": 400,
        "invalid_body_param": 400,
        "unreadable_request": 400,
        "unreadable_form_value": 400,
        "conflicting_channel_ids": 400,
        "incorrect_number_of_client_ids": 400,
        "upload_session_unverified": 409,
        "resumable_upload_unavailable": 501,
        "not_permitted": 403,
        "invalid_session_filename": 400,
        "invalid_session_size": 400,
        "invalid_chunk_type": 400,
        "unreadable_chunk_form": 400,
        "chunk_too_long": 400,
        "first_chunk_too_small": 400,
        "concurrent_chunks": 400,
    }


def test_who_is_to_try_again_is_told_when() -> None:
    told = {name for name, refusal in ALL.items() if refusal.retry_after is not None}
    assert told == {
        "quota_exceeded",
        "too_many_attempts",
        "upstream_unreachable",
        "audit_unavailable",
        "ledger_unavailable",
        "account_unavailable",
        "issuer_unavailable",
        "scan_failed",
    }


def test_the_limit_and_the_size_are_told() -> None:
    message = ALL["file_too_large"].message
    assert "“holiday.mp4” is too large (300 MiB)" in message
    assert "100 MiB" in message
    unknown = file_too_large("holiday.mp4", None, 100 * 2**20).message
    assert "“holiday.mp4” is too large." in unknown
    assert "up to 25 MiB can be checked" in ALL["too_large_to_scan"].message
    assert "“a.zip” was not uploaded: it is too large" in too_large_to_scan("a.zip", None).message
    quota = ALL["quota_exceeded"].message
    assert "512 MiB of your 1 GiB for today" in quota


@pytest.mark.parametrize(
    "factory",
    [
        "file_too_large",
        "extension_denied",
        "name_denied",
        "type_denied",
        "malware_found",
        "too_large_to_scan",
    ],
)
def test_a_name_does_not_fill_the_screen(factory: str) -> None:
    arguments = (LONGEST_NAME, *EXAMPLES[factory][1:])
    refusal = getattr(refusals, factory)(*arguments)
    assert len(refusal.message) < 400
    assert "…" in refusal.message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.pdf", "report.pdf"),
        ("Größe 漢字.txt", "Größe 漢字.txt"),
        ("a\nb\tc\x1b[31m", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
         "\N{REPLACEMENT CHARACTER}[31m"),
        ("gpj\u202eexe", "gpj\N{REPLACEMENT CHARACTER}exe"),
        ("\udcff", "\N{REPLACEMENT CHARACTER}"),
        ("a" * 80, "a" * 80),
        ("a" * 81, "a" * 79 + "…"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_name_fit_for_a_sentence(name: str, expected: str) -> None:
    assert shown(name) == expected


@pytest.mark.parametrize("status", [0, 200, 302, 399, 600])
def test_a_refusal_has_an_error_status(status: int) -> None:
    with pytest.raises(ValueError, match=str(status)):
        Refusal("gateway.test", status, "test", "No.")


def test_an_exception_carries_its_refusal() -> None:
    refusal = ALL["internal_error"]
    error = Refused(refusal)
    assert error.refusal is refusal
    assert str(error) == "gateway.internal_error"
