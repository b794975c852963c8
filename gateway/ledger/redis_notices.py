"""The notice board in Redis: each notice has a key of its own, and all are in one index."""

from collections.abc import Awaitable, Callable

from gateway.ledger import redis_scripts as scripts
from gateway.ledger.redis_client import Command, Reply

_INDEX = "upload-gateway:notices"


class RedisNotices:
    """All of them. Whatever fails raises LedgerUnavailable."""

    def __init__(
        self, ask: Callable[..., Awaitable[list[Reply]]], on: Callable[..., Command]
    ) -> None:
        """``on`` makes a command of a script and a key."""
        self._ask = ask
        self._on = on

    async def post(self, name: str, text: str, ttl: float) -> None:
        await self._ask(
            Command("SADD", _INDEX, [name]),
            self._on(scripts.NOTICE_POST, _key(name), text, str(ttl)),
        )

    async def read(self, prefix: str) -> dict[str, str]:
        """Those whose names begin with ``prefix``; what has none any more leaves the index."""
        (members,) = await self._ask(Command("SMEMBERS", _INDEX, []))
        names = sorted(member.decode() for member in members)
        names = [name for name in names if name.startswith(prefix)]
        texts = await self._ask(*[self._on(scripts.NOTICE_READ, _key(name)) for name in names])
        found = dict(zip(names, texts, strict=True))
        # Whoever posts one meanwhile puts it back with the next.
        if over := [name for name, text in found.items() if text is None]:
            await self._ask(Command("SREM", _INDEX, over))
        return {name: text.decode() for name, text in found.items() if text is not None}


def _key(name: str) -> str:
    return f"upload-gateway:notice:{name}"
