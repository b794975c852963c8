"""The story of a file for an address that is in no row of the guard table, such as a plugin's.

The rules of attachments hold. A body that is the file goes on as it came; a form is received
whole, and goes on as one of the gateway's own, with the same parts in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.accounting import Account, Stage
from gateway.body.content_type import form_boundary
from gateway.body.filename import stored_name
from gateway.body.form_writer import ANY_FILE, Framing
from gateway.body.nature import Look, Nature, declared
from gateway.body.spool import Spool
from gateway.identity.sessions import Sessions
from gateway.phrases import phrase
from gateway.refusals import Refused, ambiguous_request
from gateway.units import told_size
from gateway.upload.delivery import Delivery
from gateway.upload.describe import declared_type
from gateway.upload.form import FilePart, Form
from gateway.upload.identify import identify, sender_of
from gateway.upload.incoming import IncomingFile, Together
from gateway.upload.naming import NAMELESS, raw_name
from gateway.upload.receive import Held, Limit, Unread, append, read_head, spooled
from gateway.upload.request import Onward, Passage, RowTarget, Sender, Source, UploadRequest
from gateway.values import Identity

_VALUES_ROOM = 10 * 2**20
"""Bytes that a form may have in values that are no files; as many as Go takes."""
_ROOM = 2 * _VALUES_ROOM
"""Bytes that it can have beside its files: the values, and the headers of a thousand parts."""


@dataclass(frozen=True, slots=True)
class _Upload:
    """A request of which it is known who sends it."""

    delivery: Delivery
    sender: Sender
    request: UploadRequest
    onward: Onward
    account: Account

    def file(
        self, name: str, source: Source, size: int | None, content_type: str | None = None
    ) -> IncomingFile:
        return IncomingFile(RowTarget(name, b""), source, size, None, content_type)


class UnlistedUploads:
    """Tells the story of each such upload."""

    def __init__(
        self, *, sessions: Sessions, known: Delivery, strangers: Delivery, api_path: bytes
    ) -> None:
        """``strangers`` is for whoever has no session; below ``api_path``, Mattermost lets them
        do nothing if they say they have one."""
        self._sessions = sessions
        self._known = known
        self._strangers = strangers
        self._api_path = api_path

    async def upload(
        self,
        path: bytes,
        request: UploadRequest,
        dispositions: Sequence[bytes],
        onward: Onward,
        account: Account,
    ) -> None:
        """Let ``request`` for ``path`` go ``onward``. Raises Refused, UpstreamError, ClientGone.

        ``dispositions`` are the values of all Content-Disposition headers.
        """
        account.enter(Stage.IDENTIFY)
        identity = await self._identify(path, request)
        if identity is not None:
            account.user_id, account.locale = identity.user_id, identity.locale
        account.enter(Stage.RECEIVE)
        delivery = self._strangers if identity is None else self._known
        upload = _Upload(delivery, sender_of(request, identity), request, onward, account)
        boundary = _boundary(request)
        if boundary is None:
            name = raw_name(path, request.query, dispositions)
            content_type = declared_type(request)
            file = upload.file(name, request.body, request.content_length, content_type)
            await delivery.relay(upload.sender, file, onward, account)
        else:
            await _relay_form(upload, boundary)
        if account.status == 401 and request.credential is not None:
            self._sessions.forget(request.credential)

    async def _identify(self, path: bytes, request: UploadRequest) -> Identity | None:
        """The user who calls, None if Mattermost would take the caller for nobody.

        Plugins and webhooks know their callers by other means: to them, Mattermost passes on
        requests with a session that has ended (``servePluginRequest``). Raises Refused (401, 403).
        """
        if request.credential is None:
            return None
        if path.startswith(self._api_path):
            return (await identify(self._sessions, request)).identity
        try:
            return await self._sessions.identify(request.credential, request.forwarded)
        except Refused:
            return None


def _boundary(request: UploadRequest) -> bytes | None:
    """That of a form; None if the body is no form to anybody. Raises Refused."""
    if declared(b"".join(request.content_types)) is not Nature.FORM:
        return None
    return form_boundary(request.content_types)


async def _relay_form(upload: _Upload, boundary: bytes) -> None:
    request, account, delivery = upload.request, upload.account, upload.delivery
    decision = await delivery.decide(upload.sender, RowTarget("", b""))
    delivery.judge_form(decision, NAMELESS, request.content_length, account, _ROOM)
    form = Form(boundary, request.body, request.content_length)
    with Held() as held, Together(account, decision) as together:
        written = _WrittenForm(upload, delivery.spool(held), together)
        while (part := await form.next_content()) is not None:
            await written.add(part)
        passage = await written.end()
        whole = upload.file("", request.body, together.size)
        await delivery.relay_form(
            upload.sender, whole, passage, together, held, upload.onward, account
        )


class _WrittenForm:
    """The gateway's own form, in a spool, part after part."""

    def __init__(self, upload: _Upload, spool: Spool, together: Together) -> None:
        self._upload = upload
        self._spool = spool
        self._together = together
        self._framing = Framing()
        self._values_room = _VALUES_ROOM

    async def add(self, part: FilePart) -> None:
        """Receive ``part``, and judge it if it is a file. Raises Refused and ClientGone."""
        nature = declared((part.content_type or "").encode())
        if nature is Nature.FORM:
            raise Refused(ambiguous_request(phrase("a part is declared to be a form of its own.")))
        if part.filename:
            name = stored_name(part.filename)
            await self._begin(part, name, part.content_type or ANY_FILE)
            await self._receive(name, part, part.content_type)
        else:
            await self._begin(part, None, part.content_type)
            head = await read_head(part)
            if nature is not Nature.FILE and Look(nature).believes(head):
                await self._take_value(head, part)
            else:
                await self._receive(NAMELESS, Unread(head, part), part.content_type)
        await self._spool.write(b"\r\n")

    async def end(self) -> Passage:
        """All parts are there."""
        await self._spool.write(self._framing.end())
        await self._spool.seal()
        return Passage(spooled(self._spool), self._framing.content_type)

    async def _begin(self, part: FilePart, name: str | None, content_type: str | None) -> None:
        await self._spool.write(self._framing.before(part.field, name, content_type))

    async def _receive(self, name: str, source: Source, content_type: str | None) -> None:
        upload = self._upload
        file = upload.file(name, source, None, content_type)
        await upload.delivery.receive_into(self._spool, file, self._together, upload.account)

    async def _take_value(self, head: bytes, part: FilePart) -> None:
        problem = phrase("the form’s fields are longer than {size}.", size=told_size(_VALUES_ROOM))
        limit = Limit(self._values_room, ambiguous_request(problem))
        self._values_room -= await append(self._spool, head, part, limit)
