"""What Mattermost, the ledger, or this machine cannot do at the moment."""

from gateway.phrases import phrase
from gateway.refusals.refusal import Refusal


def upstream_unreachable(retry_after: int) -> Refusal:
    return Refusal(
        "gateway.upstream_unreachable",
        503,
        "upstream_unreachable",
        phrase("Mattermost cannot be reached at the moment. Please try again shortly."),
        retry_after=retry_after,
    )


def upstream_failed() -> Refusal:
    return Refusal(
        "gateway.upstream_failed",
        502,
        "upstream_failed",
        phrase(
            "Mattermost broke off before it answered. The file may not have been "
            "stored; please try again."
        ),
    )


def upstream_timeout() -> Refusal:
    return Refusal(
        "gateway.upstream_timeout",
        504,
        "upstream_timeout",
        phrase(
            "Mattermost did not answer in time. The file may not have been stored; "
            "please try again."
        ),
    )


def audit_unavailable(retry_after: int) -> Refusal:
    return Refusal(
        "gateway.audit_unavailable",
        503,
        "audit_unavailable",
        phrase(
            "Uploads cannot be recorded at the moment, so nothing can be uploaded. "
            "Please try again shortly."
        ),
        retry_after=retry_after,
    )


def ledger_unavailable(retry_after: int) -> Refusal:
    return Refusal(
        "gateway.ledger_unavailable",
        503,
        "ledger_unavailable",
        phrase(
            "Upload quotas cannot be checked at the moment, so nothing can be "
            "uploaded. Please try again shortly."
        ),
        retry_after=retry_after,
    )


def scan_failed(retry_after: int) -> Refusal:
    return Refusal(
        "gateway.scan_failed",
        503,
        "scan_failed",
        phrase(
            "The file was not uploaded: it could not be checked for malware. Please "
            "try again shortly; if it happens again, tell your administrator."
        ),
        retry_after=retry_after,
    )


def account_unavailable(retry_after: int) -> Refusal:
    """Of the Mattermost account that an API key or token stands for."""
    return Refusal(
        "gateway.account_unavailable",
        503,
        "account_unavailable",
        phrase(
            "The Mattermost account behind this API key or token cannot be used at "
            "the moment. Please try again shortly, or tell your administrator."
        ),
        retry_after=retry_after,
    )


def issuer_unavailable(retry_after: int) -> Refusal:
    return Refusal(
        "gateway.issuer_unavailable",
        503,
        "issuer_unavailable",
        phrase(
            "Whoever issued this token cannot be asked for their keys at the moment. "
            "Please try again shortly."
        ),
        retry_after=retry_after,
    )


def spool_full() -> Refusal:
    return Refusal(
        "gateway.spool_full",
        507,
        "spool_full",
        phrase(
            "The upload gateway has no room to check this file at the moment. Please "
            "try again later, or tell your administrator."
        ),
    )


def internal_error() -> Refusal:
    return Refusal(
        "gateway.internal_error",
        500,
        "internal_error",
        phrase(
            "Something went wrong in the upload gateway. Please try again; if it "
            "happens again, give your administrator the request id."
        ),
    )
