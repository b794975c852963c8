"""Verdicts: facts and policy in, a refusal or nothing out."""

from gateway.names import extensions
from gateway.policy.agreement import Agreement, dangerous_disguise
from gateway.policy.called import called
from gateway.policy.rules import Policy
from gateway.refusals import (
    Refusal,
    content_mismatch,
    extension_denied,
    file_too_large,
    type_denied,
)


def judge_declaration(policy: Policy, name: str, size: int | None) -> Refusal | None:
    """What the headers alone decide. ``size`` is in bytes, None if they do not tell."""
    for extension in extensions(name):
        if extension in policy.denied_extensions:
            return extension_denied(name, extension)
    if size is not None and size > policy.max_file_size:
        return file_too_large(name, size, policy.max_file_size)
    return None


def judge_content(policy: Policy, name: str, content_type: str) -> Refusal | None:
    """What the content decides, in this order: a disguise, a denied type, one not allowed."""
    if policy.agreement is Agreement.DANGEROUS:
        disguise = dangerous_disguise(extensions(name), content_type)
        if disguise is not None:
            return content_mismatch(name, disguise, content_type, called(content_type))
    if policy.denied.matches(content_type) or not policy.allowed.matches(content_type):
        return type_denied(name, content_type, called(content_type))
    return None
