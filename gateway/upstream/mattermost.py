"""The calls of Mattermost's API that the gateway makes for itself, through httpx."""

import json
import ssl
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import httpx

from gateway.places import Channel, Team
from gateway.refusals import Headers, Refusal, session_expired, shown
from gateway.upstream.connection import Broken, Interim, RawHeaders, UpstreamError
from gateway.upstream.exchange import ConnectionPool, Content, Exchange, header_lines
from gateway.upstream.handshake import Handshake
from gateway.upstream.transport import ANSWER_LIMIT, PooledTransport
from gateway.values import Credential, CredentialKind, Identity, UploadSession

T = TypeVar("T")

Json = dict[str, object]


class Mattermost:
    """One Mattermost server: its connections, and what the gateway asks of it."""

    def __init__(
        self,
        origin: str,
        subpath: str,
        *,
        tls: ssl.SSLContext | None = None,
        connect_timeout: float,
        timeout: float,
    ) -> None:
        """``origin`` is scheme, host and port; timeouts are seconds."""
        parts = urlsplit(origin)
        if (parts.scheme == "https") is not (tls is not None):
            raise ValueError("TLS goes with https, and with nothing else")
        self.host = parts.netloc.encode()
        self.subpath = subpath
        self.timeout = timeout
        self._pool = ConnectionPool(
            parts.hostname or "",
            parts.port or (443 if tls else 80),
            tls=tls,
            connect_timeout=connect_timeout,
        )
        self._api = httpx.AsyncClient(
            base_url=f"{origin}{subpath}/api/v4/",
            transport=PooledTransport(self._pool, timeout),
            trust_env=False,
        )

    def exchange(
        self,
        method: bytes,
        target: bytes,
        headers: bytes,
        content: Content,
        *,
        safe: bool = False,
        framed: bool = True,
        on_interim: Interim | None = None,
    ) -> Exchange:
        """A request to be sent as it is, streaming both ways: ``target`` with the subpath,
        ``headers`` as lines."""
        return Exchange(
            self._pool,
            b"%s %s HTTP/1.1" % (method, target),
            headers,
            content,
            timeout=self.timeout,
            safe=safe,
            framed=framed,
            on_interim=on_interim,
            bodiless=method == b"HEAD",
        )

    def handshake(self, target: bytes, headers: bytes, upgrade: bytes) -> Handshake:
        """A request to go on in the protocol ``upgrade``; the rest as for ``exchange``."""
        return Handshake(self._pool, target, headers, upgrade, timeout=self.timeout)

    async def me(self, credential: Credential, headers: RawHeaders) -> Identity | Refusal:
        """Who holds ``credential``, or Mattermost's refusal of it. Raises UpstreamError."""
        request_headers = headers + credential_headers(credential)
        response = await self._get(f"users/me{credential_query(credential)}", request_headers)
        if response.status_code in (401, 403):
            return _rejection(response)
        if response.status_code != 200:
            raise Broken(f"users/me answered {response.status_code}")
        return _identity(response)

    async def server(self, credential: Credential, headers: RawHeaders) -> Identity | Refusal:
        """The connected Mattermost that holds ``credential``, by its id. Raises UpstreamError.

        Asked with an empty frame, which Mattermost refuses without doing anything: a stranger's
        with 401, that of a server that it knows with something else.
        """
        exchange = self.exchange(
            b"POST",
            f"{self.subpath}/api/v4/remotecluster/ping".encode(),
            header_lines([*headers, *credential_headers(credential)]),
            Content(b"{}", None, 2),
            safe=True,
        )
        try:
            response = await exchange.send()
            await response.read(ANSWER_LIMIT, self.timeout)
        finally:
            exchange.close()
        if response.status == 401:
            return session_expired()
        return Identity(credential.remote_id, "", frozenset())

    async def upload_session(
        self, session_id: str, credential: Credential, headers: RawHeaders
    ) -> UploadSession | Refusal:
        """The session, or Mattermost's refusal to tell of it. Raises UpstreamError."""
        path = f"uploads/{session_id}{credential_query(credential)}"
        response = await self._get(path, headers + credential_headers(credential))
        if 400 <= response.status_code < 500:
            refusal = _refusal(response)
            if refusal is not None:
                return refusal
        if response.status_code != 200:
            raise Broken(f"uploads answered {response.status_code}")
        session = read_upload_session(response.content)
        return replace(session, headers=tuple(response.headers.raw))

    async def channel(
        self, channel_id: str, credential: Credential, headers: RawHeaders
    ) -> Channel | Refusal:
        """The channel, or Mattermost's refusal to tell of it. Raises UpstreamError."""
        path = f"channels/{channel_id}"
        return await self._asked(path, credential, headers, partial(_channel, channel_id))

    async def team(
        self, team_id: str, credential: Credential, headers: RawHeaders
    ) -> Team | Refusal:
        """The team, or Mattermost's refusal to tell of it. Raises UpstreamError."""
        return await self._asked(f"teams/{team_id}", credential, headers, partial(_team, team_id))

    async def administers(
        self, team_id: str, user_id: str, credential: Credential, headers: RawHeaders
    ) -> bool | Refusal:
        """Whether the user is an administrator of the team, or Mattermost's refusal to tell.
        Raises UpstreamError."""
        path = f"teams/{team_id}/members/{user_id}"
        read = partial(_administers, team_id, user_id)
        told = await self._asked(path, credential, headers, read)
        # Who may see any team is told of those that they are no member of.
        return False if isinstance(told, Refusal) and told.status == 404 else told

    async def _asked(
        self,
        path: str,
        credential: Credential,
        headers: RawHeaders,
        read: Callable[[Json], T],
    ) -> T | Refusal:
        """What ``read`` makes of Mattermost's answer to whoever holds ``credential``.

        It raises ValueError, KeyError or TypeError for an answer to something else."""
        path += credential_query(credential)
        response = await self._get(path, headers + credential_headers(credential))
        if response.status_code == 401:
            return _rejection(response)
        if response.status_code in (403, 404) and (refusal := _refusal(response)) is not None:
            return refusal
        kind = path.partition("/")[0]
        if response.status_code != 200:
            raise Broken(f"{kind} answered {response.status_code}")
        try:
            return read(_object(response.content))
        except (ValueError, KeyError, TypeError) as error:
            raise Broken(f"{kind} did not answer with what was asked for") from error

    async def channel_id(
        self, team: str, channel: str, credential: Credential, headers: RawHeaders
    ) -> str | None:
        """Of the channel that is called so in its team's address; None if whoever holds
        ``credential`` sees none. Raises UpstreamError."""
        path = f"teams/name/{team}/channels/name/{channel}"
        told = await self._asked(path, credential, headers, lambda it: _checked(it["id"], str))
        return None if isinstance(told, Refusal) else told

    async def ping(self) -> None:
        """Raises UpstreamError unless Mattermost says it is well."""
        response = await self._get("system/ping", [])
        # Mattermost answers its web page, with 200, where it has no such address.
        if response.status_code != 200 or not _is_well(response):
            raise Broken(f"system/ping answered {response.status_code}, but not status OK")

    async def _get(self, path: str, headers: RawHeaders) -> httpx.Response:
        try:
            return await self._api.get(path, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if isinstance(error.__cause__, UpstreamError):  # what happened to the connection
                raise error.__cause__ from None
            raise Broken(str(error)) from error

    async def close(self) -> None:
        await self._api.aclose()
        self._pool.close()


def credential_headers(credential: Credential) -> RawHeaders:
    """``credential`` as Mattermost reads it from headers; a query token is no header."""
    token = credential.token.encode("latin-1")
    match credential.kind:
        case CredentialKind.HEADER:
            return [(b"authorization", b"Bearer " + token)]
        case CredentialKind.COOKIE:
            return [(b"cookie", b"MMAUTHTOKEN=" + token)]
        case CredentialKind.QUERY:
            return []
        case CredentialKind.SERVER:
            remote_id = credential.remote_id.encode("latin-1")
            return [(b"x-remotecluster-id", remote_id), (b"x-remotecluster-token", token)]
        case CredentialKind.API_KEY | CredentialKind.JWT:
            raise ValueError("a credential of the gateway's own is not for Mattermost")


def credential_query(credential: Credential) -> str:
    """A query with ``credential``, if it came in one; else nothing."""
    if credential.kind is not CredentialKind.QUERY:
        return ""
    return "?" + urlencode({"access_token": credential.token})


def _is_well(response: httpx.Response) -> bool:
    try:
        return _object(response.content)["status"] == "OK"
    except (ValueError, KeyError, TypeError):
        return False


def _identity(response: httpx.Response) -> Identity:
    try:
        user = _object(response.content)
        username = _checked(user["username"], str)
        if not username:
            raise ValueError("a user has a name")
        return Identity(
            user_id=_checked(user["id"], str),
            username=username,
            roles=frozenset(_checked(user["roles"], str).split()),
            is_bot=_checked(user.get("is_bot", False), bool),  # left out where it is not so
            locale=_checked(user.get("locale", ""), str),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Broken("users/me did not answer with a user") from error


def read_upload_session(document: bytes) -> UploadSession:
    """Raises Broken unless ``document`` is one, as Mattermost writes it."""
    try:
        session = _object(document)
        return UploadSession(
            id=_checked(session["id"], str),
            user_id=_checked(session["user_id"], str),
            is_import=session["type"] == "import",
            channel_id=_checked(session.get("channel_id", ""), str),
            name=_checked(session["filename"], str),
            size=_checked(session["file_size"], int),
            offset=_checked(session["file_offset"], int),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Broken("Mattermost did not answer with an upload session") from error


def _channel(asked: str, channel: Json) -> Channel:
    return Channel(
        id=_same_id(channel["id"], asked),
        name=_checked(channel["name"], str),
        team_id=_checked(channel["team_id"], str),
    )


def _team(asked: str, team: Json) -> Team:
    return Team(id=_same_id(team["id"], asked), name=_checked(team["name"], str))


def _administers(team_id: str, user_id: str, member: Json) -> bool:
    """By a role, or by whatever roles administrators have here; former members do not."""
    _same_id(member["team_id"], team_id)
    _same_id(member["user_id"], user_id)
    has_role = "team_admin" in _checked(member["roles"], str).split()
    by_scheme = _checked(member["scheme_admin"], bool)
    has_left = _checked(member["delete_at"], int) != 0
    return (has_role or by_scheme) and not has_left


def _same_id(value: object, asked: str) -> str:
    """The id as Mattermost writes it: some databases find it in any case. Raises ValueError for
    another one, and TypeError."""
    given = _checked(value, str)
    if given.lower() != asked.lower():
        raise ValueError(f"{given!r} was not asked for")
    return given


def _object(document: bytes) -> Json:
    """Raises ValueError and TypeError unless it is one of JSON."""
    try:
        return _checked(json.loads(document), dict)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _checked(value: object, kind: type[T]) -> T:
    """Raises TypeError unless ``value`` is of that very type."""
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _rejection(response: httpx.Response) -> Refusal:
    """Of a credential, with the cookie that Mattermost takes back."""
    cookies: Headers = tuple(
        (name.lower(), value)
        for name, value in response.headers.raw
        if name.lower() == b"set-cookie"
    )
    refusal = _refusal(response)
    if refusal is None:
        return session_expired(cookies)
    return replace(refusal, reason="unauthenticated", headers=cookies)


def _refusal(response: httpx.Response) -> Refusal | None:
    """Mattermost's own words; None if it has none."""
    try:
        error = _object(response.content)
        reason = "unauthenticated" if response.status_code == 401 else "mattermost_refused"
        message = shown(str(error["message"]), 500)
        return Refusal(str(error["id"]), response.status_code, reason, message)
    except (ValueError, KeyError, TypeError):
        return None
