"""A request that brings something to Mattermost, and what is known of its end."""

from collections.abc import Callable

from gateway.upload.request import Answer
from gateway.upstream.connection import Broken, RawHeaders, Response, UpstreamError
from gateway.upstream.exchange import Content
from gateway.upstream.mattermost import Mattermost

_ANSWER_LIMIT = 1024 * 1024

# Of Mattermost's answer these belong to its connection, or are the gateway's to say.
_NOT_PASSED_ON = frozenset(
    {
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"transfer-encoding",
        b"x-request-id",
    }
)


class Transfer:
    """One POST to Mattermost."""

    __slots__ = ("_count", "_exchange", "_mattermost", "_response")

    def __init__(
        self,
        mattermost: Mattermost,
        count: Callable[[str], None],
        target: bytes,
        head: bytes,
        content: Content,
    ) -> None:
        """``count`` hears the result: a class of status, or what went wrong."""
        self._mattermost = mattermost
        self._count = count
        self._exchange = mattermost.exchange(b"POST", target, head, content)
        self._response: Response | None = None

    async def answer(self) -> Answer:
        """Send the request; Mattermost's answer, however early it comes.

        Raises UpstreamError, and whatever reading the content raises.
        """
        exchange = self._exchange
        try:
            response = self._response = await exchange.send()
            if response.status < 300 and not exchange.delivered:
                raise Broken("Mattermost accepted a file before it had all of it")
            body = await response.read(_ANSWER_LIMIT, self._mattermost.timeout)
            self._count(f"{response.status // 100}xx")
            return Answer(response.status, passed_on(response.headers), body)
        except UpstreamError as error:
            self._count(error.refusal.reason)
            raise
        finally:
            exchange.close()

    @property
    def may_be_stored(self) -> bool:
        """What was sent whole and never answered may be stored, and counts as if it were."""
        response = self._response
        return self._exchange.delivered and (response is None or response.status < 300)


def passed_on(headers: RawHeaders) -> RawHeaders:
    """Those of Mattermost's answer that are the client's."""
    return [header for header in headers if header[0] not in _NOT_PASSED_ON]
