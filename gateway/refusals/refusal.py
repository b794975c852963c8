"""One answer of "no", and the exception that carries it."""

from dataclasses import dataclass

from gateway.phrases import Text

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer of "no", ready to be rendered as Mattermost renders its errors."""

    id: str
    status: int
    reason: str
    text: Text
    """For people. Words of Mattermost's are in the language that it chose."""
    retry_after: int | None = None
    """Seconds after which trying again makes sense."""
    headers: Headers = ()
    """Further response headers, such as Mattermost's own ``Set-Cookie`` on a 401."""

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"a refusal needs an error status, not {self.status}")

    @property
    def message(self) -> str:
        """The text in English."""
        return str(self.text)

    @property
    def is_failure(self) -> bool:
        """Whether Mattermost or the gateway could not do its part, as a 5xx says.

        But for 501, with which HTTP says that the request is at fault (RFC 9112, 6.1).
        """
        return self.status >= 500 and self.status != 501


class Refused(Exception):
    """Carries a refusal up to the edge, where it is rendered and counted."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.id)
        self.refusal = refusal


def shown(name: str, limit: int = 80) -> str:
    """A file name fit for a sentence: printable, on one line, not endless."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
