"""Verdicts: facts and policy in, a refusal or nothing out."""

import re
from collections.abc import Callable
from fnmatch import translate
from functools import lru_cache

from gateway.content import split
from gateway.names import endings, extensions, readings
from gateway.phrases import Phrase, phrase
from gateway.policy.agreement import (
    Agreement,
    broken_promise,
    contradicts,
    dangerous_disguise,
)
from gateway.policy.called import called
from gateway.policy.rules import Policy
from gateway.refusals import (
    Refusal,
    content_mismatch,
    extension_denied,
    file_too_large,
    name_denied,
    shown,
    type_denied,
)

_OFF, _DANGEROUS = Agreement.OFF, Agreement.DANGEROUS  # looked up once, as in gateway.values
_NEVER = "(?!)"
"""A pattern that matches nothing."""


def judge_declaration(policy: Policy, name: str, size: int | None) -> Refusal | None:
    """What the headers alone decide. ``size`` is in bytes, None if they do not tell."""
    for extension in extensions(name):
        if extension in policy.denied_extensions:
            return extension_denied(name, extension)
    if policy.limits_names:
        refusal = _judge_name(policy, name)
        if refusal is not None:
            return refusal
    if size is not None and size > policy.max_file_size:
        return file_too_large(name, size, policy.max_file_size)
    return None


def judge_content(
    policy: Policy, name: str, content_type: str, declared: str | None = None
) -> Refusal | None:
    """What the content decides, in this order: a disguise, a denied type, one not allowed.

    ``content_type`` is as gateway.content writes it, ``declared`` the type that the client gave.
    """
    refusal = _judge_agreement(policy, name, content_type, declared)
    if refusal is not None:
        return refusal
    if (
        policy.denied.matches(content_type)
        or not policy.allowed.matches(content_type)
        or not policy.within.matches(content_type)
    ):
        return type_denied(name, split(content_type)[0], called(content_type))
    return None


def unkept_promise(policy: Policy, name: str, content_type: str) -> str | None:
    """The type that the name promises, where it is another one and the policy looks."""
    if policy.agreement is _OFF:
        return None
    return broken_promise(extensions(name), content_type)


def _judge_name(policy: Policy, name: str) -> Refusal | None:
    """However it may be read, it has to be allowed."""
    allowed = policy.allowed_extensions
    for reading in readings(name):
        its = endings(reading)
        if allowed is not None and allowed.isdisjoint(its):
            return extension_denied(name, its[0] if its else "")
        if _one_of(policy.denied_names)(reading) or not _one_of(policy.allowed_names)(reading):
            return name_denied(name)
    return None


@lru_cache(256)
def _one_of(globs: tuple[str, ...]) -> Callable[[str], object]:
    return re.compile("|".join(map(translate, globs)) or _NEVER).match


def _judge_agreement(
    policy: Policy, name: str, content_type: str, declared: str | None
) -> Refusal | None:
    if policy.agreement is _OFF:
        return None
    endings = extensions(name)
    disguise = dangerous_disguise(endings, content_type)
    if disguise is not None:
        return _mismatch(
            name, phrase("its name ends in .{ending}", ending=shown(disguise, 20)), content_type
        )
    if policy.agreement is _DANGEROUS:
        return None
    promise = broken_promise(endings, content_type)
    if promise is not None:
        claim = phrase("its name promises {what}", what=called(promise))
        return _mismatch(name, claim, content_type, harmful=False)
    if declared is not None and contradicts(declared, endings, content_type):
        claim = phrase("it was sent as {type}", type=shown(declared))
        return _mismatch(name, claim, content_type, harmful=False)
    return None


def _mismatch(name: str, claim: Phrase, content_type: str, *, harmful: bool = True) -> Refusal:
    bare = split(content_type)[0]
    return content_mismatch(name, claim, bare, called(content_type), harmful=harmful)
