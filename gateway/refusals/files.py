"""What may not pass: for what a file is called, how large it is, and what is in it."""

from gateway.refusals.refusal import Refusal, shown
from gateway.units import format_size


def _with_type(called: str, content_type: str) -> str:
    return called if content_type in called else f"{called} ({content_type})"


def file_too_large(name: str, size: int | None, limit: int) -> Refusal:
    """``size`` is None when all that is known is that the limit was passed."""
    how_large = "too large" if size is None else f"too large ({format_size(size)})"
    return Refusal(
        "gateway.file_too_large",
        413,
        "file_too_large",
        f"“{shown(name)}” is {how_large}. The largest file you can upload here is "
        f"{format_size(limit)}. Make it smaller, or share a link to it instead.",
    )


def extension_denied(name: str, extension: str) -> Refusal:
    """``extension`` is empty where the name has none."""
    which = f"files ending in .{shown(extension, 20)}" if extension else "names without an ending"
    return Refusal(
        "gateway.extension_denied",
        403,
        "extension_denied",
        f"“{shown(name)}” was not uploaded: {which} are not allowed here. Ask your administrator "
        "if you need to share it.",
    )


def name_denied(name: str) -> Refusal:
    return Refusal(
        "gateway.name_denied",
        403,
        "name_denied",
        f"“{shown(name)}” was not uploaded: files of such a name are not allowed here. Give it "
        "another name, or ask your administrator if you need to share it.",
    )


def type_denied(name: str, content_type: str, called: str) -> Refusal:
    """``called`` is what people call the content, such as ``a program``."""
    return Refusal(
        "gateway.type_denied",
        415,
        "type_denied",
        f"“{shown(name)}” was not uploaded: it is {_with_type(called, content_type)}, and files "
        "of this type are not allowed here. Ask your administrator if you need to share it.",
    )


def content_mismatch(
    name: str, claim: str, content_type: str, called: str, *, harmful: bool = True
) -> Refusal:
    """``claim`` is what is said of the file, such as ``its name promises a PDF document``."""
    advice = (
        "If you did not expect this, do not open the file: it may be harmful."
        if harmful
        else "Give it a name that fits, or save it as what it is called, and try again."
    )
    return Refusal(
        "gateway.content_mismatch",
        415,
        "content_mismatch",
        f"“{shown(name)}” was not uploaded: {claim}, but its content is "
        f"{_with_type(called, content_type)}. {advice}",
    )


def image_too_large(name: str, width: int, height: int, limit: int) -> Refusal:
    """``limit`` is in pixels, as ``width`` and ``height`` are."""
    return Refusal(
        "gateway.image_too_large",
        413,
        "image_too_large",
        f"“{shown(name)}” was not uploaded: it has {width * height:,} pixels "
        f"({width:,} by {height:,}). Pictures that you can upload here have {limit:,} at most. "
        "Make it smaller and try again.",
    )


def image_too_many_frames(name: str, frames: int, limit: int) -> Refusal:
    return Refusal(
        "gateway.image_too_many_frames",
        413,
        "image_too_many_frames",
        f"“{shown(name)}” was not uploaded: it has {frames:,} frames. Pictures that you can "
        f"upload here have {limit:,} at most. Make it shorter and try again.",
    )


def image_unreadable(name: str) -> Refusal:
    """Its decoder would find out what nobody here can tell."""
    return Refusal(
        "gateway.image_unreadable",
        415,
        "image_unreadable",
        f"“{shown(name)}” was not uploaded: it is a damaged picture, whose size cannot be told. "
        "Open it, save it anew, and try again.",
    )


def metadata_unremovable(name: str) -> Refusal:
    return Refusal(
        "gateway.metadata_unremovable",
        415,
        "metadata_unremovable",
        f"“{shown(name)}” was not uploaded: what it tells besides the picture, such as where it "
        "was taken, could not be removed. Open it, save it anew, and try again.",
    )


def malware_found(name: str, signature: str) -> Refusal:
    """``signature`` is what the scanner calls it."""
    return Refusal(
        "gateway.malware_found",
        403,
        "malware_found",
        f"“{shown(name)}” was not uploaded: the malware scanner found {shown(signature)} in it. "
        "Do not open the file. Ask your administrator if you believe that it is harmless.",
    )


def too_large_to_scan(name: str, largest: int | None) -> Refusal:
    """``largest`` is in bytes; None where the scanner has not told its limit."""
    if largest is None:
        problem = "it is too large, or has too much packed into it, to be checked for malware"
    else:
        problem = f"only files up to {format_size(largest)} can be checked for malware here"
    return Refusal(
        "gateway.too_large_to_scan",
        413,
        "too_large_to_scan",
        f"“{shown(name)}” was not uploaded: {problem}. Make it smaller, or share a link to it "
        "instead.",
    )


def file_name_refused(problem: str) -> Refusal:
    """``problem`` completes the sentence "The file's name …"."""
    return Refusal(
        "gateway.file_name_refused",
        400,
        "file_name_refused",
        f"The file was not uploaded: its name {problem}. Rename it and try again.",
    )


def quota_exceeded(told: str, retry_after: int | None) -> Refusal:
    """``told`` says what is used up, and what can be done; seconds, where time helps."""
    return Refusal(
        "gateway.quota_exceeded",
        429,
        "quota_exceeded",
        told,
        retry_after=retry_after,
    )
