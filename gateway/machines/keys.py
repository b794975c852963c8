"""API keys: how they look, how they are stored, and how one is found again.

A key is ``mmug_``, 43 letters and digits that hold 256 random bits, and six more that are a
checksum of what stands before: whoever scans for secrets finds keys by their form, and can tell
without asking anybody that what was found is one; so can the gateway tell a typing error.

What is stored is the SHA-256 of a key. A slow hash such as Argon2 is for passwords, which can be
guessed; nobody guesses 256 random bits, and a slow hash would let strangers make the gateway work.
"""

import hmac
import re
import secrets
from binascii import crc32
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b, sha256

from gateway.machines.limits import Limits

KEY_PREFIX = "mmug_"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_DIGITS = 43
_CHECK_DIGITS = 6
_FORM = re.compile(rf"{KEY_PREFIX}[0-9A-Za-z]{{{_SECRET_DIGITS + _CHECK_DIGITS}}}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; the key itself is nowhere."""

    name: str
    digest: str
    """``sha256:`` and the hash in hexadecimal digits."""
    account: str
    """Whose Mattermost account it stands for, by the name of its token."""
    created: datetime
    expires: datetime | None
    limits: Limits

    def has_expired(self, now: datetime) -> bool:
        return self.expires is not None and now >= self.expires


def new_key() -> str:
    """A key that nobody has seen."""
    secret = KEY_PREFIX + _digits(secrets.randbits(256), _SECRET_DIGITS)
    return secret + _checksum(secret)


def digest(key: str) -> str:
    """Under what ``key`` is stored."""
    return f"sha256:{sha256(key.encode()).hexdigest()}"


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether ``text`` can be a key: it has the form of one, and its checksum is right."""
    if not _FORM.fullmatch(text):
        return False
    return text[-_CHECK_DIGITS:] == _checksum(text[:-_CHECK_DIGITS])


def _checksum(text: str) -> str:
    return _digits(crc32(text.encode()), _CHECK_DIGITS)


def _digits(number: int, count: int) -> str:
    digits = []
    for _ in range(count):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


class KeyRing:
    """All keys that there are, each found by itself.

    They are looked up under a hash whose key only this process knows: how long that takes tells
    nothing about what is stored. What is found is compared in constant time.
    """

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._pepper = secrets.token_bytes(32)
        self._keys: Mapping[bytes, ApiKey] = {self._place(key.digest): key for key in keys}

    def find(self, key: str) -> ApiKey | None:
        wanted = digest(key)
        found = self._keys.get(self._place(wanted))
        if found is None or not hmac.compare_digest(found.digest, wanted):
            return None
        return found

    def __iter__(self) -> Iterator[ApiKey]:
        return iter(self._keys.values())

    def _place(self, text: str) -> bytes:
        return blake2b(text.encode(), key=self._pepper, digest_size=16).digest()
