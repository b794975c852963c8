"""Every way the gateway says no: a stable id, a status, and a sentence its reader can act on.

Refusals are values. Those that Mattermost itself would have given keep Mattermost's ids and
texts, so that clients react to them as they always did; the gateway's own begin with
``gateway.``. ``reason`` is the bounded word under which a refusal is counted and logged.
"""

from dataclasses import dataclass

from gateway.units import format_size

Headers = tuple[tuple[bytes, bytes], ...]


_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer of "no", ready to be rendered as Mattermost renders its errors."""

    id: str
    status: int
    reason: str
    message: str
    retry_after: int | None = None
    """Seconds after which trying again makes sense."""
    headers: Headers = ()
    """Further response headers, such as Mattermost's own ``Set-Cookie`` on a 401."""

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"a refusal needs an error status, not {self.status}")

    @property
    def is_failure(self) -> bool:
        """Whether Mattermost or the gateway could not do its part, as a 5xx says.

        But for 501, with which HTTP says that the request is at fault (RFC 9112, 6.1).
        """
        return self.status >= 500 and self.status != 501


class Refused(Exception):
    """Carries a refusal up to the edge, where it is rendered and counted."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.id)
        self.refusal = refusal


def shown(name: str, limit: int = 80) -> str:
    """A file name fit for a sentence: printable, on one line, not endless."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


_NOT_UPLOADED = "” was not uploaded: "


def _with_type(called: str, content_type: str) -> str:
    return called if content_type in called else f"{called} ({content_type})"


# What the policy refuses.


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


def quota_exceeded(told: str, retry_after: int | None) -> Refusal:
    """``told`` says what is used up, and what can be done; seconds, where time helps."""
    return Refusal(
        "gateway.quota_exceeded",
        429,
        "quota_exceeded",
        told,
        retry_after=retry_after,
    )


# What credentials of the gateway's own are not good for.


def credential_refused() -> Refusal:
    """Whatever is wrong with it: who has stolen one is not told what would make it work."""
    return Refusal(
        "gateway.credential_refused",
        401,
        "credential_refused",
        "This API key or token is not valid here. If you expected it to be, give your "
        "administrator the request id.",
        headers=((b"www-authenticate", b'Bearer error="invalid_token"'),),
    )


def credential_limited(problem: str) -> Refusal:
    """``problem`` completes the sentence "This API key or token …"."""
    return Refusal(
        "gateway.credential_limited",
        403,
        "credential_limited",
        f"This API key or token {problem}. Ask your administrator if it should.",
        headers=((b"www-authenticate", b'Bearer error="insufficient_scope"'),),
    )


def too_many_attempts(retry_after: int) -> Refusal:
    return Refusal(
        "gateway.too_many_attempts",
        429,
        "too_many_attempts",
        "Too many requests from your address had no valid login. Please try again shortly.",
        retry_after=retry_after,
    )


# What cannot be read, or could be read in two ways.


def malformed_request(problem: str = "it is not valid HTTP.") -> Refusal:
    """``problem`` completes the sentence, for the author of the client."""
    return Refusal(
        "gateway.malformed_request",
        400,
        "malformed_request",
        f"The server could not understand this request: {problem}",
    )


def ambiguous_request(problem: str) -> Refusal:
    """``problem`` is a whole sentence about the request, for the author of its client."""
    return Refusal(
        "gateway.ambiguous_request",
        400,
        "ambiguous_request",
        f"This request was refused because it could be read in more than one way: {problem}",
    )


def method_not_allowed(method: str, allowed: str = _METHODS) -> Refusal:
    """``allowed`` are those that are, as in the header Allow (RFC 9110, 10.2.1)."""
    return Refusal(
        "gateway.method_not_allowed",
        405,
        "method_not_allowed",
        f"Requests of the method {method} are not answered here.",
        headers=((b"allow", allowed.encode()),),
    )


def expectation_failed() -> Refusal:
    return Refusal(
        "gateway.expectation_failed",
        417,
        "expectation_failed",
        "The request expects something of the server that it does not know: the only Expect "
        "header that it understands is 100-continue.",
    )


def transfer_coding_refused() -> Refusal:
    return Refusal(
        "gateway.transfer_coding_refused",
        501,
        "transfer_coding_refused",
        "The request's body is transferred in a coding that the server does not know: the only "
        "Transfer-Encoding that it understands is chunked.",
    )


def content_encoding_refused() -> Refusal:
    """What is inspected has to be what is stored, and Mattermost stores it as it comes."""
    return Refusal(
        "gateway.content_encoding_refused",
        415,
        "content_encoding_refused",
        "The file was not uploaded: it was sent with a Content-Encoding header, as if it were "
        "compressed for the way. Send it as it is, without that header.",
        headers=((b"accept-encoding", b"identity"),),
    )


def unguarded_upload() -> Refusal:
    return Refusal(
        "gateway.unguarded_upload",
        403,
        "unguarded_upload",
        "Files cannot be uploaded here: the upload gateway has no rule for this address. "
        "Ask your administrator if you need it.",
    )


def remote_cluster_off() -> Refusal:
    return Refusal(
        "gateway.remote_cluster_off",
        403,
        "remote_cluster_off",
        "Files from other Mattermost servers are not accepted here: the upload gateway's "
        "administrator has not turned it on.",
    )


def not_served() -> Refusal:
    return Refusal(
        "gateway.not_served",
        404,
        "not_served",
        "Only files are served at this address. For everything else, use Mattermost's own.",
    )


def upload_session_unverified() -> Refusal:
    return Refusal(
        "gateway.upload_session_unverified",
        409,
        "upload_session_unverified",
        "This upload cannot be continued: the upload gateway did not see its beginning, or does "
        "not know any more that it was allowed. Start it again with a new upload session.",
    )


def resumable_upload_unavailable() -> Refusal:
    return Refusal(
        "gateway.resumable_upload_unavailable",
        501,
        "resumable_upload_unavailable",
        "Resumable uploads are not available here, because such a file has to be checked as a "
        "whole before it is stored. Upload it in one piece instead.",
    )


def client_too_slow() -> Refusal:
    return Refusal(
        "gateway.client_too_slow",
        408,
        "client_too_slow",
        "The upload stopped arriving and was given up. Check your connection and try again.",
    )


# What Mattermost, the ledger or this machine cannot do at the moment.


def upstream_unreachable(retry_after: int) -> Refusal:
    return Refusal(
        "gateway.upstream_unreachable",
        503,
        "upstream_unreachable",
        "Mattermost cannot be reached at the moment. Please try again shortly.",
        retry_after=retry_after,
    )


def upstream_failed() -> Refusal:
    return Refusal(
        "gateway.upstream_failed",
        502,
        "upstream_failed",
        "Mattermost broke off before it answered. The file may not have been stored; "
        "please try again.",
    )


def upstream_timeout() -> Refusal:
    return Refusal(
        "gateway.upstream_timeout",
        504,
        "upstream_timeout",
        "Mattermost did not answer in time. The file may not have been stored; please try again.",
    )


def audit_unavailable(retry_after: int) -> Refusal:
    return Refusal(
        "gateway.audit_unavailable",
        503,
        "audit_unavailable",
        "Uploads cannot be recorded at the moment, so nothing can be uploaded. "
        "Please try again shortly.",
        retry_after=retry_after,
    )


def ledger_unavailable(retry_after: int) -> Refusal:
    return Refusal(
        "gateway.ledger_unavailable",
        503,
        "ledger_unavailable",
        "Upload quotas cannot be checked at the moment, so nothing can be uploaded. "
        "Please try again shortly.",
        retry_after=retry_after,
    )


def scan_failed(retry_after: int) -> Refusal:
    return Refusal(
        "gateway.scan_failed",
        503,
        "scan_failed",
        "The file was not uploaded: it could not be checked for malware. Please try again "
        "shortly; if it happens again, tell your administrator.",
        retry_after=retry_after,
    )


def account_unavailable(retry_after: int) -> Refusal:
    """Of the Mattermost account that an API key or token stands for."""
    return Refusal(
        "gateway.account_unavailable",
        503,
        "account_unavailable",
        "The Mattermost account behind this API key or token cannot be used at the moment. "
        "Please try again shortly, or tell your administrator.",
        retry_after=retry_after,
    )


def issuer_unavailable(retry_after: int) -> Refusal:
    return Refusal(
        "gateway.issuer_unavailable",
        503,
        "issuer_unavailable",
        "Whoever issued this token cannot be asked for their keys at the moment. "
        "Please try again shortly.",
        retry_after=retry_after,
    )


def spool_full() -> Refusal:
    return Refusal(
        "gateway.spool_full",
        507,
        "spool_full",
        "The upload gateway has no room to check this file at the moment. "
        "Please try again later, or tell your administrator.",
    )


def internal_error() -> Refusal:
    return Refusal(
        "gateway.internal_error",
        500,
        "internal_error",
        "Something went wrong in the upload gateway. Please try again; if it happens again, "
        "give your administrator the request id.",
    )


# What Mattermost 5.37 would have refused itself, in its words (recorded).


def session_expired(headers: Headers = ()) -> Refusal:
    return Refusal(
        "api.context.session_expired.app_error",
        401,
        "unauthenticated",
        "Invalid or expired session, please login again.",
        headers=headers,
    )


def invalid_url_param(name: str) -> Refusal:
    return Refusal(
        "api.context.invalid_url_param.app_error",
        400,
        "invalid_form",
        f"Invalid or missing {name} parameter in request URL.",
    )


def invalid_body_param(name: str) -> Refusal:
    return Refusal(
        "api.context.invalid_body_param.app_error",
        400,
        "invalid_form",
        f"Invalid or missing {shown(name)} in request body.",
    )


def unreadable_request(status: int = 400) -> Refusal:
    """500 is what Mattermost answers where it reads the whole form first."""
    return Refusal(
        "api.file.upload_file.read_request.app_error",
        status,
        "invalid_form",
        "Unable to upload file(s). Error reading or parsing request data.",
    )


def unreadable_form_value(name: str) -> Refusal:
    return Refusal(
        "api.file.upload_file.read_form_value.app_error",
        400,
        "invalid_form",
        f"Unable to upload file(s). Error reading the value for {shown(name)}.",
    )


def conflicting_channel_ids() -> Refusal:
    return Refusal(
        "api.file.upload_file.multiple_channel_ids.app_error",
        400,
        "invalid_form",
        "Unable to upload file(s). Multiple conflicting channel_ids.",
    )


def incorrect_number_of_client_ids(client_ids: int, files: int) -> Refusal:
    return Refusal(
        "api.file.upload_file.incorrect_number_of_client_ids.app_error",
        400,
        "invalid_form",
        f"Unable to upload file(s). Have {client_ids} client_ids for {files} files.",
    )


def not_permitted() -> Refusal:
    return Refusal(
        "api.context.permissions.app_error",
        403,
        "mattermost_refused",
        "You do not have the appropriate permissions.",
    )


def invalid_session_filename() -> Refusal:
    return Refusal(
        "model.upload_session.is_valid.filename.app_error",
        400,
        "invalid_form",
        "Invalid value for Filename",
    )


def invalid_session_size() -> Refusal:
    return Refusal(
        "model.upload_session.is_valid.file_size.app_error",
        400,
        "invalid_form",
        "Invalid value for FileSize",
    )


def invalid_chunk_type() -> Refusal:
    return Refusal(
        "api.upload.upload_data.invalid_content_type",
        400,
        "invalid_form",
        "Invalid Content-Type for multipart upload.",
    )


def unreadable_chunk_form() -> Refusal:
    return Refusal(
        "api.upload.upload_data.multipart_error",
        400,
        "invalid_form",
        "Failed to process the multipart data.",
    )


def chunk_too_long() -> Refusal:
    return Refusal(
        "api.upload.upload_data.invalid_content_length",
        400,
        "invalid_form",
        "Invalid Content-Length.",
    )


def first_chunk_too_small(least: int) -> Refusal:
    """``least`` is in bytes."""
    return Refusal(
        "app.upload.upload_data.first_part_too_small.app_error",
        400,
        "invalid_form",
        f"Failed to upload data. First part must be at least {least} Bytes.",
    )


def concurrent_chunks() -> Refusal:
    return Refusal(
        "app.upload.upload_data.concurrent.app_error",
        400,
        "invalid_form",
        "Unable to upload data from more than one request.",
    )
