"""What the rules in force say to a file: who sends it, and where to."""

from gateway.policy.circumstances import NOWHERE, Circumstances, Place
from gateway.policy.ruleset import Decision, Rulebook
from gateway.upload.request import FileTarget, RowTarget, Sender


class Rulings:
    """Finds what the conditions of rules are about, as far as there are rules that ask."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._rulebook = rulebook

    async def decide(
        self, endpoint: str, sender: Sender, target: FileTarget | RowTarget
    ) -> Decision:
        """By what a file is judged. Raises Refused if Mattermost does not let the sender see where
        it goes, and UpstreamError."""
        rules = self._rulebook.rules
        if not rules.rules:
            return rules.default(endpoint)
        place = await self._place(sender, target)
        return rules.decide(self._circumstances(endpoint, sender, place))

    def before(self, endpoint: str, sender: Sender) -> Decision | None:
        rules = self._rulebook.rules
        return rules.before(endpoint) if rules.questions else None

    async def _place(self, sender: Sender, target: FileTarget | RowTarget) -> Place:
        return NOWHERE

    def _circumstances(self, endpoint: str, sender: Sender, place: Place) -> Circumstances:
        identity = sender.identity
        if identity is None:
            return Circumstances(endpoint, sender.kind)
        user = frozenset({identity.user_id, identity.username})
        return Circumstances(endpoint, sender.kind, user, frozenset(), place)
