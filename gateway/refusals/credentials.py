"""What credentials of the gateway's own are not good for, and what nobody's are."""

from gateway.phrases import Phrase, phrase
from gateway.refusals.refusal import Refusal


def credential_refused() -> Refusal:
    """Whatever is wrong with it: who has stolen one is not told what would make it work."""
    return Refusal(
        "gateway.credential_refused",
        401,
        "credential_refused",
        phrase(
            "This API key or token is not valid here. If you expected it to be, give "
            "your administrator the request id."
        ),
        headers=((b"www-authenticate", b'Bearer error="invalid_token"'),),
    )


def credential_limited(problem: Phrase) -> Refusal:
    """``problem`` completes the sentence "This API key or token …"."""
    return Refusal(
        "gateway.credential_limited",
        403,
        "credential_limited",
        phrase(
            "This API key or token {problem}. Ask your administrator if it should.", problem=problem
        ),
        headers=((b"www-authenticate", b'Bearer error="insufficient_scope"'),),
    )


def too_many_attempts(retry_after: int) -> Refusal:
    return Refusal(
        "gateway.too_many_attempts",
        429,
        "too_many_attempts",
        phrase("Too many requests from your address had no valid login. Please try again shortly."),
        retry_after=retry_after,
    )
