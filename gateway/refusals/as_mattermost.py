"""What Mattermost 5.37 would have refused itself, in its words (recorded)."""

from gateway.phrases import phrase
from gateway.refusals.refusal import Headers, Refusal, shown


def session_expired(headers: Headers = ()) -> Refusal:
    return Refusal(
        "api.context.session_expired.app_error",
        401,
        "unauthenticated",
        phrase("Invalid or expired session, please login again."),
        headers=headers,
    )


def invalid_url_param(name: str) -> Refusal:
    return Refusal(
        "api.context.invalid_url_param.app_error",
        400,
        "invalid_form",
        phrase("Invalid or missing {name} parameter in request URL.", name=name),
    )


def invalid_body_param(name: str) -> Refusal:
    return Refusal(
        "api.context.invalid_body_param.app_error",
        400,
        "invalid_form",
        phrase("Invalid or missing {name} in request body.", name=shown(name)),
    )


def unreadable_request(status: int = 400) -> Refusal:
    """500 is what Mattermost answers where it reads the whole form first."""
    return Refusal(
        "api.file.upload_file.read_request.app_error",
        status,
        "invalid_form",
        phrase("Unable to upload file(s). Error reading or parsing request data."),
    )


def unreadable_form_value(name: str) -> Refusal:
    return Refusal(
        "api.file.upload_file.read_form_value.app_error",
        400,
        "invalid_form",
        phrase("Unable to upload file(s). Error reading the value for {name}.", name=shown(name)),
    )


def conflicting_channel_ids() -> Refusal:
    return Refusal(
        "api.file.upload_file.multiple_channel_ids.app_error",
        400,
        "invalid_form",
        phrase("Unable to upload file(s). Multiple conflicting channel_ids."),
    )


def incorrect_number_of_client_ids(client_ids: int, files: int) -> Refusal:
    return Refusal(
        "api.file.upload_file.incorrect_number_of_client_ids.app_error",
        400,
        "invalid_form",
        phrase(
            "Unable to upload file(s). Have {client_ids} client_ids for {files} files.",
            client_ids=client_ids,
            files=files,
        ),
    )


def not_permitted() -> Refusal:
    return Refusal(
        "api.context.permissions.app_error",
        403,
        "mattermost_refused",
        phrase("You do not have the appropriate permissions."),
    )


def invalid_session_filename() -> Refusal:
    return Refusal(
        "model.upload_session.is_valid.filename.app_error",
        400,
        "invalid_form",
        phrase("Invalid value for Filename"),
    )


def invalid_session_size() -> Refusal:
    return Refusal(
        "model.upload_session.is_valid.file_size.app_error",
        400,
        "invalid_form",
        phrase("Invalid value for FileSize"),
    )


def invalid_chunk_type() -> Refusal:
    return Refusal(
        "api.upload.upload_data.invalid_content_type",
        400,
        "invalid_form",
        phrase("Invalid Content-Type for multipart upload."),
    )


def unreadable_chunk_form() -> Refusal:
    return Refusal(
        "api.upload.upload_data.multipart_error",
        400,
        "invalid_form",
        phrase("Failed to process the multipart data."),
    )


def chunk_too_long() -> Refusal:
    return Refusal(
        "api.upload.upload_data.invalid_content_length",
        400,
        "invalid_form",
        phrase("Invalid Content-Length."),
    )


def first_chunk_too_small(least: int) -> Refusal:
    """``least`` is in bytes."""
    return Refusal(
        "app.upload.upload_data.first_part_too_small.app_error",
        400,
        "invalid_form",
        phrase(
            "Failed to upload data. First part must be at least {least} Bytes.", least=str(least)
        ),
    )


def concurrent_chunks() -> Refusal:
    return Refusal(
        "app.upload.upload_data.concurrent.app_error",
        400,
        "invalid_form",
        phrase("Unable to upload data from more than one request."),
    )
