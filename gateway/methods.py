"""The methods by which callers are known, built from the settings."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from gateway.identity.attempts import Attempts
from gateway.identity.sessions import Ask, RawHeaders, Sessions
from gateway.logs import Log
from gateway.machines.accounts import Accounts
from gateway.machines.admission import Admission
from gateway.machines.channels import ChannelIds
from gateway.machines.forms import NO_ISSUERS, Forms
from gateway.machines.issuers import Issuers, parse_issuers
from gateway.machines.key_file import parse_keys
from gateway.machines.keys import KeyRing
from gateway.machines.watched import FileProblem, Watched, keep, read_file
from gateway.refusals import Refusal, session_expired
from gateway.settings import Settings
from gateway.upload.identify import Callers
from gateway.upstream.issuers import Documents
from gateway.upstream.mattermost import Mattermost
from gateway.values import Credential, Identity

if TYPE_CHECKING:
    from gateway.machines.tokens import Tokens

T = TypeVar("T")


class Methods(NamedTuple):
    """Who knows callers, who tells machines from others, and what looks whether their files have
    changed."""

    callers: Callers
    forms: Forms
    look: Sequence[Callable[[], None]]


def callers_from(
    settings: Settings,
    mattermost: Mattermost,
    log: Log,
    sessions_of: Callable[[Ask], Sessions],
    count: Callable[[str, bool], None],
    shared: Path | None = None,
) -> Methods:
    """The methods that the settings name. Raises FileProblem.

    ``sessions_of`` remembers what Mattermost says to a question; ``count`` hears of each new
    version of one of CREDENTIAL_FILES whether it was loaded; in ``shared`` are their last good
    versions, for workers that start later."""
    attempts = Attempts(_attempts_of_each_worker(settings))
    watched = partial(_watched, log=log, count=count, shared=shared)
    keys: Watched[KeyRing] | None = None
    issuers: Watched[Issuers] | None = None
    if "api-key" in settings.auth and settings.api_keys_file is not None:
        keys = watched("api_keys", settings.api_keys_file, parse_keys)
    if "oidc" in settings.auth and settings.oidc_file is not None:
        issuers = watched("oidc", settings.oidc_file, parse_issuers)
    tokens = None if issuers is None else _tokens(issuers)
    secret = settings.account_token
    admission = Admission(
        keys=keys,
        tokens=tokens,
        accounts=Accounts(settings.accounts_dir, secret.get_secret_value() if secret else ""),
        sessions=sessions_of(mattermost.me),
        channels=ChannelIds(
            mattermost.channel_id,
            ttl=settings.session_ttl,
            negative_ttl=settings.session_negative_ttl,
        ),
        attempts=attempts,
    )
    ask = mattermost.me if "mattermost" in settings.auth else _nobody
    callers = Callers(sessions_of(attempts.guard(ask)), admission)
    forms = Forms(NO_ISSUERS if tokens is None else tokens.issuers)
    return Methods(callers, forms, [file.look for file in (keys, issuers) if file is not None])


def _tokens(issuers: Watched[Issuers]) -> "Tokens":
    # Its library takes a twentieth of a second and 9 MiB.
    from gateway.machines.tokens import Tokens, opening

    return Tokens(issuers, opening(Documents))


def keep_files(settings: Settings, shared: Path) -> None:
    """Keep what the files say for workers that start while they are bad. Raises FileProblem."""
    for file, path in (("api_keys", settings.api_keys_file), ("oidc", settings.oidc_file)):
        if path is not None:
            keep(read_file(path), _kept(file, shared))


def _kept(file: str, shared: Path) -> Path:
    return shared / f"{file}.toml"


def _attempts_of_each_worker(settings: Settings) -> int:
    """Each counts by itself, and together they let no more pass than is set, wherever
    connections go; one each if these are less than workers."""
    limit = settings.failed_attempts
    return max(1, limit // settings.workers) if limit else 0


async def _nobody(credential: Credential, headers: RawHeaders) -> Identity | Refusal:
    """In place of Mattermost, where its sessions are no method."""
    return session_expired()


def _watched(
    file: str,
    path: Path,
    parse: Callable[[bytes], T],
    *,
    log: Log,
    count: Callable[[str, bool], None],
    shared: Path | None,
) -> Watched[T]:
    def taken() -> None:
        log.info("file_reloaded", file=str(path))
        count(file, True)

    def rejected(problem: FileProblem) -> None:
        log.error("file_rejected", file=str(path), problems=problem.problems)
        count(file, False)

    kept = None if shared is None else _kept(file, shared)
    return Watched(path, parse, taken=taken, rejected=rejected, kept=kept)
