"""The methods by which callers are known, built from the settings."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gateway.identity.attempts import Attempts
from gateway.identity.sessions import Ask, RawHeaders, Sessions
from gateway.logs import Log
from gateway.machines.accounts import Accounts
from gateway.machines.admission import Admission
from gateway.machines.channels import ChannelIds
from gateway.machines.forms import NO_ISSUERS, Forms
from gateway.machines.issuers import parse_issuers
from gateway.machines.key_file import parse_keys
from gateway.machines.tokens import Tokens, opening
from gateway.machines.watched import FileProblem, Watched
from gateway.refusals import Refusal, session_expired
from gateway.settings import Settings
from gateway.upload.identify import Callers
from gateway.upstream.issuers import Documents
from gateway.upstream.mattermost import Mattermost
from gateway.values import Credential, Identity

T = TypeVar("T")


def callers_from(
    settings: Settings, mattermost: Mattermost, log: Log, sessions_of: Callable[[Ask], Sessions]
) -> tuple[Callers, Forms]:
    """Who knows callers, and who tells machines from others. Raises FileProblem.

    ``sessions_of`` remembers what Mattermost says to a question."""
    attempts = Attempts(settings.failed_attempts)
    tokens = keys = None
    if "api-key" in settings.auth and settings.api_keys_file is not None:
        keys = _watched(settings.api_keys_file, parse_keys, log)
    if "oidc" in settings.auth and settings.oidc_file is not None:
        tokens = Tokens(_watched(settings.oidc_file, parse_issuers, log), opening(Documents))
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
    return callers, Forms(NO_ISSUERS if tokens is None else tokens.issuers)


async def _nobody(credential: Credential, headers: RawHeaders) -> Identity | Refusal:
    """In place of Mattermost, where its sessions are no method."""
    return session_expired()


def _watched(path: Path, parse: Callable[[bytes], T], log: Log) -> Watched[T]:
    def taken() -> None:
        log.info("file_reloaded", file=str(path))

    def rejected(problem: FileProblem) -> None:
        log.error("file_rejected", file=str(path), problems=problem.problems)

    return Watched(path, parse, taken=taken, rejected=rejected)
