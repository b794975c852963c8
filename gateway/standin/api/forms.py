"""Endpoints that take one file in a form, which Mattermost reads whole."""

from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.responses import Response

from gateway.standin.api.context import Context, Handler
from gateway.standin.go.body import BodyError
from gateway.standin.go.media_type import MediaTypeError, parse_media_type
from gateway.standin.go.multipart import Form, FormError, FormFile, MultipartReader, read_form


class UnreadableForm(Exception):
    """What Go would say about it is the exception's text."""


async def parse_multipart_form(context: Context, max_memory: int) -> Form:
    """``http.Request.ParseMultipartForm``. Raises UnreadableForm."""
    request = context.request
    try:
        media_type, parameters = parse_media_type(request.content_type)
    except MediaTypeError:
        media_type, parameters = "", {}
    if media_type != "multipart/form-data":
        raise UnreadableForm("request Content-Type isn't multipart/form-data")
    if "boundary" not in parameters:
        raise UnreadableForm("no multipart boundary param in Content-Type")
    try:
        form = await read_form(MultipartReader(request.body, parameters["boundary"]), max_memory)
    except (FormError, BodyError) as error:
        raise UnreadableForm(f"multipart: {error}") from error
    if request.query.malformed:
        raise UnreadableForm("invalid URL escape")
    for name, files in form.files.items():
        for file in files:
            request.entry.note_file(name, file.name, file.content)
    request.entry.values.update(form.values)
    return form


def only_file(form: Form, name: str) -> FormFile | None:
    """The first file of that name; Mattermost ignores any others."""
    files = form.files.get(name)
    return files[0] if files else None


def drained(handler: Handler) -> Callable[[Context], Awaitable[Response]]:
    """Reads what is left of the body before the answer, however it turns out."""

    @wraps(handler)
    async def wrapper(context: Context) -> Response:
        try:
            return await handler(context)
        finally:
            try:
                while await context.request.body.read():
                    pass
            except BodyError:
                pass

    return wrapper
