"""The story of a file for any other row of the guard table: a picture, a certificate, a plugin.

Mattermost reads these forms whole, so the gateway does too: it judges every file, and only then
sends a form of its own, with the same parts in the same order.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.accounting import Account, Stage
from gateway.body.content_type import form_boundary
from gateway.body.filename import stored_name
from gateway.body.form_writer import FormWriter
from gateway.body.spool import BLOCK_BYTES
from gateway.endpoints import FROM_SERVERS, Endpoint, Way
from gateway.identity.sessions import Sessions
from gateway.phrases import phrase
from gateway.policy.ruleset import ANYTHING, Decision
from gateway.refusals import (
    Refused,
    ambiguous_request,
    file_too_large,
    remote_cluster_off,
    unguarded_upload,
)
from gateway.upload.delivery import Delivery
from gateway.upload.describe import declared_type, parse_query
from gateway.upload.form import Field, FilePart, Form
from gateway.upload.identify import ANY_FILE, Callers, head, identify
from gateway.upload.incoming import IncomingFile, Together
from gateway.upload.judging import Judge
from gateway.upload.receive import Held, reading
from gateway.upload.request import Answer, Caller, RowTarget, UploadRequest
from gateway.upstream.exchange import Content
from gateway.values import CredentialKind

_TEAMS = b"/api/v4/teams/"
_PEM = b"application/x-pem-file"
_MOST_FILES = 10
"""In one form. Mattermost takes the first of its field, and overlooks the others."""


@dataclass(frozen=True, slots=True)
class _Upload:
    """A request whose sender is known."""

    endpoint: Endpoint
    delivery: Delivery
    target: RowTarget
    caller: Caller
    request: UploadRequest
    account: Account

    def caller_of(self, content_type: bytes) -> Caller:
        """The caller as the sender of a body of this type."""
        lines = head(self.request, self.caller.credential, content_type)
        return self.caller._replace(head=lines)

    def whole(self, size: int | None) -> IncomingFile:
        """All that is sent, as one file of ``size`` bytes."""
        return IncomingFile(self.target, self.request.body, size, size)


class WholeForms:
    """Tells the story of each such upload."""

    def __init__(
        self,
        *,
        callers: Callers,
        servers: Sessions | None,
        deliveries: Mapping[str, Delivery],
    ) -> None:
        """``servers`` are those of other Mattermosts, None where these may not send files;
        ``deliveries`` has one for each row, by its name."""
        self._callers = callers
        self._servers = servers
        self._deliveries = deliveries

    async def upload(
        self, endpoint: Endpoint, path: bytes, request: UploadRequest, account: Account
    ) -> Answer:
        """The answer to ``request`` for ``path``. Raises Refused, UpstreamError and ClientGone."""
        account.enter(Stage.IDENTIFY)
        if endpoint.way not in FROM_SERVERS:
            caller = await self._callers.identify(request, account)
        elif self._servers is None:
            raise Refused(remote_cluster_off())
        else:
            caller = await identify(self._servers, request)
        account.enter(Stage.RECEIVE)
        parse_query(request.query)
        boundary = form_boundary(request.content_types)
        request_target = path + (b"?" + request.query if request.query else b"")
        target = RowTarget(endpoint.name, request_target, _team_id(path))
        delivery = self._deliveries[endpoint.name]
        upload = _Upload(endpoint, delivery, target, caller, request, account)
        answer = await (_send_body(upload) if boundary is None else _send_form(upload, boundary))
        if answer.status == 401:
            self._forget(caller)
        return answer

    def _forget(self, caller: Caller) -> None:
        if caller.credential.kind is not CredentialKind.SERVER:
            self._callers.forget(caller.credential)
        elif self._servers is not None:
            self._servers.forget(caller.credential)


def _team_id(path: bytes) -> str:
    """The id after ``/teams/``, where ``path`` is about a team."""
    return path.rpartition(_TEAMS)[2].partition(b"/")[0].decode() if _TEAMS in path else ""


async def _send_body(upload: _Upload) -> Answer:
    """What is no form is a file at two addresses, and nothing that Mattermost takes at others."""
    content_type = b"".join(upload.request.content_types)
    if upload.endpoint.way is Way.SERVER_UPLOAD:
        content_type = ANY_FILE
    elif upload.endpoint.way is not Way.PEM_FORM or _media_type(content_type) != _PEM:
        return await _send_nothing(upload, content_type)
    file = upload.whole(upload.request.content_length)._replace(
        declared=declared_type(upload.request)
    )
    return await upload.delivery.deliver(upload.caller_of(content_type), file, upload.account)


async def _send_nothing(upload: _Upload, content_type: bytes) -> Answer:
    """Mattermost says what it misses, without getting any of the body."""
    caller, account = upload.caller_of(content_type), upload.account
    with Held() as held, Together(account, Decision(ANYTHING)) as no_files:
        return await upload.delivery.deliver_form(
            caller, upload.whole(0), Content(), no_files, held, account
        )


async def _send_form(upload: _Upload, boundary: bytes) -> Answer:
    request, account = upload.request, upload.account
    if upload.endpoint.way is Way.SERVER_UPLOAD:
        raise Refused(unguarded_upload())  # no Mattermost sends such a form
    decision = await upload.delivery.decide(upload.caller.sender, upload.target)
    upload.delivery.judge_form(decision, upload.endpoint.fields[0], request.content_length, account)
    form = Form(boundary, request.body, request.content_length)
    writer = FormWriter()
    with Held() as held, Together(account, decision) as together:
        while (part := await form.next_part()) is not None:
            if isinstance(part, Field):
                writer.add_value(part.name, part.value)
            else:
                await _receive(upload, part, writer, together, held)
        writer.end()
        content = Content(b"", writer.read, writer.length)
        caller, whole = upload.caller_of(writer.content_type), upload.whole(together.size)
        return await upload.delivery.deliver_form(caller, whole, content, together, held, account)


async def _receive(
    upload: _Upload,
    part: FilePart,
    writer: FormWriter,
    together: Together,
    held: Held,
) -> None:
    """Receive and judge a file. The files of a form may be as large as one, together."""
    if len(together.files) == _MOST_FILES:
        raise Refused(
            ambiguous_request(phrase("the form has more than {most} files.", most=_MOST_FILES))
        )
    name, delivery, decision = stored_name(part.filename), upload.delivery, together.decision
    file = IncomingFile(RowTarget(name, b""), part, None, None, part.content_type)
    memory = BLOCK_BYTES - held.in_memory
    waiting = await delivery.receive(file, decision, held, memory, upload.account)
    together.files.append(waiting.facts)
    largest = decision.policy.max_file_size
    if together.size > largest:
        judge = Judge(decision, waiting.facts)
        raise Refused(judge.worded(file_too_large(name, None, largest)))
    writer.add_file(part.field, name, reading(waiting.whole), waiting.size)


def _media_type(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip(b" \t").lower()
