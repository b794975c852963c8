"""Events, as WebSocket clients hear of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom an event concerns; whoever is not a member of the channel does not hear of it."""

    user_id: str = ""
    channel_id: str = ""
    team_id: str = ""

    def as_json(self) -> dict[str, object]:
        return {
            "omit_users": None,
            "user_id": self.user_id,
            "channel_id": self.channel_id,
            "team_id": self.team_id,
        }
