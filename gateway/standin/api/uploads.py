"""Upload sessions: a file announced first, and sent in one request or several."""

import dataclasses
import time
from typing import Final

from starlette.responses import Response

from gateway.standin.api.context import Context, json_response
from gateway.standin.attachments import base_name
from gateway.standin.errors import AppError, invalid_body_param, not_permitted
from gateway.standin.filestore import StoreError
from gateway.standin.go.body import Limited, Source
from gateway.standin.go.json import text_of
from gateway.standin.go.media_type import MediaTypeError, parse_media_type
from gateway.standin.go.multipart import FormError, MultipartReader
from gateway.standin.images import MAX_PIXELS, dimensions
from gateway.standin.mime_types import extension_of, type_by_extension
from gateway.standin.model import FileInfo, UploadSession, is_valid_id, new_id, now_ms
from gateway.standin.routing import Route
from gateway.standin.shapes import file_info_json, upload_json

_SMALLEST_FIRST_PART: Final = 5 * 1024 * 1024
_INVALID: Final = "model.upload_session.is_valid.{}.app_error"


async def create_upload(context: Context) -> Response:
    given = await context.request.json_object()
    size = 0 if given is None else given.get("file_size", 0)
    if given is None or not isinstance(size, int) or isinstance(size, bool):
        raise invalid_body_param("upload")
    channel_id, filename = text_of(given, "channel_id"), text_of(given, "filename")
    is_import = text_of(given, "type") == "import"
    if is_import:
        context.require_admin()
    else:
        context.require_channel(channel_id)
    upload = UploadSession(
        id=(upload_id := new_id()),
        type="import" if is_import else "attachment",
        create_at=now_ms(),
        user_id=context.session.user_id,
        channel_id=channel_id,
        filename=filename,
        file_size=size,
        path=_path(context, upload_id, channel_id, filename, is_import=is_import),
    )
    _validate(upload, context.options.max_file_size)
    context.state.uploads.put(upload, upload.id)
    return json_response(upload_json(upload), 201)


def _path(
    context: Context, upload_id: str, channel_id: str, filename: str, *, is_import: bool
) -> str:
    name = base_name(filename)
    if is_import:
        return f"import/{upload_id}_{name}"
    user_id, day = context.session.user_id, time.strftime("%Y%m%d")
    return f"{day}/teams/noteam/channels/{channel_id}/users/{user_id}/{upload_id}/{name}"


def _validate(upload: UploadSession, max_file_size: int) -> None:
    if upload.file_size > max_file_size:
        raise AppError("app.upload.create.upload_too_large.app_error", 413)
    if upload.type == "attachment" and not is_valid_id(upload.channel_id):
        raise AppError(_INVALID.format("channel_id"), 400)
    if not upload.filename:
        raise AppError(_INVALID.format("filename"), 400)
    if upload.file_size <= 0:
        raise AppError(_INVALID.format("file_size"), 400)


async def get_upload(context: Context) -> Response:
    upload = find_upload(context)
    if upload.user_id != context.session.user_id and not context.is_admin:
        raise AppError("api.upload.get_upload.forbidden.app_error", 403)
    return json_response(upload_json(upload))


def find_upload(context: Context) -> UploadSession:
    upload = context.state.uploads.get(context.require_id("upload_id"))
    if upload is None:
        raise AppError("app.upload.get.app_error", 404)
    return upload


async def upload_data(context: Context) -> Response:
    upload = find_upload(context)
    if upload.type == "import":
        context.require_admin()
    elif upload.user_id != context.session.user_id:
        raise not_permitted()
    else:
        context.require_channel(upload.channel_id)
    return await take_data(context, upload)


async def take_data(context: Context, upload: UploadSession) -> Response:
    """Store what the request brings of ``upload``."""
    source = await _data(context, upload)
    locks = context.state.upload_locks
    if upload.id in locks:
        raise AppError("app.upload.upload_data.concurrent.app_error", 400)
    locks.add(upload.id)
    try:
        info = await _take(context, upload, source)
    finally:
        locks.discard(upload.id)
    return Response(status_code=204) if info is None else json_response(file_info_json(info))


async def _data(context: Context, upload: UploadSession) -> Source:
    """The raw body, or the first part of a form, whatever it is called."""
    request = context.request
    try:
        media_type, parameters = parse_media_type(request.content_type)
    except MediaTypeError:
        media_type, parameters = "", {}
    if media_type == "multipart/form-data":
        if "boundary" not in parameters:
            raise AppError("api.upload.upload_data.invalid_content_type", 400)
        if boundary := parameters["boundary"]:
            try:
                part = await MultipartReader(request.body, boundary).next_part()
            except FormError:
                part = None
            if part is None:
                raise AppError("api.upload.upload_data.multipart_error", 400)
            return part
    if request.content_length > upload.file_size - upload.file_offset:
        raise AppError("api.upload.upload_data.invalid_content_length", 400)
    return request.body


async def _take(context: Context, upload: UploadSession, source: Source) -> FileInfo | None:
    """Store a part; the file's description once it is complete."""
    stored = context.state.uploads.get(upload.id)
    if stored is None or stored.file_offset != upload.file_offset:
        raise AppError("app.upload.upload_data.concurrent.app_error", 400)
    path = f"{upload.path}.tmp" if upload.type == "import" else upload.path
    rest = Limited(source, upload.file_size - upload.file_offset)
    failure: StoreError | None = None
    try:
        if upload.file_offset == 0:
            written = await context.store.write(path, rest)
        else:
            written = await context.store.append(path, rest)
    except StoreError as error:
        failure, written = error, error.written
    if upload.file_offset == 0 and not (failure and not written):
        _require_large_first_part(context, upload, path, written)
    if written:
        offset = upload.file_offset + written
        upload = dataclasses.replace(upload, file_offset=offset)
        context.state.uploads.put(upload, upload.id)
    if failure:
        raise AppError("api.file.write_file.app_error", 500) from failure
    if upload.file_offset != upload.file_size:
        return None
    return _complete(context, upload, path)


def _require_large_first_part(
    context: Context, upload: UploadSession, path: str, written: int
) -> None:
    if written < _SMALLEST_FIRST_PART and written != upload.file_size:
        context.store.remove(path)
        error_id = "app.upload.upload_data.first_part_too_small.app_error"
        raise AppError(error_id, 400, Size=_SMALLEST_FIRST_PART)


def _complete(context: Context, upload: UploadSession, path: str) -> FileInfo:
    extension = extension_of(upload.filename)
    mime_type = type_by_extension(extension)
    width = height = 0
    if mime_type.startswith("image"):
        with context.store.open(path) as file:
            width, height = dimensions(file) or (0, 0)
        if width * height > MAX_PIXELS:
            raise AppError(
                "app.upload.upload_data.large_image.app_error",
                400,
                Filename=upload.filename,
                Width=width,
                Height=height,
            )
    if path != upload.path:
        context.store.move(path, upload.path)
    info = FileInfo(
        id=new_id(),
        user_id=upload.user_id,
        create_at=now_ms(),
        path=upload.path,
        name=upload.filename,
        extension=extension.removeprefix("."),
        size=upload.file_size,
        mime_type=mime_type,
        width=width,
        height=height,
        has_preview_image=width > 0,
    )
    context.state.uploads.remove(upload.id)
    return context.state.files.put(info, info.id)


async def list_uploads_of_user(context: Context) -> Response:
    user_id = context.require_id("user_id")
    if user_id != context.session.user_id:
        raise not_permitted()
    mine = [upload for upload in context.state.uploads if upload.user_id == user_id]
    return json_response([upload_json(upload) for upload in mine])


ROUTES = (
    Route("POST", "/uploads", create_upload),
    Route("GET", "/uploads/{upload_id}", get_upload),
    Route("POST", "/uploads/{upload_id}", upload_data),
    Route("GET", "/users/{user_id}/uploads", list_uploads_of_user),
)
