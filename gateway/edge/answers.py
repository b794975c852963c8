"""Refusals as Mattermost writes its errors, so that its clients show them."""

import orjson

from gateway.phrases import ENGLISH, Language, Phrase, said
from gateway.refusals import Refusal
from gateway.upload.request import Answer

# Of an answer of Mattermost's, these are the connection's (RFC 9110, 7.6.1), not the client's.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


def render(refusal: Refusal, request_id: str, language: Language = ENGLISH) -> Answer:
    """``refusal`` in Mattermost's error format (``AppError``), in ``language``."""
    body = orjson.dumps(
        {
            "id": refusal.id,
            "message": said(refusal.text, language),
            "detailed_error": "",
            "request_id": request_id,
            "status_code": refusal.status,
        }
    )
    headers = [(b"content-type", b"application/json"), *refusal.headers]
    if isinstance(refusal.text, Phrase):
        headers.append((b"content-language", language.tag.encode()))
    if refusal.retry_after is not None:
        headers.append((b"retry-after", b"%d" % refusal.retry_after))
    return Answer(refusal.status, headers, body)
