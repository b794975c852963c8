"""What ``POST /api/v4/uploads`` declares: JSON, read strictly, and written anew.

Mattermost's reader takes the first value of a body, the last of two equal keys, and keys in any
case (Go's ``encoding/json``); what depends on that is refused. Keys that say nothing to it at
this point, such as ``id`` or ``file_offset``, are left out.
Sources: ``UploadSession`` and ``createUpload`` of Mattermost 5.37, and recordings.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from gateway.body.filename import stored_name
from gateway.phrases import phrase
from gateway.refusals import (
    Refused,
    ambiguous_request,
    invalid_body_param,
    invalid_session_filename,
    invalid_session_size,
)
from gateway.upload.json_body import check_case, read_object
from gateway.upload.request import Source

_LARGEST_SIZE = 2**63 - 1
_TEXTS = ("channel_id", "filename", "type", "remote_id", "req_file_id")
_FORWARDED = (*_TEXTS, "file_size")
_TYPES = ("attachment", "import")

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Declaration(NamedTuple):
    """A file that is to be uploaded in a session."""

    name: str
    """Under which Mattermost would store it."""
    size: int
    """Bytes."""
    is_import: bool
    channel_id: str
    document: bytes
    """What Mattermost is told."""


async def read_declaration(body: Source, content_length: int | None) -> Declaration:
    """Raises Refused for what Mattermost would refuse, and for what could be read otherwise;
    ClientGone."""
    return _declaration(await read_object(body, content_length, "upload"))


def _declaration(given: Mapping[str, object]) -> Declaration:
    check_case(given, _FORWARDED)
    fields: dict[str, str | int] = {}
    for key in _TEXTS:
        text = given.get(key)
        if text is None:  # null leaves a field as it is
            continue
        if not isinstance(text, str):
            raise Refused(invalid_body_param("upload"))
        fields[key] = text
    size = given.get("file_size")
    size = 0 if size is None else size
    if type(size) is not int or abs(size) > _LARGEST_SIZE:
        raise Refused(invalid_body_param("upload"))
    kind = fields.get("type") or "attachment"
    if kind not in _TYPES:
        raise Refused(ambiguous_request(phrase("its type is neither attachment nor import.")))
    name = str(fields.get("filename", ""))
    if not name:
        raise Refused(invalid_session_filename())
    if size <= 0:
        raise Refused(invalid_session_size())
    name = stored_name(name)
    fields |= {"type": kind, "filename": name, "file_size": size}
    channel_id = str(fields.get("channel_id", ""))
    return Declaration(name, size, kind == "import", channel_id, _encode(fields).encode())
