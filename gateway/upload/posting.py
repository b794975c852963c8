"""A message that a machine writes: JSON, read strictly, and written anew with what it may say."""

import json

from gateway.machines.admission import Machine
from gateway.refusals import Refused, invalid_body_param
from gateway.upload.json_body import check_case, read_object
from gateway.upload.limiting import check_channel
from gateway.upload.request import Source

_LONGEST = 256 * 1024
"""Bytes; a message has 16,383 characters at most."""
_TEXTS = ("channel_id", "message", "root_id")
_KNOWN = (*_TEXTS, "file_ids")

_encode = json.JSONEncoder(separators=(",", ":")).encode


async def read_post(body: Source, content_length: int | None, machine: Machine) -> bytes:
    """What Mattermost is told for ``POST /posts``. Raises Refused, also for a channel that is not
    the machine's, and ClientGone."""
    given = await read_object(body, content_length, "post", _LONGEST)
    check_case(given, _KNOWN)
    for key, value in given.items():
        if not (isinstance(value, str) if key in _TEXTS else _are_ids(key, value)):
            raise Refused(invalid_body_param(key))
    check_channel(machine, str(given.get("channel_id", "")))
    return _encode(given).encode()


def _are_ids(key: str, value: object) -> bool:
    return key == "file_ids" and isinstance(value, list) and all(isinstance(i, str) for i in value)
