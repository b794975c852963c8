"""The way of an answer to the client."""

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.edge.cycle import SWITCH, WHOLE, Cycle
from gateway.edge.tunnel import Tunnel
from gateway.upload.request import Answer, ClientGone, RawHeaders


class Responder:
    """Sends the one answer of a request, with the request's id on it."""

    __slots__ = ("_cycle", "_request_id", "_send", "sent", "started", "tunnel")

    def __init__(
        self,
        send: Callable[[Any], Awaitable[None]],
        request_id: str,
        cycle: Cycle | None = None,
    ) -> None:
        """``cycle`` is there if it can send interim answers."""
        self._send = send
        self._cycle = cycle
        self._request_id = request_id.encode()
        self.started = False
        self.sent = 0
        """Bytes of the answer's body, as far as it came."""
        self.tunnel: Tunnel | None = None
        """With which the request goes on when its answer was to switch."""

    async def answer(self, answer: Answer) -> None:
        """Send a whole answer. Raises ClientGone."""
        self.started = True
        self.sent = len(answer.body)
        headers = [*answer.headers]
        if answer.status != 204:  # RFC 9110, 8.6
            headers.append((b"content-length", b"%d" % len(answer.body)))
        headers.append((b"x-request-id", self._request_id))
        message = {"type": WHOLE, "status": answer.status, "headers": headers, "body": answer.body}
        try:  # as ``_pass`` does, but that one more coroutine costs most uploads too much
            await self._send(message)
        except OSError as error:
            raise ClientGone from error

    def interim(self, status: int, headers: RawHeaders, reason: bytes) -> None:
        """Send an answer before the answer, if that is possible."""
        if self._cycle is not None:
            self._cycle.interim(status, headers, reason)

    async def start(self, status: int, headers: RawHeaders, reason: bytes | None = None) -> None:
        """Send status, headers, and a reason phrase of Mattermost's own. Raises ClientGone."""
        self.started = True
        await self._pass(
            {
                "type": "http.response.start",
                "status": status,
                "reason": reason,
                "headers": [*headers, (b"x-request-id", self._request_id)],
            }
        )

    async def body(self, piece: bytes, *, more: bool) -> None:
        """Send a piece of the body, waiting while the client is slow. Raises ClientGone."""
        await self._pass({"type": "http.response.body", "body": piece, "more_body": more})
        self.sent += len(piece)

    async def switch(self, headers: RawHeaders, reason: bytes, tunnel: Tunnel) -> None:
        """Answer 101, and leave the client's connection to ``tunnel``. Raises ClientGone."""
        self.started = True
        await self._pass(
            {
                "type": SWITCH,
                "headers": [*headers, (b"x-request-id", self._request_id)],
                "reason": reason,
                "end": tunnel.client,
            }
        )
        self.tunnel = tunnel

    async def _pass(self, message: dict[str, Any]) -> None:
        try:
            await self._send(message)
        except OSError as error:  # what ASGI servers raise when the client is gone
            raise ClientGone from error
