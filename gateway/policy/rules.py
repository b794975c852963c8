"""The rules that files are judged by."""

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b

from gateway.policy.agreement import Agreement
from gateway.policy.selectors import TypeSelector
from gateway.policy.traits import Trait

__all__ = ["Agreement", "Policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What may pass. A type has to be allowed and not denied."""

    max_file_size: int
    """Bytes."""
    allowed: TypeSelector
    denied: TypeSelector
    denied_extensions: frozenset[str]
    """Lower case, without the dot: ``exe``, ``tar.gz``."""
    agreement: Agreement

    @property
    def looks_closely(self) -> bool:
        """Whether what hides in pictures, sounds and films matters to it."""
        wanted = self.denied.traits & {Trait.ACTIVE, Trait.POLYGLOTS}
        return bool(wanted) or self.agreement is Agreement.STRICT

    def __post_init__(self) -> None:
        if self.max_file_size < 0:
            raise ValueError(f"a largest size cannot be {self.max_file_size}")
        for extension in self.denied_extensions:
            if extension != extension.lower() or extension.startswith("."):
                raise ValueError(f"{extension!r} is not a lower-case ending without its dot")

    def fingerprint(self) -> str:
        """The same for equal policies, in whatever process."""
        document = json.dumps(asdict(self), sort_keys=True, default=sorted)  # sets as lists
        return blake2b(document.encode(), digest_size=16).hexdigest()
