"""The application: each request is read, routed, answered, and accounted for exactly once.

Raw ASGI, since requests stream through it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from traceback import format_exception
from typing import Any

from gateway.accounting import Account, Accountant
from gateway.edge.answers import render
from gateway.edge.body import RequestBody
from gateway.edge.caller import Origin, Origins, join_lists, upload_headers, visitor
from gateway.edge.cycle import CYCLE, MALFORMED, WEBSOCKET
from gateway.edge.head import check_host, check_rarities, refuse_encoded, requested_path
from gateway.edge.machines import MachineRequests
from gateway.edge.progress import Progress
from gateway.edge.responder import Responder
from gateway.edge.unlisted import Asked, Unlisted
from gateway.edge.websocket import WebSockets
from gateway.endpoints import FILES, FROM_SERVERS, TELL_PROGRESS, Endpoint, GuardTable, Way
from gateway.identity.credentials import csrf_passes, find_credential, find_server_credential
from gateway.languages.choice import Languages
from gateway.machines.forms import Forms
from gateway.phrases import phrase
from gateway.refusals import (
    Refusal,
    Refused,
    ambiguous_request,
    internal_error,
    malformed_request,
    method_not_allowed,
    not_served,
    unguarded_upload,
)
from gateway.upload.facts import judged_by_mattermost
from gateway.upload.offer import LIMITS_PATH, Offers
from gateway.upload.request import Answer, ClientGone, UploadRequest
from gateway.upload.sessions import UploadSessions
from gateway.upload.story import Uploads
from gateway.upload.whole_form import WholeForms
from gateway.upstream.connection import UpstreamError
from gateway.upstream.mattermost import Mattermost
from gateway.values import Credential

# Headers of which a request may have one at most, since readers differ in which one counts.
_SINGLE = (b"authorization", b"content-length", b"content-type", b"host", b"transfer-encoding")


class GatewayApp:
    """What clients talk to."""

    def __init__(
        self,
        *,
        uploads: Uploads,
        upload_sessions: UploadSessions,
        whole_forms: WholeForms,
        unlisted: Unlisted,
        progress: Progress,
        websockets: WebSockets,
        forms: Forms,
        machines: MachineRequests,
        offers: Offers,
        mattermost: Mattermost,
        origins: Origins,
        accountant: Accountant,
        languages: Languages,
        serve_rest: bool = True,
        check_audit: Callable[[], None] | None = None,
    ) -> None:
        """``forms`` tells which requests come from ``machines``; ``serve_rest``: whether
        requests that have nothing to do with files pass; ``check_audit`` raises Refused while no
        file may pass for want of an audit log."""
        self._check_audit = check_audit
        self._uploads = uploads
        self._upload_sessions = upload_sessions
        self._whole_forms = whole_forms
        self._unlisted = unlisted
        self._progress = progress
        self._websockets = websockets
        self._find_machine = forms.find
        self._machines = machines
        self._offers = offers
        self._limits_path = f"{mattermost.subpath}{LIMITS_PATH}".encode()
        self._host = mattermost.host
        self._files_path = f"{mattermost.subpath}{FILES.path}".encode()
        self._guard_table = GuardTable(mattermost.subpath)
        self._origins = origins
        self._accountant = accountant
        self._languages = languages
        self._serve_rest = serve_rest

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        # The first header of each name, as Mattermost takes it.
        headers = dict(reversed(scope["headers"]))
        if len(headers) != len(scope["headers"]):
            join_lists(headers, scope["headers"])
        peer = scope["client"][0] if scope["client"] else "unknown"
        origin = self._origins.read(peer, scope["scheme"], headers)
        account = self._accountant.open(origin.trace)
        account.client, account.request_id = origin.client, origin.request_id
        account.method, account.path = scope["method"], scope["raw_path"]
        cycle = scope["extensions"][CYCLE]
        cycle.account, cycle.origin = account, origin
        body = RequestBody(cycle, _length(headers))
        responder = Responder(send, origin.request_id, cycle)
        try:
            try:
                await self._route(scope, headers, origin, body, responder, account)
            except ClientGone:
                raise
            except Exception as error:
                refusal = _refusal_for(error, account)
                account.refuse(refusal)
                await self._render(refusal, headers, responder, origin, account)
        except ClientGone:
            account.abort()
        except asyncio.CancelledError:
            account.fail("shutdown")
            raise
        finally:
            account.bytes_received = body.received
            account.bytes_sent = 0 if account.method == "HEAD" else responder.sent
            if self._accountant.wants_visitor(account):
                account.visitor = visitor(headers, origin, scope["http_version"])
            if responder.tunnel is None:
                self._accountant.close(account)
            else:
                self._websockets.keep(responder.tunnel, account)

    async def _route(
        self,
        scope: dict[str, Any],
        headers: Mapping[bytes, bytes],
        origin: Origin,
        body: RequestBody,
        responder: Responder,
        account: Account,
    ) -> None:
        if MALFORMED in scope["extensions"]:
            account.endpoint = "malformed"
            raise Refused(malformed_request())
        version = scope["http_version"]
        check_host(version, headers.get(b"host"))
        if version != "1.1" or b"transfer-encoding" in headers or b"expect" in headers:
            check_rarities(version, headers)
        raw_headers = scope["headers"]
        if len(headers) != len(raw_headers):
            _refuse_repeated(raw_headers)
        method = scope["method"]
        path = scope["raw_path"]
        endpoint: Endpoint | None
        if path == self._files_path and method == "POST":
            endpoint = FILES
        else:
            path = requested_path(method, path, headers)
            endpoint = self._guard_table.find(path)
        query = scope["query_string"]
        account.endpoint = "other" if endpoint is None else endpoint.name
        if path == self._limits_path and method != "GET":
            account.endpoint = "limits"
            raise Refused(method_not_allowed(method, "GET"))
        machine = self._find_machine(headers, query)
        if endpoint is None:
            self._check_served(machine, path)
            account.endpoint = "limits" if path == self._limits_path else "passthrough"
        if endpoint is not None and _takes_file(endpoint, method, machine):
            request = self._upload_request(query, headers, origin, body, machine, endpoint.name)
            account.is_upload = True
            answer = await self._take_file(endpoint, path, headers, request, account)
            account.status = answer.status
            account.outcome, account.reason = judged_by_mattermost(answer.status)
            await responder.answer(_with_headers(answer, account.headers))
            return
        if endpoint is None and machine is None and WEBSOCKET in scope["extensions"]:
            account.endpoint = "websocket"
            await self._websockets.forward(path, query, raw_headers, origin, responder, account)
            return
        asked = Asked(
            endpoint is not None, method, path, query, headers, raw_headers, origin, body,
            responder, account,
        )  # fmt: skip
        upload_request = partial(self._upload_request, query, headers, origin, body, machine)
        await self._serve_asked(endpoint, machine, asked, upload_request)

    async def _serve_asked(
        self,
        endpoint: Endpoint | None,
        machine: Credential | None,
        asked: Asked,
        upload_request: Callable[[], UploadRequest],
    ) -> None:
        if asked.path == self._limits_path:
            await self._tell_limits(asked, upload_request)
            return
        if machine is not None:
            await self._machines.serve(endpoint, asked, upload_request)
            return
        tells = endpoint is not None and asked.method == "GET" and endpoint.way in TELL_PROGRESS
        if tells and await self._progress.serve(asked):
            return
        await self._unlisted.serve(asked, upload_request)

    def _check_served(self, machine: Credential | None, path: bytes) -> None:
        """Raises Refused if what has nothing to do with files does not pass here."""
        if machine is None and not self._serve_rest and path != self._limits_path:
            raise Refused(not_served())

    async def _tell_limits(self, asked: Asked, upload_request: Callable[[], UploadRequest]) -> None:
        answer = await self._offers.tell(upload_request(), asked.account)
        asked.account.status = answer.status
        await asked.responder.answer(answer)

    def _take_file(
        self,
        endpoint: Endpoint,
        path: bytes,
        headers: Mapping[bytes, bytes],
        request: UploadRequest,
        account: Account,
    ) -> Coroutine[Any, Any, Answer]:
        """The story of a row is told by how its files travel."""
        if self._check_audit is not None:
            self._check_audit()
        match endpoint.way:
            case Way.ATTACHMENTS:
                return self._uploads.upload(request, account)
            case Way.DECLARATION:
                return self._upload_sessions.declare(request, account)
            case Way.CHUNK:
                session_id = path.rpartition(b"/")[2].decode()
                return self._upload_sessions.append(session_id, request, account)
            case Way.FORM | Way.PEM_FORM:
                return self._whole_forms.upload(endpoint, path, request, account)
            case Way.SERVER_FORM | Way.SERVER_UPLOAD:
                server = find_server_credential(headers)
                request = request._replace(credential=server, csrf_passes=True)
                return self._whole_forms.upload(endpoint, path, request, account)
            case _:
                raise Refused(unguarded_upload())

    def _upload_request(
        self,
        query: bytes,
        headers: Mapping[bytes, bytes],
        origin: Origin,
        body: RequestBody,
        machine: Credential | None = None,
        endpoint: str = "",
    ) -> UploadRequest:
        if b"content-encoding" in headers:
            refuse_encoded(headers[b"content-encoding"])
        content_type = headers.get(b"content-type")
        credential = machine or find_credential(headers, query)
        return UploadRequest(
            query,
            [] if content_type is None else [content_type],
            body.length,
            credential,
            credential is not None and csrf_passes(credential, headers),
            upload_headers(headers, self._host, origin),
            body,
            origin.client,
            endpoint,
        )

    async def _render(
        self,
        refusal: Refusal,
        headers: Mapping[bytes, bytes],
        responder: Responder,
        origin: Origin,
        account: Account,
    ) -> None:
        if responder.started:
            return  # the server cuts the connection of an answer that stops half-way
        accepted = headers.get(b"accept-language", b"")
        language = self._languages.choose(account.locale, accepted)
        answer = render(refusal, origin.request_id, language)
        answer.headers.extend(account.headers)
        await responder.answer(answer)


def _refusal_for(error: Exception, account: Account) -> Refusal:
    """With which a request is answered that came to this; the log tells why."""
    match error:
        case Refused():
            if error.__cause__ is not None:
                account.detail = f"{type(error.__cause__).__name__}: {error.__cause__}"
            return error.refusal
        case UpstreamError():
            account.detail = str(error)
            return error.refusal
        case _:
            account.detail = "".join(format_exception(error))
            return internal_error()


def _takes_file(endpoint: Endpoint, method: str, machine: Credential | None) -> bool:
    """Whether requests of this method bring files there; what servers send, no machine does."""
    return (
        endpoint.rule is not None
        and method == endpoint.method
        and (machine is None or endpoint.way not in FROM_SERVERS)
    )


def _with_headers(answer: Answer, more: Sequence[tuple[bytes, bytes]]) -> Answer:
    return Answer(answer.status, [*answer.headers, *more], answer.body) if more else answer


def _length(headers: Mapping[bytes, bytes]) -> int | None:
    """Bytes of the body; None if it is chunked (RFC 9112, 6.3)."""
    if b"transfer-encoding" in headers:
        return None
    return int(headers.get(b"content-length", b"0"))


def _refuse_repeated(headers: list[tuple[bytes, bytes]]) -> None:
    names = [name for name, _ in headers]
    for name in _SINGLE:
        if names.count(name) > 1:
            raise Refused(
                ambiguous_request(phrase("it has more than one {name} header.", name=name.decode()))
            )
