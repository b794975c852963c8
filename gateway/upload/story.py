"""The story of an upload: ``POST /api/v4/files``, from its head to the answer.

A form is read as Mattermost reads it, part by part, with the same errors at the same points.
Each of its files goes to Mattermost as one raw upload of its own, and the answers are merged.
Sources: ``uploadFileMultipart`` and ``uploadFileMultipartLegacy`` of Mattermost 5.37, recordings.
"""

import json
from dataclasses import dataclass, field, replace

from gateway.accounting import Account, Stage
from gateway.body.filename import stored_name
from gateway.body.spool import BLOCK_BYTES
from gateway.phrases import phrase
from gateway.policy.ruleset import Decision
from gateway.refusals import (
    Refused,
    ambiguous_request,
    conflicting_channel_ids,
    incorrect_number_of_client_ids,
    invalid_body_param,
    unreadable_request,
)
from gateway.upload.delivery import Delivery
from gateway.upload.describe import FormUpload, declared_type, describe, require_channel_id
from gateway.upload.form import Field, FilePart, Form, Truncated
from gateway.upload.identify import Callers
from gateway.upload.incoming import IncomingFile, WaitingFile
from gateway.upload.receive import Held, Limit
from gateway.upload.request import Answer, Caller, FileTarget, RawHeaders, UploadRequest
from gateway.upstream.connection import Broken

_MOST_WAITING = 100
"""Files that a form may have before its channel: each may need one on the disk to wait in."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(slots=True)
class _Merged:
    """The answers to a form's files, becoming one."""

    file_infos: list[object] = field(default_factory=list)
    client_ids: list[str] = field(default_factory=list)
    headers: RawHeaders = field(default_factory=lambda: [(b"content-type", b"application/json")])

    def add(self, answer: Answer, client_id: str | None) -> None:
        """Raises Broken if ``answer`` is not what Mattermost answers to an upload."""
        try:
            infos = json.loads(answer.body)["file_infos"]
            self.file_infos.extend(infos)
        except (ValueError, KeyError, TypeError) as error:
            raise Broken("an upload was answered with something else than file_infos") from error
        if client_id is not None:
            self.client_ids.append(client_id)
        self.headers = answer.headers

    def answer(self) -> Answer:
        body = _encode({"file_infos": self.file_infos, "client_ids": self.client_ids})
        return Answer(201, self.headers, body.encode())


@dataclass(slots=True)
class _FormState:
    """What the form has said so far."""

    channel_id: str
    channel_id_seen: bool = False
    client_ids: list[str] = field(default_factory=list)
    client_ids_expected: bool = True
    files: int = 0

    def take(self, part: Field) -> None:
        """Raises Refused for what Mattermost does not expect here."""
        match part.name:
            case "channel_id":
                if self.channel_id and self.channel_id != part.value:
                    raise Refused(conflicting_channel_ids())
                self.channel_id = part.value or self.channel_id
                self.channel_id_seen = True
            case "client_ids":
                if not self.client_ids_expected:
                    raise Refused(invalid_body_param("client_ids"))
                self.client_ids.append(part.value)
            case _:
                raise Refused(invalid_body_param(part.name))

    def begin_file(self) -> str | None:
        """The next file's client id, if files have any here. Raises Refused."""
        require_channel_id(self.channel_id)
        if self.files == 0 and not self.client_ids:
            self.client_ids_expected = False
        if not self.client_ids_expected:
            return None
        if self.files >= len(self.client_ids):
            raise Refused(invalid_body_param("client_ids"))
        return self.client_ids[self.files]

    def check_end(self) -> None:
        if self.client_ids_expected and len(self.client_ids) != self.files:
            raise Refused(incorrect_number_of_client_ids(len(self.client_ids), self.files))


class Uploads:
    """Tells the story of each upload."""

    def __init__(self, *, callers: Callers, delivery: Delivery) -> None:
        self._callers = callers
        self._delivery = delivery

    async def upload(self, request: UploadRequest, account: Account) -> Answer:
        """The answer to ``request``. Raises Refused, UpstreamError and ClientGone."""
        account.enter(Stage.IDENTIFY)
        caller = await self._callers.identify(request, account)
        account.enter(Stage.RECEIVE)
        described = describe(request)
        account.channel_id = described.channel_id
        if isinstance(described, FileTarget):
            size = request.content_length
            file = IncomingFile(described, request.body, size, size, declared_type(request))
            answer = await self._delivery.deliver(caller, file, account)
        else:
            answer = await self._upload_form(caller, described, request, account)
        if answer.status == 401:
            self._callers.forget(caller.credential)
        return answer

    async def _upload_form(
        self, caller: Caller, described: FormUpload, request: UploadRequest, account: Account
    ) -> Answer:
        form = Form(described.boundary, request.body, request.content_length)
        state = _FormState(described.channel_id)
        merged = _Merged()
        while (part := await form.next_part()) is not None:
            if isinstance(part, Field):
                state.take(part)
                continue
            if not state.channel_id and not state.channel_id_seen:
                return await self._upload_whole_form(caller, form, part, state, account)
            client_id = state.begin_file()
            account.channel_id = state.channel_id
            target = FileTarget(state.channel_id, stored_name(part.filename), client_id or "")
            file = IncomingFile(target, part, None, form.bound(), part.content_type)
            answer = await self._delivery.deliver(caller, file, account)
            if answer.status >= 300:
                return answer
            merged.add(answer, client_id)
            state.files += 1
        state.check_end()
        return merged.answer()

    async def _upload_whole_form(
        self,
        caller: Caller,
        form: Form,
        part: Field | FilePart | None,
        state: _FormState,
        account: Account,
    ) -> Answer:
        """A form whose first file comes before its channel is read whole before any is sent.

        Here Mattermost takes files of the field ``files`` only, overlooks fields that it does
        not know, and lets client ids come last.
        """
        waiting: list[WaitingFile] = []
        later = self._delivery.decide_later(caller.sender)
        decision = later or await self._delivery.decide(caller.sender, FileTarget("", "", ""))
        room = None
        if later is None:
            account.enter(Stage.RESERVE)
            room = await self._delivery.room(caller.sender, decision, account)
        values: dict[str, list[str]] = {"channel_id": [], "client_ids": list(state.client_ids)}
        with Held() as held:
            try:
                while part is not None:
                    if isinstance(part, Field):
                        values.setdefault(part.name, []).append(part.value)
                    elif part.field == "files":
                        file = await self._receive(part, decision, waiting, held, account, room)
                        waiting.append(file)
                    else:
                        await form.skip(part)
                    part = await form.next_part()
            except Truncated:
                raise Refused(unreadable_request(500)) from None
            account.channel_id = channel_id = _only_channel(values["channel_id"])
            client_ids = values["client_ids"]
            if client_ids and len(client_ids) != len(waiting):
                raise Refused(incorrect_number_of_client_ids(len(client_ids), len(waiting)))
            if later is not None:
                target = FileTarget(channel_id, "", "")
                later = await self._delivery.decide(caller.sender, target)
            return await self._send_waiting(
                caller, waiting, channel_id, client_ids, later, held, account
            )

    async def _receive(
        self,
        part: FilePart,
        decision: Decision,
        waiting: list[WaitingFile],
        held: Held,
        account: Account,
        room: Limit | None,
    ) -> WaitingFile:
        """One more file that waits for the rest of its form; there is ``room`` for all of them."""
        if len(waiting) == _MOST_WAITING:
            raise Refused(
                ambiguous_request(
                    phrase(
                        "the form has more than {most} files before its channel_id.",
                        most=_MOST_WAITING,
                    )
                )
            )
        target = FileTarget("", stored_name(part.filename), "")
        memory = BLOCK_BYTES - held.in_memory
        file = IncomingFile(target, part, None, None, part.content_type)
        if room is not None:
            room = replace(room, size=room.size - sum(other.size for other in waiting))
        return await self._delivery.receive(file, decision, held, memory, account, room)

    async def _send_waiting(
        self,
        caller: Caller,
        waiting: list[WaitingFile],
        channel_id: str,
        client_ids: list[str],
        decision: Decision | None,
        held: Held,
        account: Account,
    ) -> Answer:
        """``decision`` is by what they are judged, unless that is done."""
        merged = _Merged()
        for number, file in enumerate(waiting):
            client_id = client_ids[number] if client_ids else ""
            target = FileTarget(channel_id, file.file.target.name, client_id)
            answer = await self._delivery.deliver_waiting(
                caller, target, file, decision, held, account
            )
            if answer.status >= 300:
                return answer
            merged.add(answer, client_id or None)
        return merged.answer()


def _only_channel(channel_ids: list[str]) -> str:
    if not channel_ids:
        raise Refused(invalid_body_param("channel_id"))
    if len(set(channel_ids)) > 1:
        raise Refused(conflicting_channel_ids())
    require_channel_id(channel_ids[0])
    return channel_ids[0]
