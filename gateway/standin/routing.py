"""Which handler answers a method and path, decided as gorilla/mux does in Mattermost."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.standin.api.context import Handler

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_PLACEHOLDER_PATTERNS = {
    "username": r"[A-Za-z0-9_\-.]+",
    "email": r".+",
    "team_name": r"[A-Za-z0-9_-]+",
    "channel_name": r"[A-Za-z0-9_-]+",
    "emoji_name": r"[A-Za-z0-9_\-+]+",
    "certificate": r"idp|public|private",
    "key": r"public|private",
}


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` is below ``/api/v4`` unless ``is_api`` is False; ``{…_id}`` matches an id."""

    method: str
    path: str
    handler: Handler
    session_required: bool = True
    is_api: bool = True

    def pattern(self) -> str:
        """A regular expression for the whole path below the subpath."""

        def group(match: re.Match[str]) -> str:
            name = match[1]
            return f"(?P<{name}>{_PLACEHOLDER_PATTERNS.get(name, '[A-Za-z0-9]+')})"

        return ("/api/v4" if self.is_api else "") + _PLACEHOLDER.sub(group, self.path)


class Router:
    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(route, re.compile(route.pattern())) for route in routes]

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The first route that fits. Another method's path is as unknown as any other."""
        for route, pattern in self._routes:
            if route.method == method and (found := pattern.fullmatch(path)):
                return route, found.groupdict()
        return None
