"""Faults to order: how a test makes the stand-in slow, rude or broken."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with requests to ``endpoint``; the fields can be combined.

    The first fault that fits a request is the one that acts, until its ``times`` are used up.
    """

    endpoint: str = "*"
    """As the journal writes it, ``POST /api/v4/files`` or ``GET /api/v4/files/{id}``; or any."""
    times: int | None = None
    """For that many requests; None: for all, until a reset."""
    delay: float = 0.0
    """Seconds before the request is looked at."""
    status: int | None = None
    """Answer with this status in place of doing anything. The body is left unread, as any handler
    may leave it: Go's server then reads up to 256 KiB of it before it sends the answer."""
    body: str = ""
    """With ``status``: the answer's body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """With ``status``: the answer's headers."""
    stop_reading: bool = False
    """With ``status``: answer at once, read nothing of the body, leave the connection open. With
    ``stall``: read nothing and just sit there."""
    stall: bool = False
    """Read the body to its end, and never answer."""
    read_rate: int | None = None
    """Read the body at so many bytes per second."""
    close_after: int | None = None
    """Close the connection without an answer after so many bytes of the body (0: at once)."""
    reset: bool = False
    """Close with a TCP reset, wherever another field closes."""
    garbage: str | None = None
    """Send this instead of an HTTP answer, at once, and close."""
    cut_answer: int | None = None
    """Close after so many bytes of the answer's body, which had promised more."""
    close_quietly: bool = False
    """Close the connection right after the answer, which had not announced it."""
    idle_close: float | None = None
    """Close the connection after so many idle seconds behind the answer."""

    def __post_init__(self) -> None:
        if self.times is not None and self.times <= 0:
            raise ValueError("times must be positive")
        if self.read_rate is not None and self.read_rate <= 0:
            raise ValueError("read_rate must be positive")
        if self.stop_reading and self.status is None and not self.stall:
            raise ValueError("stop_reading goes with a status or with stall")


NONE = Fault()


class Faults:
    """The faults in force, in the order in which they were set."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def take(self, endpoint: str) -> Fault:
        """The fault for this request; NONE mostly."""
        for i, fault in enumerate(self._faults):
            if fault.endpoint not in ("*", endpoint):
                continue
            if fault.times == 1:
                del self._faults[i]
            elif fault.times is not None:
                self._faults[i] = dataclasses.replace(fault, times=fault.times - 1)
            return fault
        return NONE
