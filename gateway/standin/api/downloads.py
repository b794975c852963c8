"""Getting files back: content with ranges, descriptions, public links, previews."""

import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from email.utils import formatdate, parsedate_to_datetime
from typing import BinaryIO, Final

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from gateway.standin.api.context import Context, json_response
from gateway.standin.attachments import MINI_PREVIEW
from gateway.standin.errors import AppError, not_permitted
from gateway.standin.go.urls import escape_path_segment
from gateway.standin.model import FileInfo
from gateway.standin.routing import Route
from gateway.standin.shapes import file_info_json

_PIECE: Final = 256 * 1024
_PUBLIC_LINK_SALT: Final = b"the stand-in's public links"
_SHOWN_AS_TEXT: Final = (
    "application/javascript",
    "application/ecmascript",
    "text/javascript",
    "text/ecmascript",
    "application/x-javascript",
    "text/html",
)
_SHOWN_INLINE: Final = (
    "image/jpeg",
    "image/png",
    "image/bmp",
    "image/gif",
    "image/tiff",
    "video/avi",
    "video/mpeg",
    "video/mp4",
    "audio/mpeg",
    "audio/wav",
)
_RANGE: Final = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII)
_NO_OVERLAP: Final = "invalid range: failed to overlap"


class _BadRange(Exception):
    """What Go says about it is the exception's text."""


async def get_file(context: Context) -> Response:
    return _serve(context, _readable_file(context))


async def get_file_info(context: Context) -> Response:
    info = _readable_file(context)
    return json_response(
        file_info_json(info), headers={"Cache-Control": "max-age=2592000, private"}
    )


async def get_file_link(context: Context) -> Response:
    info = _readable_file(context)
    if not info.post_id:
        raise AppError("api.file.get_public_link.no_post.app_error", 400)
    link = f"{context.site_url}/files/{info.id}/public?h={_link_hash(info.id)}"
    return json_response({"link": link})


async def get_public_file(context: Context) -> Response:
    info = _file(context)
    given = context.request.query.first("h").encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(given, _link_hash(info.id).encode()):
        raise AppError("api.file.get_file.public_invalid.app_error", 400)
    return _serve(context, info)


async def get_thumbnail(context: Context) -> Response:
    return _serve_preview(context, "api.file.get_file_thumbnail.no_thumbnail.app_error")


async def get_preview(context: Context) -> Response:
    return _serve_preview(context, "api.file.get_file_preview.no_preview.app_error")


def _file(context: Context) -> FileInfo:
    info = context.state.files.get(context.require_id("file_id"))
    if info is None:
        raise AppError("app.file_info.get.app_error", 404)
    return info


def _readable_file(context: Context) -> FileInfo:
    """Until it is posted, a file belongs to its uploader alone."""
    info = _file(context)
    if info.user_id != context.session.user_id:
        post = context.state.posts.get(info.post_id)
        if post is not None:
            context.require_channel(post.channel_id)
        elif not context.is_admin:
            raise not_permitted()
    return info


def _link_hash(file_id: str) -> str:
    digest = hashlib.sha256(_PUBLIC_LINK_SALT + file_id.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _serve_preview(context: Context, missing: str) -> Response:
    """Every picture's preview is the same grey square."""
    info = _readable_file(context)
    if not info.width:
        raise AppError(missing, 400)
    headers = _file_headers(context, info, "image/jpeg")
    return Response(base64.b64decode(MINI_PREVIEW), headers=headers)


def _serve(context: Context, info: FileInfo) -> Response:
    try:
        file = context.store.open(info.path)
    except OSError as error:
        raise AppError("api.file.file_reader.app_error", 404) from error
    content_type = info.mime_type or "application/octet-stream"
    if content_type.startswith(_SHOWN_AS_TEXT):
        content_type = "text/plain"
    headers = _file_headers(context, info, content_type)
    if info.size:
        headers["X-Uncompressed-Content-Length"] = str(info.size)
    if _is_unmodified(context, info):
        file.close()
        del headers["Content-Type"]
        return Response(status_code=304, headers=headers)
    try:
        asked = _range(context.request.headers, info)
    except _BadRange as error:
        file.close()
        headers["Content-Type"] = "text/plain; charset=utf-8"
        if str(error) == _NO_OVERLAP:
            headers["Content-Range"] = f"bytes */{info.size}"
        return Response(f"{error}\n", 416, headers)
    start, length = asked or (0, info.size)
    headers["Accept-Ranges"] = "bytes"
    headers["Content-Length"] = str(length)
    if asked is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{info.size}"
    status = 200 if asked is None else 206
    return StreamingResponse(_pieces(file, start, length), status, headers)


def _file_headers(context: Context, info: FileInfo, content_type: str) -> dict[str, str]:
    downloads = context.request.query.is_true("download")
    is_inline = content_type.startswith(_SHOWN_INLINE) and not downloads
    name = escape_path_segment(info.name)
    return {
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Type": content_type,
        "Content-Disposition": (
            f"{'inline' if is_inline else 'attachment'}"
            f";filename=\"{name}\"; filename*=UTF-8''{name}"
        ),
        "X-Frame-Options": "DENY",
        "Content-Security-Policy": "Frame-ancestors 'none'",
        "Last-Modified": formatdate(info.create_at // 1000, usegmt=True),
    }


def _is_unmodified(context: Context, info: FileInfo) -> bool:
    headers = context.request.headers
    if "if-none-match" in headers:
        return headers["if-none-match"].strip() == "*"
    try:
        since = parsedate_to_datetime(headers.get("if-modified-since", ""))
    except ValueError:
        return False
    return info.create_at // 1000 <= since.timestamp()


def _is_unchanged(headers: Headers, info: FileInfo) -> bool:
    """Whether If-Range allows a part of the file; there is no Etag that it could name."""
    if "if-range" not in headers:
        return True
    try:
        since = parsedate_to_datetime(headers["if-range"])
    except ValueError:
        return False
    return info.create_at // 1000 == since.timestamp()


def _range(headers: Headers, info: FileInfo) -> tuple[int, int] | None:
    """Where to start and how much to send; None for the whole file. Raises _BadRange.

    As Go reads it, but several ranges at once are answered with the whole file, which RFC 9110
    allows.
    """
    asked, size = headers.get("range", ""), info.size
    if not asked or size == 0 or not _is_unchanged(headers, info):
        return None
    if asked.startswith("bytes=") and "," in asked:
        return None
    match = _RANGE.fullmatch(asked)
    if match is None or match.group(1, 2) == ("", ""):
        raise _BadRange("invalid range")
    first, last = match.group(1, 2)
    if not first:
        length = min(int(last), size)
        return size - length, length
    if int(first) >= size:
        raise _BadRange(_NO_OVERLAP)
    if last and int(last) < int(first):
        raise _BadRange("invalid range")
    end = min(int(last), size - 1) if last else size - 1
    return int(first), end - int(first) + 1


async def _pieces(file: BinaryIO, start: int, length: int) -> AsyncIterator[bytes]:
    with file:
        file.seek(start)
        while length and (piece := file.read(min(_PIECE, length))):
            length -= len(piece)
            yield piece


ROUTES = (
    Route("GET", "/files/{file_id}", get_file),
    Route("GET", "/files/{file_id}/info", get_file_info),
    Route("GET", "/files/{file_id}/link", get_file_link),
    Route("GET", "/files/{file_id}/thumbnail", get_thumbnail),
    Route("GET", "/files/{file_id}/preview", get_preview),
    Route("GET", "/files/{file_id}/public", get_public_file, session_required=False, is_api=False),
)
