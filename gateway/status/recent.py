"""What a process remembers for the status page: its latest refusals, and who has which name."""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.accounting import Account
from gateway.refusals import Refusal as Rejected
from gateway.status.values import Refusal, shown_name
from gateway.values import Credential, Identity, Outcome

_MOST_REFUSALS = 50
_MOST_NAMES = 500

Ask = Callable[[Credential, list[tuple[bytes, bytes]]], Awaitable[Identity | Rejected]]


class RecentRefusals:
    """The latest of uploads that were refused, or that failed."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._latest: deque[Refusal] = deque(maxlen=_MOST_REFUSALS)

    def close(self, account: Account) -> None:
        """Hear of a request that was not accepted."""
        if account.outcome is Outcome.ABORTED or not (account.is_upload or account.files):
            return
        file = next((file for file in account.files if file.outcome is account.outcome), None)
        self._latest.append(
            Refusal(
                id=account.request_id,
                time=round(self._clock(), 3),
                name=shown_name(file.name) if file else "",
                user_id=account.user_id or "",
                machine=machine_of(account),
                channel_id=account.channel_id,
                client=account.client,
                endpoint=account.endpoint,
                status=account.status,
                outcome=account.outcome,
                reason=account.reason,
                rule=(file.rule or "settings") if file else "",
                content_type=file.content_type if file else "",
                size=file.size if file else None,
            )
        )

    def look(self) -> list[Refusal]:
        """Oldest first."""
        return list(self._latest)


def machine_of(account: Account) -> str:
    """What the log calls the program that sends it; empty for people."""
    machine = account.machine or {}
    return " ".join(str(value) for value in machine.values())


@dataclass(frozen=True, slots=True)
class UserName:
    """Who has which name."""

    id: str
    username: str


class UserNames:
    """The names of those whom Mattermost was asked about last."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def hear(self, ask: Ask) -> Ask:
        """``ask``, whose answers are remembered. What sessions know already costs nothing."""

        async def heard(
            credential: Credential, headers: list[tuple[bytes, bytes]]
        ) -> Identity | Rejected:
            answer = await ask(credential, headers)
            if isinstance(answer, Identity) and answer.username:
                self._names.pop(answer.user_id, None)
                self._names[answer.user_id] = answer.username
                if len(self._names) > _MOST_NAMES:
                    del self._names[next(iter(self._names))]
            return answer

        return heard

    def look(self) -> list[UserName]:
        """In the order of their ids, so that the same names are the same text."""
        return [UserName(*item) for item in sorted(self._names.items())]
