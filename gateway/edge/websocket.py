"""WebSockets: the handshake is forwarded as a request; once Mattermost agrees, bytes pass.

Only its 101 opens the tunnel. Whatever else it answers to a handshake is an answer like any other,
and no byte that a client sends behind a handshake reaches Mattermost before.
"""

import asyncio

from gateway.accounting import Account, Accountant
from gateway.edge.caller import Origin
from gateway.edge.passthrough import answer_headers, pass_on, request_lines
from gateway.edge.responder import Responder
from gateway.edge.tunnel import Ending, Tunnel
from gateway.upstream.connection import SWITCHING, RawHeaders, Response
from gateway.upstream.handshake import Handshake
from gateway.upstream.mattermost import Mattermost
from gateway.values import Outcome

_OUTCOMES = {
    Ending.CLOSED: (Outcome.ACCEPTED, "none"),
    Ending.SHUTDOWN: (Outcome.ACCEPTED, "shutdown"),
    Ending.CLIENT_BROKE: (Outcome.ABORTED, "client_gone"),
    Ending.SERVER_BROKE: (Outcome.FAILED, "mattermost_failed"),
}


class WebSockets:
    """Forwards requests for a WebSocket, and keeps those that are opened."""

    def __init__(self, mattermost: Mattermost, accountant: Accountant) -> None:
        self._mattermost = mattermost
        self._accountant = accountant

    async def forward(
        self,
        path: bytes,
        query: bytes,
        headers: RawHeaders,
        origin: Origin,
        responder: Responder,
        account: Account,
    ) -> None:
        """Forward one handshake, and what follows it. Raises UpstreamError, ClientGone."""
        account.pass_on()
        handshake = self._mattermost.handshake(
            path + (b"?" + query if query else b""),
            request_lines(headers, origin, self._mattermost.host),
            b"websocket",
        )
        try:
            response = await handshake.send()
            if response.status == SWITCHING:
                await self._join(handshake, response, responder)
            else:
                await pass_on(response, responder, account, self._mattermost.timeout)
        finally:
            handshake.close()

    async def _join(self, handshake: Handshake, response: Response, responder: Responder) -> None:
        headers = [
            *answer_headers(response),
            (b"connection", b"upgrade"),
            (b"upgrade", b"websocket"),
        ]
        tunnel = Tunnel()
        try:
            behind = handshake.hand_over(tunnel.server)
            await responder.switch(headers, response.reason, tunnel)
            tunnel.server.resume_reading()
            tunnel.server.data_received(behind)
        except BaseException:
            tunnel.abort()
            raise

    def keep(self, tunnel: Tunnel, account: Account) -> None:
        """Close the account of a request once its tunnel is closed, and not before."""
        account.status = SWITCHING
        websocket = self._accountant.open_websocket(account)

        def end(closed: asyncio.Future[Ending]) -> None:
            account.outcome, account.reason = _OUTCOMES[closed.result()]
            account.detail = tunnel.detail
            websocket.received, websocket.sent = tunnel.client.received, tunnel.server.received
            self._accountant.close(account)

        tunnel.closed.add_done_callback(end)
