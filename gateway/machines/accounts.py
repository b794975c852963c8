"""The Mattermost accounts that credentials of the gateway's own stand for: their tokens.

Each is a file of a folder, called as the account, as Kubernetes, systemd and Docker lay secrets
out; it is read again when it changes. One more, ``default``, may be in the environment.
"""

import re
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from gateway.machines.limits import ACCOUNT_NAME, DEFAULT_ACCOUNT
from gateway.machines.watched import FileProblem, read_file, stamp
from gateway.values import Credential, CredentialKind

_TOKEN = re.compile(r"[!-~]{1,4096}")
"""Mattermost's own are 26 small letters and digits; what matters is that it fits into a header."""


class NoAccount(Exception):
    """There is no token for an account; the text is for the log and has no token in it."""


class _Known(NamedTuple):
    credential: Credential
    stamp: tuple[int, int, int] | None
    looked: float


class Accounts:
    """Finds tokens by the names of accounts."""

    def __init__(
        self,
        folder: Path | None,
        default_token: str = "",
        *,
        interval: float = 1.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """A file is looked at when it is needed, every ``interval`` seconds at most."""
        self._folder = folder
        self._default = Credential(CredentialKind.HEADER, default_token) if default_token else None
        self._interval = interval
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def find(self, name: str) -> Credential:
        """With what the gateway speaks for ``name`` to Mattermost. Raises NoAccount."""
        if name == DEFAULT_ACCOUNT and self._default is not None:
            return self._default
        if self._folder is None or not ACCOUNT_NAME.fullmatch(name):
            raise NoAccount(f"there is no token for the account {name!r}")
        now, path = self._clock(), self._folder / name
        known = self._known.get(name)
        if known is not None and now - known.looked < self._interval:
            return known.credential
        present = stamp(path)
        if known is None or known.stamp != present:
            known = _Known(_read(path, name), present, now)
        self._known[name] = known._replace(looked=now)
        return known.credential


def _read(path: Path, name: str) -> Credential:
    try:
        token = read_file(path).decode("latin-1").strip()
    except FileProblem as error:
        raise NoAccount(f"the token of the account {name!r}: {error}") from error
    if not _TOKEN.fullmatch(token):
        raise NoAccount(f"the token of the account {name!r}: {path} holds no token")
    return Credential(CredentialKind.HEADER, token)
