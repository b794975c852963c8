"""What the audit log says: a line for each file that was decided about."""

from collections.abc import Callable

import orjson

from gateway.accounting import Account, FileAccount
from gateway.log_formats import Clock, encoded
from gateway.values import ACCEPTED

_USUAL_ANSWER = b'{"file_infos":[{"id":"'
"""How the answer to an attachment begins: its id follows, and is found without parsing."""
_ID_ENDS = len(_USUAL_ANSWER) + 26


class Decisions:
    """Turns closed accounts into lines of the audit log, but for their places in its chain."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        """``put`` gets documents of JSON."""
        self._put = put
        self._clock = Clock()

    def close(self, account: Account) -> None:
        """A line for each file; one for an upload that was refused before there was any."""
        if account.files:
            when = self._clock.now()
            for file in account.files:
                self._put(encoded(_of_file(account, file, when)))
        elif account.is_upload and account.outcome is not ACCEPTED:
            self._put(encoded(_of_request(account, self._clock.now())))


def _of_request(account: Account, when: str) -> dict[str, object]:
    fields: dict[str, object] = {
        "event": "request",
        "time": when,
        "request_id": account.request_id,
        "trace_id": account.trace.id,
        "client": account.client,
        "endpoint": account.endpoint,
        "status": account.status,
        "outcome": account.outcome,
        "reason": account.reason,
    }
    if account.user_id is not None:
        fields["user_id"] = account.user_id
    if account.channel_id:
        fields["channel_id"] = account.channel_id
    if account.machine is not None:
        fields |= account.machine
    return fields


def _of_file(account: Account, file: FileAccount, when: str) -> dict[str, object]:
    """What is said of its request, with what is known of one file in place of some."""
    fields = _of_request(account, when)
    fields["event"] = "file"
    fields["outcome"] = file.outcome
    fields["reason"] = file.reason
    fields["name"] = file.name
    fields["type"] = file.content_type
    fields["size"] = file.size
    fields["rule"] = file.rule or "settings"
    if file.promised is not None:
        fields["promised"] = file.promised
    if file.scan is not None:
        fields["scan"] = file.scan
    if file.scan_detail is not None:
        fields["scan_detail"] = file.scan_detail
    if file.sha256 is not None:
        fields["sha256"] = file.sha256
    if file.would_refuse:
        fields["would_refuse"] = dict(file.would_refuse)
    if file.outcome is ACCEPTED and (file_id := _file_id(file.answer)):
        fields["file_id"] = file_id
    return fields


def _file_id(answer: bytes) -> str | None:
    """The id that Mattermost's answer gives the file, if it does."""
    if answer.startswith(_USUAL_ANSWER) and answer[_ID_ENDS : _ID_ENDS + 1] == b'"':
        usual = answer[len(_USUAL_ANSWER) : _ID_ENDS]
        if usual.isalnum():
            return usual.decode()
    try:
        told = orjson.loads(answer)
        info = told["file_infos"][0] if "file_infos" in told else told
        file_id = info["id"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return None
    return file_id if isinstance(file_id, str) else None
