"""How far upload sessions are, where the gateway keeps more of a file than Mattermost has.

Clients go on from the offset that they are told. Whatever else is asked or answered at these
addresses passes as it is.
"""

import json
from functools import partial
from typing import Any

from gateway.edge.passthrough import (
    answer_headers,
    pass_on,
    pass_on_interim,
    request_lines,
)
from gateway.edge.unlisted import Asked
from gateway.upload.keeping import Keeping
from gateway.upstream.connection import Broken, RawHeaders, Response, UpstreamError
from gateway.upstream.exchange import Content
from gateway.upstream.mattermost import Mattermost

_LONGEST = 4 * 1024 * 1024
"""Bytes of an answer."""


class Progress:
    """Answers ``GET /uploads/{id}`` and ``GET /users/{id}/uploads``."""

    def __init__(self, mattermost: Mattermost, keeping: Keeping) -> None:
        self._mattermost = mattermost
        self._keeping = keeping

    async def serve(self, asked: Asked) -> bool:
        """Answer what Mattermost answers, with the gateway's offsets; False if it has none.

        Raises Refused, UpstreamError and ClientGone.
        """
        if asked.body.length != 0 or not await self._is_concerned(asked.path):
            return False
        # In plain: what is compressed cannot be corrected.
        kept = [header for header in asked.all_headers if header[0] != b"accept-encoding"]
        exchange = self._mattermost.exchange(
            b"GET",
            asked.path + (b"?" + asked.query if asked.query else b""),
            request_lines(kept, asked.origin, self._mattermost.host),
            Content(),
            safe=True,
            framed=False,
            on_interim=partial(pass_on_interim, asked.responder),
        )
        asked.body.when_gone(exchange.close)
        try:
            await self._answer(asked, await exchange.send())
        except UpstreamError:
            asked.body.check()  # that the client leaves ends the exchange as well
            raise
        finally:
            exchange.close()
        return True

    async def _is_concerned(self, path: bytes) -> bool:
        last = path.rpartition(b"/")[2].decode()
        if last == "uploads":
            return await self._keeping.keeps_any()
        return await self._keeping.offset(last) is not None

    async def _answer(self, asked: Asked, response: Response) -> None:
        timeout = self._mattermost.timeout
        if response.status != 200:
            await pass_on(response, asked.responder, asked.account, timeout)
            return
        headers = answer_headers(response)  # before trailers are among them
        document = await self._corrected(await response.read(_LONGEST, timeout))
        asked.account.status = response.status
        headers = _with_length(headers, len(document))
        await asked.responder.start(response.status, headers, response.reason)
        await asked.responder.body(document, more=False)

    async def _corrected(self, document: bytes) -> bytes:
        """A session, or several, with the gateway's offsets. Raises Broken if it is neither."""
        try:
            told = json.loads(document)
            sessions: list[Any] = told if isinstance(told, list) else [told]
            changed = False
            for session in filter(None, sessions):
                offset = await self._keeping.offset(session["id"])
                if offset is not None and offset != session["file_offset"]:
                    session["file_offset"] = offset
                    changed = True
        except (ValueError, KeyError, TypeError) as error:
            raise Broken("Mattermost did not answer with upload sessions") from error
        return _encode(told).encode() if changed else document


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _with_length(headers: RawHeaders, length: int) -> RawHeaders:
    others = [header for header in headers if header[0].lower() != b"content-length"]
    return [*others, (b"Content-Length", b"%d" % length)]
