"""The uploads that are running in this process: its connections are asked, when somebody looks.

So an upload pays nothing for being shown.
"""

from collections.abc import Callable, Collection
from time import perf_counter
from typing import Any

from gateway.accounting import Account
from gateway.edge.cycle import Cycle
from gateway.edge.protocol import UploadProtocol
from gateway.status.recent import machine_of
from gateway.status.values import RunningUpload, shown_name

MOST = 50
"""Those that have run longest are shown, of more than so many."""


class RunningUploads:
    """Of all ``connections``, which a server keeps anyway."""

    def __init__(
        self, connections: Collection[Any], clock: Callable[[], float] = perf_counter
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._before: dict[str, tuple[float, int]] = {}
        """When an upload was looked at last, and what of it had come."""

    def look(self) -> list[RunningUpload]:
        """Those that began first, first."""
        now = self._clock()
        found = [
            upload
            for connection in list(self._connections)
            if isinstance(connection, UploadProtocol)
            and (upload := self._upload(connection, now)) is not None
        ]
        found.sort(key=lambda upload: -upload.seconds)
        self._before = {upload.id: (now, upload.received) for upload in found}
        return found[:MOST]

    def _upload(self, connection: UploadProtocol, now: float) -> RunningUpload | None:
        cycle = connection.running
        if cycle is None or cycle.answered or cycle.account is None or cycle.origin is None:
            return None
        account, id_ = cycle.account, cycle.origin.request_id
        if not account.is_upload and account.file is None:
            return None
        received = connection.arrived
        since, before = self._before.get(id_, (account.started, 0))
        return RunningUpload(
            id=id_,
            name=shown_name(account.file.name) if account.file else "",
            user_id=account.user_id or "",
            machine=machine_of(account),
            channel_id=account.channel_id,
            client=cycle.origin.client,
            endpoint=account.endpoint,
            stage=account.stage,
            size=_size(cycle, account),
            received=received,
            speed=round((received - before) / (now - since), 1) if now > since else 0.0,
            seconds=round(now - account.started, 3),
        )


def _size(cycle: Cycle, account: Account) -> int | None:
    """Bytes of the body; what a form has around its files counts, as it does on arrival."""
    for name, value in cycle.scope["headers"]:
        if name == b"content-length":
            return int(value)
    return account.file.size if account.file else None
