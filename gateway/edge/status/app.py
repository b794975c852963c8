"""The status page's addresses: the page, its events, its JSON, and signing in."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.edge.caller import Origins
from gateway.edge.status import view as documents
from gateway.edge.status.access import COOKIE, SESSION_SECONDS, Access, Denied
from gateway.edge.status.view import Filter, View

if TYPE_CHECKING:
    from gateway.edge.status.rendering import Pages

Look = Callable[[Filter], Awaitable[View]]

_EVERY = 1.0
_ANNOUNCED_EVERY = 20.0
"""Seconds: nobody wants to be read out each change."""
_STREAM_SECONDS = 900.0
"""After which a browser comes again, and has to be signed in still."""
_MOST_STREAMS = 50
_LONGEST_FORM = 8192
"""Bytes of what is sent to sign in."""
_LONGEST_FILTER = 200
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_ASSETS = {"status.css": "text/css", "status.js": "text/javascript", "icon.svg": "image/svg+xml"}
_DOCUMENTS: Mapping[str, Callable[[View], dict[str, Any]]] = {
    "status": documents.status_document,
    "uploads": documents.uploads_document,
    "refusals": documents.refusals_document,
    "quotas": documents.quotas_document,
    "health": documents.health_document,
    "policy": documents.policy_document,
}


class StatusPage:
    """What the admin port has for people, and the same for programs."""

    def __init__(self, look: Look, access: Access, origins: Origins) -> None:
        self._look = look
        self._access = access
        self._origins = origins
        self._compiling: asyncio.Task[Pages] | None = None
        self._streams = 0
        self._rendered: dict[Filter, tuple[float, asyncio.Future[dict[str, str]]]] = {}
        """When what was shown to those who want this was so, and its sections."""
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End the streams, which would keep the server from stopping."""
        self._closing.set()

    def routes(self) -> list[Route]:
        return [
            Route("/", self._page),
            Route("/events", self._events),
            Route("/sign-in", self._sign_in_form, methods=["GET"]),
            Route("/sign-in", self._sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            *[Route(f"/assets/{name}", _asset(name, kind)) for name, kind in _ASSETS.items()],
            *[
                Route(f"/api/v1/{name}", partial(self._document, document))
                for name, document in _DOCUMENTS.items()
            ],
        ]

    async def _page(self, request: Request) -> Response:
        if denied := self._check(request):
            if denied.status == 401:
                return RedirectResponse("sign-in", 303, _SECURITY)
            return await self._problem(denied)
        view = await self._look(_filter(request))
        sections = await self._sections(view)
        signs_out = self._access.asks_for_token
        pages = await self._pages()
        return _html(pages.page(view, sections, signs_out=signs_out))

    async def _document(
        self, document: Callable[[View], dict[str, Any]], request: Request
    ) -> Response:
        if denied := self._check(request):
            headers = _retry(denied)
            if denied.status == 401:
                headers["WWW-Authenticate"] = "Bearer"
            return _json({"error": denied.sentence}, denied.status, headers)
        return _json(document(await self._look(_filter(request))))

    async def _events(self, request: Request) -> Response:
        if denied := self._check(request):
            return _json({"error": denied.sentence}, denied.status, _retry(denied))
        if self._streams >= _MOST_STREAMS:
            return _json({"error": "Too many have the page open."}, 503, {"Retry-After": "30"})
        return StreamingResponse(
            self._stream(_filter(request)), headers=_SECURITY, media_type="text/event-stream"
        )

    async def _stream(self, wanted: Filter) -> AsyncIterator[str]:
        """Events with the sections that have changed."""
        self._streams += 1
        try:
            shown: dict[str, str] = {}
            ends, announced = monotonic() + _STREAM_SECONDS, 0.0
            yield "retry: 2000\n\n"
            while monotonic() < ends and not self._closing.is_set():
                sections = dict(await self._sections(await self._look(wanted)))
                if monotonic() - announced < _ANNOUNCED_EVERY:
                    del sections["announcement"]
                else:
                    announced = monotonic()
                new = {name: html for name, html in sections.items() if shown.get(name) != html}
                shown |= new
                yield f"event: sections\ndata: {json.dumps(new)}\n\n"
                await self._pause()
        finally:
            self._streams -= 1

    def _sections(self, view: View) -> "asyncio.Future[dict[str, str]]":
        """Rendered once for all who want the same, and not by the thread that serves uploads."""
        time, rendering = self._rendered.get(view.wanted, (0.0, None))
        if rendering is None or time != view.activity.time:
            if len(self._rendered) >= _MOST_STREAMS:
                self._rendered.clear()
            rendering = asyncio.create_task(self._render(view))
            self._rendered[view.wanted] = view.activity.time, rendering
        return asyncio.shield(rendering)

    async def _render(self, view: View) -> dict[str, str]:
        pages = await self._pages()
        return await asyncio.to_thread(pages.sections, view)

    async def _pages(self) -> "Pages":
        """Made when somebody first looks, and not by the thread that serves uploads."""
        if self._compiling is None:
            self._compiling = asyncio.create_task(asyncio.to_thread(_compiled))
        return await asyncio.shield(self._compiling)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_EVERY):
                await self._closing.wait()
        except TimeoutError:
            return

    async def _sign_in_form(self, request: Request) -> Response:
        denied = self._check(request)
        if denied is None:
            return RedirectResponse(".", 303, _SECURITY)
        if denied.status != 401:
            return await self._problem(denied)
        return await self._sign_in_page("")

    async def _sign_in(self, request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _LONGEST_FORM:
                return await self._problem(Denied(413, "This is more than a token."))
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
        token = fields.get("token", [""])[0].strip()
        result = self._access.sign_in(request.headers, token, self._client(request))
        if isinstance(result, Denied):
            if result.status == 401:
                return await self._sign_in_page(result.sentence, 401)
            return await self._problem(result)
        return self._with_session(request, result, SESSION_SECONDS)

    async def _sign_out(self, request: Request) -> Response:
        denied = self._check(request)
        if denied is not None and denied.status != 401:
            return await self._problem(denied)
        return self._with_session(request, "", 0)

    def _with_session(self, request: Request, cookie: str, seconds: int) -> Response:
        """Back to the page, with a cookie that scripts cannot read and other sites cannot use."""
        response = RedirectResponse("." if cookie else "sign-in", 303, _SECURITY)
        https = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
        response.set_cookie(
            COOKIE, cookie, max_age=seconds, httponly=True, samesite="strict", secure=https
        )
        return response

    def _check(self, request: Request) -> Denied | None:
        cookie = request.cookies.get(COOKIE, "")
        return self._access.check(request.headers, cookie, self._client(request))

    def _client(self, request: Request) -> str:
        peer = request.client.host if request.client else "unknown"
        return self._origins.read(peer, "http", dict(request.headers.raw)).client

    async def _sign_in_page(self, problem: str, status: int = 200) -> Response:
        pages = await self._pages()
        return _html(pages.sign_in(problem), status)

    async def _problem(self, denied: Denied) -> Response:
        pages = await self._pages()
        page = pages.problem(denied.status, denied.sentence)
        return _html(page, denied.status, _retry(denied))


def _compiled() -> "Pages":
    # With its templates a tenth of a second and 3 MiB, which are spared where nobody looks.
    from gateway.edge.status.rendering import Pages

    return Pages()


def _filter(request: Request) -> Filter:
    def asked(name: str) -> str:
        return request.query_params.get(name, "").strip()[:_LONGEST_FILTER]

    return Filter(asked("reason"), asked("rule"), asked("q"))


def _asset(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = (Path(__file__).parent / "assets" / name).read_bytes()

    async def serve(_: Request) -> Response:
        return Response(content, headers=_SECURITY, media_type=kind)

    return serve


def _html(page: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(page, status, {**_SECURITY, **(headers or {})}, "text/html")


def _json(
    document: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    body = json.dumps(document, separators=(",", ":")) + "\n"
    return Response(body, status, {**_SECURITY, **(headers or {})}, "application/json")


def _retry(denied: Denied) -> dict[str, str]:
    return {} if denied.retry_after is None else {"Retry-After": str(denied.retry_after)}
