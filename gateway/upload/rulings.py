"""What the rules in force say to a file: who sends it, and where to."""

from collections.abc import Callable

from gateway.identity.places import Places
from gateway.places import NOWHERE, Place, Question, known_as
from gateway.policy.circumstances import Circumstances, roles_of
from gateway.policy.ruleset import Decision, Rulebook
from gateway.refusals import Refused
from gateway.upload.limiting import limited, narrowed
from gateway.upload.request import FileTarget, RowTarget, Sender
from gateway.values import Credential, CredentialKind


class Rulings:
    """Finds what the conditions of rules are about, as far as there are rules that ask."""

    def __init__(
        self, rulebook: Rulebook, places: Places, forget: Callable[[Credential], None]
    ) -> None:
        """``forget`` hears of credentials that Mattermost does not know any more."""
        self._rulebook = rulebook
        self._places = places
        self._forget = forget

    async def decide(
        self, endpoint: str, sender: Sender, target: FileTarget | RowTarget
    ) -> Decision:
        """By what a file is judged. Raises Refused if Mattermost does not let the sender see where
        it goes, and UpstreamError."""
        plain, machine = self._rulebook.rules.plain.get(endpoint), sender.machine
        decision = plain or await self._decide(endpoint, sender, target)
        return decision if machine is None else limited(decision, machine, endpoint, target)

    def plain(self, endpoint: str, sender: Sender) -> Decision | None:
        """What ``decide`` says of any file of ``sender``, if nothing has to be looked at."""
        return None if sender.machine else self._rulebook.rules.plain.get(endpoint)

    async def _decide(
        self, endpoint: str, sender: Sender, target: FileTarget | RowTarget
    ) -> Decision:
        rules = self._rulebook.rules
        place = await self.place(sender, target) if rules.questions else NOWHERE
        return rules.decide(_circumstances(endpoint, sender, place))

    async def place(self, sender: Sender, target: FileTarget | RowTarget) -> Place:
        """What rules and quotas need to know of where a file goes. Raises as ``decide``."""
        rules = self._rulebook.rules
        try:
            return await self._place(sender, target, rules.questions | rules.quota_questions)
        except Refused as refused:
            if refused.refusal.status == 401 and sender.credential is not None:
                self._forget(sender.credential)
            raise

    def before(self, endpoint: str, sender: Sender) -> Decision | None:
        """For files of which it is not known yet where they go; None if that is no matter."""
        rules, machine = self._rulebook.rules, sender.machine
        if rules.questions:
            decision = rules.before(endpoint)
        elif machine is None or machine.channels is None:
            return None
        else:
            decision = rules.decide(_circumstances(endpoint, sender, NOWHERE))
        return decision if machine is None else narrowed(decision, machine)

    async def _place(
        self, sender: Sender, target: FileTarget | RowTarget, questions: frozenset[Question]
    ) -> Place:
        identity, credential = sender.identity, sender.credential
        if identity is None or credential is None or credential.kind is CredentialKind.SERVER:
            return NOWHERE
        asker = credential, identity.user_id
        if isinstance(target, FileTarget):
            if not target.channel_id:  # an import is for no channel
                return NOWHERE
            return await self._places.find(*asker, target.channel_id, sender.forwarded, questions)
        if target.team_id:
            return await self._places.team(*asker, target.team_id, sender.forwarded, questions)
        return NOWHERE


def _circumstances(endpoint: str, sender: Sender, place: Place) -> Circumstances:
    identity = sender.identity
    if identity is None:
        return Circumstances(endpoint, sender.kind)
    user = known_as(identity.user_id, identity.username)
    return Circumstances(endpoint, sender.kind, user, roles_of(identity), place)
