"""What may not pass: for what a file is called, how large it is, and what is in it."""

from gateway.phrases import Phrase, Text, phrase
from gateway.refusals.refusal import Refusal, shown
from gateway.units import told_size


def not_uploaded(name: str, why: Phrase) -> Phrase:
    """``why`` says what is wrong with the file (``it``), and what can be done."""
    return phrase("“{name}” was not uploaded: {why}", name=shown(name), why=why)


def why_not(refusal: Refusal) -> Text:
    """What ``refusal`` says of a file, without its name."""
    text = refusal.text
    if isinstance(text, Phrase) and isinstance(why := text.values.get("why"), Phrase):
        return why
    return text


def _with_type(called: Phrase, content_type: str) -> Phrase:
    if content_type in str(called):
        return called
    return phrase("{what} ({type})", what=called, type=content_type)


def file_too_large(name: str, size: int | None, limit: int) -> Refusal:
    """``size`` is None when all that is known is that the limit was passed."""
    if size is None:
        text = phrase(
            "“{name}” is too large. The largest file you can upload here is {limit}. Make it "
            "smaller, or share a link to it instead.",
            name=shown(name),
            limit=told_size(limit),
        )
    else:
        text = phrase(
            "“{name}” is too large ({size}). The largest file you can upload here is {limit}. "
            "Make it smaller, or share a link to it instead.",
            name=shown(name),
            size=told_size(size),
            limit=told_size(limit),
        )
    return Refusal("gateway.file_too_large", 413, "file_too_large", text)


def extension_denied(name: str, extension: str) -> Refusal:
    """``extension`` is empty where the name has none."""
    if extension:
        why = phrase(
            "files ending in .{ending} are not allowed here. Ask your administrator if you need "
            "to share it.",
            ending=shown(extension, 20),
        )
    else:
        why = phrase(
            "names without an ending are not allowed here. Ask your administrator if you need to "
            "share it."
        )
    text = not_uploaded(name, why)
    return Refusal("gateway.extension_denied", 403, "extension_denied", text)


def name_denied(name: str) -> Refusal:
    why = phrase(
        "files of such a name are not allowed here. Give it another name, or ask your "
        "administrator if you need to share it."
    )
    return Refusal("gateway.name_denied", 403, "name_denied", not_uploaded(name, why))


def type_denied(name: str, content_type: str, called: Phrase) -> Refusal:
    """``called`` is what people call the content, such as ``a program``."""
    why = phrase(
        "it is {what}, and files of this type are not allowed here. Ask your administrator if you "
        "need to share it.",
        what=_with_type(called, content_type),
    )
    return Refusal("gateway.type_denied", 415, "type_denied", not_uploaded(name, why))


def content_mismatch(
    name: str, claim: Phrase, content_type: str, called: Phrase, *, harmful: bool = True
) -> Refusal:
    """``claim`` is what is said of the file, such as ``its name promises a PDF document``."""
    what = _with_type(called, content_type)
    if harmful:
        why = phrase(
            "{claim}, but its content is {what}. If you did not expect this, do not open the "
            "file: it may be harmful.",
            claim=claim,
            what=what,
        )
    else:
        why = phrase(
            "{claim}, but its content is {what}. Give it a name that fits, or save it as what it "
            "is called, and try again.",
            claim=claim,
            what=what,
        )
    return Refusal("gateway.content_mismatch", 415, "content_mismatch", not_uploaded(name, why))


def image_too_large(name: str, width: int, height: int, limit: int) -> Refusal:
    """``limit`` is in pixels, as ``width`` and ``height`` are."""
    why = phrase(
        "it has {pixels} pixels ({width} by {height}). Pictures that you can upload here have "
        "{limit} at most. Make it smaller and try again.",
        pixels=width * height,
        width=width,
        height=height,
        limit=limit,
    )
    return Refusal("gateway.image_too_large", 413, "image_too_large", not_uploaded(name, why))


def image_too_many_frames(name: str, frames: int, limit: int) -> Refusal:
    why = phrase(
        "it has {frames} frames. Pictures that you can upload here have {limit} at most. Make it "
        "shorter and try again.",
        frames=frames,
        limit=limit,
    )
    text = not_uploaded(name, why)
    return Refusal("gateway.image_too_many_frames", 413, "image_too_many_frames", text)


def image_unreadable(name: str) -> Refusal:
    """Its decoder would find out what nobody here can tell."""
    why = phrase(
        "it is a damaged picture, whose size cannot be told. Open it, save it anew, and try again."
    )
    return Refusal("gateway.image_unreadable", 415, "image_unreadable", not_uploaded(name, why))


def metadata_unremovable(name: str) -> Refusal:
    why = phrase(
        "what it tells besides the picture, such as where it was taken, could not be removed. "
        "Open it, save it anew, and try again."
    )
    text = not_uploaded(name, why)
    return Refusal("gateway.metadata_unremovable", 415, "metadata_unremovable", text)


def malware_found(name: str, signature: str) -> Refusal:
    """``signature`` is what the scanner calls it."""
    why = phrase(
        "the malware scanner found {malware} in it. Do not open the file. Ask your administrator "
        "if you believe that it is harmless.",
        malware=shown(signature),
    )
    return Refusal("gateway.malware_found", 403, "malware_found", not_uploaded(name, why))


def too_large_to_scan(name: str, largest: int | None) -> Refusal:
    """``largest`` is in bytes; None where the scanner has not told its limit."""
    if largest is None:
        why = phrase(
            "it is too large, or has too much packed into it, to be checked for malware. Make it "
            "smaller, or share a link to it instead."
        )
    else:
        why = phrase(
            "only files up to {limit} can be checked for malware here. Make it smaller, or share "
            "a link to it instead.",
            limit=told_size(largest),
        )
    return Refusal("gateway.too_large_to_scan", 413, "too_large_to_scan", not_uploaded(name, why))


def file_name_refused(problem: Phrase) -> Refusal:
    """``problem`` completes the sentence "The file's name …"."""
    text = phrase(
        "The file was not uploaded: its name {problem}. Rename it and try again.", problem=problem
    )
    return Refusal("gateway.file_name_refused", 400, "file_name_refused", text)


def quota_exceeded(told: Phrase, retry_after: int | None) -> Refusal:
    """``told`` says what is used up, and what can be done; seconds, where time helps."""
    return Refusal("gateway.quota_exceeded", 429, "quota_exceeded", told, retry_after=retry_after)
