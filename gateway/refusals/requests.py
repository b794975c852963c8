"""Requests that cannot be read, that could be read in two ways, or that are not served."""

from gateway.phrases import Phrase, phrase
from gateway.refusals.refusal import Refusal

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_NOT_HTTP = phrase("it is not valid HTTP.")


def malformed_request(problem: Phrase = _NOT_HTTP) -> Refusal:
    """``problem`` completes the sentence, for the author of the client."""
    return Refusal(
        "gateway.malformed_request",
        400,
        "malformed_request",
        phrase("The server could not understand this request: {problem}", problem=problem),
    )


def ambiguous_request(problem: Phrase) -> Refusal:
    """``problem`` is a whole sentence about the request, for the author of its client."""
    return Refusal(
        "gateway.ambiguous_request",
        400,
        "ambiguous_request",
        phrase(
            "This request was refused because it could be read in more than one way: {problem}",
            problem=problem,
        ),
    )


def method_not_allowed(method: str, allowed: str = _METHODS) -> Refusal:
    """``allowed`` are those that are, as in the header Allow (RFC 9110, 10.2.1)."""
    return Refusal(
        "gateway.method_not_allowed",
        405,
        "method_not_allowed",
        phrase("Requests of the method {method} are not answered here.", method=method),
        headers=((b"allow", allowed.encode()),),
    )


def expectation_failed() -> Refusal:
    return Refusal(
        "gateway.expectation_failed",
        417,
        "expectation_failed",
        phrase(
            "The request expects something of the server that it does not know: the "
            "only Expect header that it understands is 100-continue."
        ),
    )


def transfer_coding_refused() -> Refusal:
    return Refusal(
        "gateway.transfer_coding_refused",
        501,
        "transfer_coding_refused",
        phrase(
            "The request's body is transferred in a coding that the server does not "
            "know: the only Transfer-Encoding that it understands is chunked."
        ),
    )


def content_encoding_refused() -> Refusal:
    """What is inspected has to be what is stored, and Mattermost stores it as it comes."""
    return Refusal(
        "gateway.content_encoding_refused",
        415,
        "content_encoding_refused",
        phrase(
            "The file was not uploaded: it was sent with a Content-Encoding header, "
            "as if it were compressed for the way. Send it as it is, without that "
            "header."
        ),
        headers=((b"accept-encoding", b"identity"),),
    )


def unguarded_upload() -> Refusal:
    return Refusal(
        "gateway.unguarded_upload",
        403,
        "unguarded_upload",
        phrase(
            "Files cannot be uploaded here: the upload gateway has no rule for this "
            "address. Ask your administrator if you need it."
        ),
    )


def remote_cluster_off() -> Refusal:
    return Refusal(
        "gateway.remote_cluster_off",
        403,
        "remote_cluster_off",
        phrase(
            "Files from other Mattermost servers are not accepted here: the upload "
            "gateway's administrator has not turned it on."
        ),
    )


def not_served() -> Refusal:
    return Refusal(
        "gateway.not_served",
        404,
        "not_served",
        phrase("Only files are served at this address. For everything else, use Mattermost's own."),
    )


def upload_session_unverified() -> Refusal:
    return Refusal(
        "gateway.upload_session_unverified",
        409,
        "upload_session_unverified",
        phrase(
            "This upload cannot be continued: the upload gateway did not see its "
            "beginning, or does not know any more that it was allowed. Start it "
            "again with a new upload session."
        ),
    )


def resumable_upload_unavailable() -> Refusal:
    return Refusal(
        "gateway.resumable_upload_unavailable",
        501,
        "resumable_upload_unavailable",
        phrase(
            "Resumable uploads are not available here, because such a file has to be "
            "checked as a whole before it is stored. Upload it in one piece instead."
        ),
    )


def client_too_slow() -> Refusal:
    return Refusal(
        "gateway.client_too_slow",
        408,
        "client_too_slow",
        phrase(
            "The upload stopped arriving and was given up. Check your connection and try again."
        ),
    )
