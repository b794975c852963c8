"""Upload sessions in Redis: what each holds, and a note for whoever continues it.

Each has a key of its own. All are in one index by when their time is over, as far as somebody
has looked: who finds one there looks at it, and puts it off if it was renewed since.
"""

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import NamedTuple

from gateway.ledger import redis_scripts as scripts
from gateway.ledger.book import Slot, slot_of
from gateway.ledger.quotas import Claim, charge
from gateway.ledger.redis_client import Command, Reply

_INDEX = "upload-gateway:sessions"
_EXPIRED_AT_ONCE = 1000
_KEPT = 33 * 86_400
"""Seconds that what a session holds is remembered when its time is over: a month's window."""


class _Held(NamedTuple):
    """What a session holds, and with what it ended: bytes and files."""

    id: str
    slots: list[Slot]
    stored: int = 0
    files: int = 0


class RedisSessions:
    """All of them. What is done can be done again, and whatever fails raises LedgerUnavailable."""

    def __init__(
        self,
        ask: Callable[..., Awaitable[list[Reply]]],
        on: Callable[..., Command],
        at: Callable[..., Command],
    ) -> None:
        """``on`` makes a command of a script and a key, ``at`` of a script and a slot."""
        self._ask = ask
        self._on = on
        self._at = at

    async def open(
        self,
        session_id: str,
        id_: str,
        claims: Sequence[Claim],
        *,
        note: str,
        ttl: float,
        now: float,
    ) -> None:
        """A new one, that is to hold ``claims`` as ``id_``."""
        held = json.dumps([(*slot_of(c), c.amount) for c in claims])
        arguments = [note, str(ttl), id_, held, str(int(ttl) + _KEPT)]
        _, former = await self._ask(
            Command("ZADD", _INDEX, [str(now + ttl), session_id]),
            self._on(scripts.SESSION_OPEN, _key(session_id), *arguments),
        )
        if former[0]:  # by accident, one had this id
            await self._release(_held(*former))

    async def note(self, session_id: str) -> str | None:
        """None if there is none, or it expired."""
        (note,) = await self._ask(self._on(scripts.SESSION_NOTE, _key(session_id)))
        return None if note is None else note.decode()

    async def keep(self, session_id: str, note: str, *, was: str, due: int | None) -> bool:
        """Renew one and replace its note; False if it expired or its note is another."""
        arguments = [note, f"={was}", "" if due is None else str(due)]
        (kept,) = await self._ask(self._on(scripts.SESSION_KEEP, _key(session_id), *arguments))
        return bool(kept)

    async def renew(self, session_ids: Collection[str]) -> None:
        """Nothing to those that have expired."""
        commands = [
            self._on(scripts.SESSION_KEEP, _key(session_id), "", "", "")
            for session_id in session_ids
        ]
        await self._ask(*commands)

    async def end(self, session_id: str, stored: int, files: int) -> None:
        """Book what it stored in place of what it holds; nothing if it was booked before."""
        told = f"{stored}:{files}"
        (found,) = await self._ask(self._on(scripts.SESSION_END, _key(session_id), told))
        if found is not None:
            await self._book(session_id, _held(*found))

    async def expire(self, now: float, *, everything: bool) -> None:
        """End those whose time is over, some at once; look at ``everything`` if time went back."""
        until = "+inf" if everything else str(now)
        limit = [] if everything else ["LIMIT", "0", str(_EXPIRED_AT_ONCE)]
        (due,) = await self._ask(Command("ZRANGEBYSCORE", _INDEX, ["-inf", until, *limit]))
        ids = [item.decode() for item in due]
        found = await self._ask(*[self._on(scripts.SESSION_EXPIRE, _key(id_)) for id_ in ids])
        for session_id, (state, *rest) in zip(ids, found, strict=True):
            match state:
                case b"alive":
                    await self._ask(Command("ZADD", _INDEX, [rest[0].decode(), session_id]))
                case b"ended":
                    await self._book(session_id, _held(*rest))
                case b"expired":
                    held = _held(*rest)
                    await self._ask(*[self._at(scripts.LAPSE, s, held.id) for s in held.slots])
                    await self._ask(Command("ZREM", _INDEX, [session_id]))
                case _:
                    await self._ask(Command("ZREM", _INDEX, [session_id]))

    async def _book(self, session_id: str, held: _Held) -> None:
        await self._release(held)
        await self._ask(Command("DEL", _key(session_id), []), Command("ZREM", _INDEX, [session_id]))

    async def _release(self, held: _Held) -> None:
        charges = [(slot, charge(slot[2], held.stored, held.files)) for slot in held.slots]
        await self._ask(
            *[self._at(scripts.SETTLE, slot, held.id, str(amount)) for slot, amount in charges]
        )


def _key(session_id: str) -> str:
    return f"upload-gateway:session:{session_id}"


def _held(id_: bytes, held: bytes, ended: bytes = b"0:0") -> _Held:
    stored, files = ended.split(b":")
    slots = [(end, start, key) for end, start, key, _ in json.loads(held)]
    return _Held(id_.decode(), slots, int(stored), int(files))
