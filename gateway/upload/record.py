"""What the ledger keeps of an upload session for whoever takes its next chunk."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from gateway.values import UploadSession


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What was declared, and the verdict on the file's beginning once there is one."""

    user_id: str
    is_import: bool
    name: str
    size: int
    """Bytes."""
    content_type: str | None = None
    policy: str | None = None
    """Fingerprint of the policy under which a file that begins so may pass; empty: it may not."""

    @classmethod
    def of(cls, session: UploadSession) -> Self:
        return cls(session.user_id, session.is_import, session.name, session.size)

    @classmethod
    def read(cls, note: str) -> Self | None:
        """The record in ``note``; None if another version wrote it that is not understood."""
        try:
            return cls(**json.loads(note))
        except (ValueError, TypeError):
            return None

    def note(self) -> str:
        """Equal for equal records."""
        return json.dumps(asdict(self))

    def is_of(self, session: UploadSession) -> bool:
        """Whether this was declared of ``session``."""
        declared = (self.user_id, self.is_import, self.name, self.size)
        return declared == (session.user_id, session.is_import, session.name, session.size)
