"""Mattermost's errors: an id, a status, and the sentence that belongs to the id."""

import json
from importlib.resources import files
from typing import Final

_MESSAGES: Final[dict[str, str]] = json.loads(
    files("gateway.standin").joinpath("messages.json").read_text("utf-8")
)


class AppError(Exception):
    """Ends a request with an answer in Mattermost's error format."""

    def __init__(self, error_id: str, status: int, **values: object) -> None:
        super().__init__(error_id)
        self.id = error_id
        self.status = status
        self.message = _MESSAGES[error_id].format(**values)

    def as_json(self, request_id: str) -> dict[str, object]:
        return {
            "id": self.id,
            "message": self.message,
            "detailed_error": "",
            "request_id": request_id,
            "status_code": self.status,
        }


def session_expired() -> AppError:
    return AppError("api.context.session_expired.app_error", 401)


def not_permitted() -> AppError:
    return AppError("api.context.permissions.app_error", 403)


def invalid_url_param(name: str) -> AppError:
    return AppError("api.context.invalid_url_param.app_error", 400, Name=name)


def invalid_body_param(name: str) -> AppError:
    return AppError("api.context.invalid_body_param.app_error", 400, Name=name)
