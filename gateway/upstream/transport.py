"""httpx over the gateway's own connections."""

from collections.abc import AsyncIterator

import httpx

from gateway.upstream.connection import TimedOut, Unreachable, UpstreamError
from gateway.upstream.exchange import ConnectionPool, Content, Exchange, header_lines

ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes that an answer of Mattermost's API may have."""


class PooledTransport(httpx.AsyncBaseTransport):
    """For requests without a body; their exceptions name what they come from as their cause."""

    def __init__(self, pool: ConnectionPool, timeout: float) -> None:
        self._pool = pool
        self._timeout = timeout

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = Exchange(
            self._pool,
            b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path),
            header_lines(request.headers.raw),
            Content(),
            timeout=self._timeout,
            safe=True,
            framed=False,
        )
        try:
            response = await exchange.send()
            body = await response.read(ANSWER_LIMIT, self._timeout)
        except Unreachable as error:
            raise httpx.ConnectError(str(error), request=request) from error
        except TimedOut as error:
            raise httpx.ReadTimeout(str(error), request=request) from error
        except UpstreamError as error:
            raise httpx.RemoteProtocolError(str(error), request=request) from error
        finally:
            exchange.close()
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(body), request=request
        )


class _Body(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body
