"""What arrives: the request's parameters, read as Mattermost reads them, or refused as it would.

Sources: ``uploadFileStream`` and ``IsValidId`` of Mattermost 5.37, and recordings.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.body.content_type import form_boundary
from gateway.body.filename import stored_name
from gateway.phrases import phrase
from gateway.places import is_id
from gateway.refusals import (
    Refused,
    ambiguous_request,
    invalid_url_param,
    unreadable_request,
)
from gateway.upload.request import FileTarget, UploadRequest

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class FormUpload(NamedTuple):
    """The body is a form with any number of files."""

    boundary: bytes
    channel_id: str
    """From the query; empty if the form is to say it."""


def describe(request: UploadRequest) -> FileTarget | FormUpload:
    """Where the body, which is the file, goes; or that it is a form.

    Raises Refused for what Mattermost would refuse, and for what can be read in two ways."""
    parameters = parse_query(request.query)
    if request.content_length == 0:
        raise Refused(unreadable_request())
    boundary = form_boundary(request.content_types)
    channel_id = parameters.get("channel_id", "")
    if boundary is not None:
        return FormUpload(boundary, channel_id)
    require_channel_id(channel_id)
    name = parameters.get("filename", "")
    if not name:
        raise Refused(invalid_url_param("filename"))
    client_id = parameters.get("client_id", "")
    return FileTarget(channel_id, stored_name(name), client_id)


def declared_type(request: UploadRequest) -> str | None:
    """The type that the client says its raw file has."""
    types = request.content_types
    return types[0].decode("latin-1") if types else None


def require_channel_id(channel_id: str) -> None:
    """Raises Refused unless ``channel_id`` looks like an id of Mattermost's."""
    if not is_id(channel_id):
        raise Refused(invalid_url_param("channel_id"))


def parse_query(query: bytes) -> dict[str, str]:
    """The query's parameters, each given once. Raises Refused."""
    if not query:
        return {}
    if b";" in query:  # once a separator for Go, as & is
        raise Refused(
            ambiguous_request(phrase("a semicolon in the query can separate parameters."))
        )
    escaped = b"%" in query or b"+" in query
    if escaped and _BAD_ESCAPE.search(query):
        raise Refused(unreadable_request())
    parameters: dict[str, str] = {}
    for pair in query.split(b"&") if escaped else _decode(query).split("&"):
        if isinstance(pair, str):
            name, _, value = pair.partition("=")
        else:
            name, value = map(_unquote, pair.partition(b"=")[::2])
        if name in parameters:
            raise Refused(
                ambiguous_request(phrase("the parameter {name} is given twice.", name=name))
            )
        parameters[name] = value
    return parameters


def _unquote(item: bytes) -> str:
    return _decode(unquote_to_bytes(item.replace(b"+", b" ")))


def _decode(item: bytes) -> str:
    try:
        return item.decode()
    except UnicodeDecodeError:
        raise Refused(ambiguous_request(phrase("a query parameter is not valid UTF-8."))) from None
