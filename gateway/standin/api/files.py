"""``POST /files``: raw, as a form in a stream, and as a form that is read whole."""

from dataclasses import dataclass, field
from typing import Final

from starlette.responses import Response

from gateway.standin.api.context import Context, json_response
from gateway.standin.attachments import Attachments, Upload
from gateway.standin.errors import AppError, invalid_body_param, invalid_url_param
from gateway.standin.go.body import BodyError, Recorded, Source
from gateway.standin.go.media_type import MediaTypeError, parse_media_type
from gateway.standin.go.multipart import FormError, MultipartReader, Part, read_form
from gateway.standin.go.urls import Values, parse_query
from gateway.standin.model import FileInfo, is_valid_id
from gateway.standin.routing import Route
from gateway.standin.shapes import file_info_json

_VALUE_LIMIT: Final = 10 * 1024
"""What is read of a form field; the rest of it is passed over."""


async def upload_files(context: Context) -> Response:
    form_values = await _parse_form(context)
    if context.request.content_length == 0:
        raise _unreadable()
    try:
        media_type, parameters = parse_media_type(context.request.content_type)
    except MediaTypeError:
        media_type, parameters = "", {}
    if media_type != "multipart/form-data":
        # Anything else is a file, whatever it calls itself: multipart/mixed with its envelope.
        return await _upload_raw(context, form_values)
    if "boundary" not in parameters:
        raise _unreadable()
    form = _FormUpload(context, parameters["boundary"])
    return _answer(*await form.upload())


async def _parse_form(context: Context) -> Values:
    """``http.Request.ParseForm``: swallows the body if it is declared to be URL-encoded."""
    request = context.request
    values = Values()
    if request.content_type:
        try:
            media_type, _ = parse_media_type(request.content_type)
        except MediaTypeError as error:
            raise _unreadable() from error
        if media_type == "application/x-www-form-urlencoded":
            try:
                values = parse_query(await request.body.read_all())
            except BodyError as error:
                raise _unreadable() from error
    if values.malformed or request.query.malformed:
        raise _unreadable()
    for name, more in request.query.items():
        values.setdefault(name, []).extend(more)
    return values


async def _upload_raw(context: Context, form_values: Values) -> Response:
    channel_id = context.request.query.first("channel_id")
    if not is_valid_id(channel_id):
        raise invalid_url_param("channel_id")
    name = context.request.query.first("filename")
    if not name:
        raise invalid_url_param("filename")
    context.require_channel(channel_id)
    upload = Upload(channel_id, context.session.user_id, name, context.request.content_length)
    info = await _attachments(context).add(upload, context.request.body)
    client_id = form_values.first("client_id")
    return _answer([info], [client_id] if client_id else None)


def _answer(infos: list[FileInfo], client_ids: list[str] | None) -> Response:
    shown = [file_info_json(info) for info in infos]
    return json_response({"file_infos": shown, "client_ids": client_ids}, 201)


def _attachments(context: Context) -> Attachments:
    return Attachments(context.state, context.store, context.options.max_file_size)


def _unreadable(status: int = 400) -> AppError:
    return AppError("api.file.upload_file.read_request.app_error", status)


class _StartAgain(Exception):
    """The channel is known now: read the form once more from its beginning, as a stream."""


class _FileCameFirst(Exception):
    """No channel is known yet: read the whole form before anything is stored."""


@dataclass(slots=True)
class _Progress:
    """What a stream of parts has brought so far."""

    infos: list[FileInfo] = field(default_factory=list)
    client_ids: list[str] = field(default_factory=list)
    expects_client_ids: bool = True


class _FormUpload:
    """One multipart request. ``channel_id`` outlives a second reading of the same form."""

    def __init__(self, context: Context, boundary: str) -> None:
        self._context = context
        self._boundary = boundary
        self._channel_id = context.request.query.first("channel_id")

    async def upload(self) -> tuple[list[FileInfo], list[str]]:
        body = Recorded(self._context.request.body)
        try:
            return await self._stream(body, is_first_reading=True)
        except _StartAgain:
            return await self._stream(body.again(), is_first_reading=False)
        except _FileCameFirst:
            return await self._whole(body.again())

    async def _stream(
        self, source: Source, *, is_first_reading: bool
    ) -> tuple[list[FileInfo], list[str]]:
        reader = MultipartReader(source, self._boundary)
        progress = _Progress()
        while (part := await _next_part(reader)) is not None:
            if not part.form_name:
                continue
            if not part.file_name:
                await self._take_value(part, progress)
                if part.form_name == "channel_id" and is_first_reading:
                    raise _StartAgain
                continue
            if not self._channel_id and is_first_reading:
                raise _FileCameFirst
            await self._take_file(part, progress)
        client_ids, files = progress.client_ids, progress.infos
        if progress.expects_client_ids and len(client_ids) != len(files):
            raise _wrong_number_of_client_ids(len(client_ids), len(files))
        return files, client_ids

    async def _take_value(self, part: Part, progress: _Progress) -> None:
        name = part.form_name
        try:
            raw = await part.read_value(_VALUE_LIMIT)
        except BodyError as error:
            error_id = "api.file.upload_file.read_form_value.app_error"
            raise AppError(error_id, 400, Formname=name) from error
        value = raw.decode("utf-8", "surrogateescape")
        if name == "channel_id":
            if self._channel_id and self._channel_id != value:
                raise AppError("api.file.upload_file.multiple_channel_ids.app_error", 400)
            self._channel_id = value or self._channel_id
        elif name == "client_ids" and progress.expects_client_ids:
            progress.client_ids.append(value)
        else:
            raise invalid_body_param(name)

    async def _take_file(self, part: Part, progress: _Progress) -> None:
        self._require_channel()
        if not progress.infos and not progress.client_ids:
            progress.expects_client_ids = False
        if progress.expects_client_ids and len(progress.infos) >= len(progress.client_ids):
            raise invalid_body_param("client_ids")
        progress.infos.append(await self._store(part.file_name, part))

    def _require_channel(self) -> None:
        if not is_valid_id(self._channel_id):
            raise invalid_url_param("channel_id")
        self._context.require_channel(self._channel_id)

    async def _store(self, name: str, source: Source) -> FileInfo:
        upload = Upload(self._channel_id, self._context.session.user_id, name, -1)
        return await _attachments(self._context).add(upload, source)

    async def _whole(self, source: Source) -> tuple[list[FileInfo], list[str]]:
        reader = MultipartReader(source, self._boundary)
        try:
            form = await read_form(reader, self._context.options.max_file_size)
        except (FormError, BodyError) as error:
            raise _unreadable(500) from error
        if not form.values["channel_id"]:
            raise invalid_body_param("channel_id")
        self._channel_id = form.values["channel_id"][0]
        self._require_channel()
        client_ids, files = form.values["client_ids"], form.files["files"]
        if client_ids and len(client_ids) != len(files):
            raise _wrong_number_of_client_ids(len(client_ids), len(files))
        infos = [await self._store(file.name, _InMemory(file.content)) for file in files]
        return infos, [client_id for client_id in client_ids if client_id]


class _InMemory:
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def read(self) -> bytes:
        content, self._content = self._content, b""
        return content


async def _next_part(reader: MultipartReader) -> Part | None:
    try:
        return await reader.next_part()
    except FormError as error:
        raise _unreadable() from error


def _wrong_number_of_client_ids(client_ids: int, files: int) -> AppError:
    error_id = "api.file.upload_file.incorrect_number_of_client_ids.app_error"
    return AppError(error_id, 400, NumClientIds=client_ids, NumFiles=files)


ROUTES = (Route("POST", "/files", upload_files),)
