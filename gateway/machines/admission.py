"""Who comes with a credential of the gateway's own, and whose Mattermost account that stands for.

To Mattermost the gateway speaks with the account's token; it never sees what the client sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from gateway.identity.attempts import Attempts
from gateway.identity.sessions import Sessions
from gateway.machines.accounts import Accounts, NoAccount
from gateway.machines.channels import ChannelIds
from gateway.machines.forms import CredentialError, refused
from gateway.machines.keys import ApiKey, KeyRing, is_key
from gateway.machines.limits import Limits
from gateway.machines.watched import Watched
from gateway.policy.circumstances import IdentityKind
from gateway.refusals import Refused, account_unavailable, shown
from gateway.values import Credential, CredentialKind, Identity

if TYPE_CHECKING:  # slow to import, and needed only where there are issuers
    from gateway.machines.tokens import Tokens

RawHeaders = list[tuple[bytes, bytes]]
_RETRY_AFTER = 30
_LONGEST_SUBJECT = 200


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Machine:
    """Somebody's program."""

    kind: IdentityKind
    name: str
    """Of its key; of its token's issuer and rule."""
    account: str
    limits: Limits
    subject: str = ""
    """Of its token."""
    channels: frozenset[str] | None = None
    """Ids of the only channels that it may upload to; None for all."""

    @property
    def label(self) -> str:
        """For rules and quotas, which are of one credential: ``api_key ci-reports``."""
        return f"{self.kind} {self.name}"

    def log_fields(self) -> dict[str, object]:
        fields: dict[str, object] = {str(self.kind): self.name}
        return fields | ({"subject": self.subject} if self.subject else {})


class Admitted(NamedTuple):
    """A machine, and the account that it stands for."""

    machine: Machine
    identity: Identity
    credential: Credential
    """The account's."""


class Admission:
    """Lets machines in."""

    def __init__(
        self,
        *,
        keys: Watched[KeyRing] | None,
        tokens: "Tokens | None",
        accounts: Accounts,
        sessions: Sessions,
        channels: ChannelIds,
        attempts: Attempts,
        now: Callable[[], datetime] = _now,
    ) -> None:
        """``keys`` and ``tokens`` are None where the method is off; ``sessions`` are those of the
        accounts."""
        self._keys = keys
        self._tokens = tokens
        self._accounts = accounts
        self._sessions = sessions
        self._channels = channels
        self._attempts = attempts
        self._now = now

    async def admit(self, credential: Credential, client: str, headers: RawHeaders) -> Admitted:
        """Who holds ``credential``. ``client`` is an IP address, ``headers`` go along with what
        Mattermost is asked.

        Raises Refused with the reason as its cause, and UpstreamError if Mattermost cannot say.
        """
        try:
            machine = await self._recognize(credential, client)
            if not machine.limits.allow_address(client):
                raise refused(f"{machine.label}: not from this address")
        except Refused as error:
            if isinstance(error.__cause__, CredentialError):
                self._attempts.check(client)
                self._attempts.failed(client)
            raise
        return await self._with_account(machine, headers)

    def forget(self, credential: Credential) -> None:
        """Ask again next time: Mattermost has just rejected this token of an account."""
        self._sessions.forget(credential)

    async def _recognize(self, credential: Credential, client: str) -> Machine:
        if credential.kind is CredentialKind.API_KEY:
            return self._by_key(credential.token)
        # To verify a signature takes time that strangers shall not have as they like.
        self._attempts.check(client)
        return await self._by_token(credential.token)

    def _by_key(self, token: str) -> Machine:
        if self._keys is None:
            raise refused("api_key: this method is off")
        if not is_key(token):
            raise refused("api_key: it is mistyped or cut off, its checksum is wrong")
        key = self._keys.value.find(token)
        if key is None:
            raise refused("api_key: there is none like it; it may have been revoked")
        if key.has_expired(self._now()):
            raise refused(f"api_key {key.name}: it has expired at {key.expires}")
        return _of_key(key)

    async def _by_token(self, token: str) -> Machine:
        if self._tokens is None:
            raise refused("oidc: this method is off")
        issuer, rule, claims = await self._tokens.verify(token)
        subject = shown(str(claims.get("sub", "")), _LONGEST_SUBJECT)
        name = f"{issuer.name}/{rule.name}"
        return Machine(IdentityKind.OIDC, name, rule.account, rule.limits, subject)

    async def _with_account(self, machine: Machine, headers: RawHeaders) -> Admitted:
        try:
            credential = self._accounts.find(machine.account)
        except NoAccount as error:
            raise Refused(account_unavailable(_RETRY_AFTER)) from error
        try:
            identity = await self._sessions.identify(credential, headers)
        except Refused as error:  # of the account's token, which is none of the client's business
            why = NoAccount(f"Mattermost refuses the token of {machine.account!r}")
            why.add_note(error.refusal.id)
            raise Refused(account_unavailable(_RETRY_AFTER)) from why
        limits = machine.limits
        if limits.channels:
            ids = await self._channels.find(limits.channels, machine.account, credential, headers)
            machine = _within(machine, ids)
        return Admitted(machine, identity, credential)


def _of_key(key: ApiKey) -> Machine:
    return Machine(IdentityKind.API_KEY, key.name, key.account, key.limits)


def _within(machine: Machine, channels: frozenset[str]) -> Machine:
    return Machine(
        machine.kind, machine.name, machine.account, machine.limits, machine.subject, channels
    )
