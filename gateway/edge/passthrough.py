"""Everything that carries no file: forwarded as it came, streamed both ways."""

from functools import partial

from gateway.accounting import Account
from gateway.edge.answers import HOP_BY_HOP
from gateway.edge.body import RequestBody
from gateway.edge.caller import Origin
from gateway.edge.responder import Responder
from gateway.upload.facts import judged_by_mattermost
from gateway.upload.request import Passage
from gateway.upstream.connection import Broken, RawHeaders, Response, UpstreamError
from gateway.upstream.exchange import Content, header_lines
from gateway.upstream.mattermost import Mattermost

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

# Said anew by the gateway: framing and expectation are each connection's own, addresses and
# request ids are believed from nobody.
_REPLACED = HOP_BY_HOP | {
    b"content-length",
    b"expect",
    b"forwarded",
    b"traceparent",
    b"tracestate",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-real-ip",
    b"x-request-id",
}
_OF_ANSWERS = HOP_BY_HOP | {b"x-request-id"}


class Passthrough:
    """Forwards requests that are none of the gateway's business."""

    def __init__(self, mattermost: Mattermost) -> None:
        self._mattermost = mattermost

    async def forward(
        self,
        method: str,
        path: bytes,
        query: bytes,
        headers: RawHeaders,
        origin: Origin,
        body: RequestBody,
        responder: Responder,
        account: Account,
        passage: Passage | None = None,
    ) -> None:
        """Forward one request and its answer; with another body, if ``passage`` has one.

        Raises UpstreamError, ClientGone, and whatever reading the body raises.
        """
        account.pass_on()
        passage = passage or Passage(_content(body))
        if passage.content_type is not None:
            headers = _with_content_type(headers, passage.content_type)
        first = dict(reversed(headers))
        content = passage.content
        exchange = self._mattermost.exchange(
            method.encode(),
            path + (b"?" + query if query else b""),
            request_lines(headers, origin, self._mattermost.host),
            content,
            safe=method in SAFE and content.rest is None,
            framed=b"content-length" in first,
            on_interim=partial(pass_on_interim, responder),
        )
        body.when_gone(exchange.close)
        try:
            response = await exchange.send()
            await pass_on(response, responder, account, self._mattermost.timeout)
        except UpstreamError:
            body.check()  # that the client leaves ends the exchange as well
            raise
        finally:
            exchange.close()
            passage.delivered = exchange.delivered
            passage.status = account.status


def request_lines(headers: RawHeaders, origin: Origin, host: bytes) -> bytes:
    """The header lines of a request to Mattermost; ``host`` is for requests that name none."""
    kept = _end_to_end(headers, _REPLACED)
    if not dict(reversed(headers)).get(b"host"):  # as in HTTP/1.0
        kept = [(b"host", host), *(header for header in kept if header[0] != b"host")]
    return header_lines([*kept, *origin.headers])


def pass_on_interim(responder: Responder, response: Response) -> None:
    responder.interim(response.status, answer_headers(response), response.reason)


async def pass_on(
    response: Response, responder: Responder, account: Account, timeout: float
) -> None:
    """Give the client Mattermost's answer. Raises Broken, TimedOut (in seconds), ClientGone."""
    account.status = response.status
    account.outcome, account.reason = judged_by_mattermost(response.status)
    headers = answer_headers(response)
    if account.headers:
        headers = [*headers, *account.headers]
    await responder.start(response.status, headers, response.reason)
    async for piece in response.chunks(timeout):
        await responder.body(piece, more=True)
    await responder.body(b"", more=False)


def _content(body: RequestBody) -> Content:
    if body.length == 0:
        return Content()
    return Content(b"", body.read, body.length, None, body.check)


def _with_content_type(headers: RawHeaders, content_type: bytes) -> RawHeaders:
    return [(name, content_type if name == b"content-type" else value) for name, value in headers]


def _end_to_end(headers: RawHeaders, dropped: frozenset[bytes]) -> RawHeaders:
    """Headers, in lower case, without those of the connection (RFC 9110, 7.6.1)."""
    dropped |= _private(headers)
    return [header for header in headers if header[0] not in dropped]


def answer_headers(response: Response) -> RawHeaders:
    """The headers of an answer that are for the client, spelled as Mattermost spelled them.

    Raises Broken if its body is in a coding that the gateway cannot undo.
    """
    if (response.header(b"transfer-encoding") or b"chunked").lower() != b"chunked":
        raise Broken("an answer in an unknown transfer coding")
    dropped = _OF_ANSWERS | _private(response.headers)
    return [
        (spelled, value)
        for spelled, (name, value) in zip(response.names, response.headers, strict=True)
        if name not in dropped
    ]


def _private(headers: RawHeaders) -> frozenset[bytes]:
    """What the Connection headers name; Host is never the connection's own."""
    options: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            options.update(option.strip().lower() for option in value.split(b","))
    return frozenset(options - {b"host"})
