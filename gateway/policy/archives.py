"""May an archive pass, by what is in it."""

from collections.abc import Iterator
from dataclasses import replace

from gateway.contents import LIMITS, Contents, Entry, Kind, Problem, Trouble
from gateway.names import extensions
from gateway.phrases import Phrase, phrase
from gateway.policy.agreement import Agreement
from gateway.policy.entry_paths import Links, name_problem, way_problem
from gateway.policy.groups import Group, group_of
from gateway.policy.judge import judge_content, judge_declaration
from gateway.policy.promises import promised
from gateway.policy.rules import ArchiveRules, Policy, Unseen
from gateway.refusals import (
    Refusal,
    archive_encrypted,
    archive_entry_denied,
    archive_too_large,
    archive_unreadable,
    archive_unsafe,
    shown,
)
from gateway.units import told_size

_MOST_SHOWN = 80


def judge_contents(policy: Policy, name: str, contents: Contents) -> Refusal | None:
    """What the inside of the archive ``name`` decides: limits, each entry, what was not seen.

    ``policy`` is the one that the archive itself is judged by; ``contents`` were looked into as far
    as its limits, or further. Entries' sizes are only counted.
    """
    rules = policy.archives
    if rules is None:
        return None
    problems = contents.problems
    passed = next((p.trouble for p in problems if p.trouble in LIMITS), None)
    passed = passed or contents.beyond(rules.limits)
    if passed is not None:
        return archive_too_large(name, _passed(rules, passed))
    links = Links(contents)
    for entry in contents.entries:
        refusal = _judge_way(name, entry, links) or _judge_entry(policy, rules, name, entry)
        if refusal is not None:
            return refusal
    refusals = (_judge_problem(rules, name, problem) for problem in problems)
    return next(filter(None, refusals), None)


def _passed(rules: ArchiveRules, trouble: Trouble) -> Phrase:
    """A sentence about the archive."""
    if trouble is Trouble.TOO_MANY_ENTRIES:
        return phrase(
            "it has more than {most} files in it, or their names are too long",
            most=rules.max_entries,
        )
    if trouble is Trouble.TOO_LARGE:
        return phrase("it unpacks to more than {size}", size=told_size(rules.max_unpacked_size))
    if trouble is Trouble.RATIO:
        return phrase("it unpacks to more than {ratio} times its own size", ratio=rules.max_ratio)
    if trouble is Trouble.TOO_DEEP:
        return phrase(
            "it has archives in archives that lie more than {depth} deep", depth=rules.max_depth
        )
    return phrase("it takes too long to look into")


def _judge_way(name: str, entry: Entry, links: Links) -> Refusal | None:
    problems = [
        *map(name_problem, filter(None, (entry.name, *entry.other_names))),
        phrase("is a device or a pipe") if entry.kind is Kind.DEVICE else None,
        phrase("can be unpacked in two ways") if entry.trouble is Trouble.AMBIGUOUS else None,
        way_problem(entry, links),
    ]
    problem = next(filter(None, problems), None)
    if problem is None:
        return None
    return archive_unsafe(
        name, phrase("“{path}” in it {problem}", path=_tail(entry.path), problem=problem)
    )


def _judge_entry(policy: Policy, rules: ArchiveRules, name: str, entry: Entry) -> Refusal | None:
    if entry.kind is Kind.DIRECTORY:
        return None
    for called in _names(name, entry):
        denied = judge_declaration(policy, called, None)
        if denied is not None:
            return archive_entry_denied(name, _tail(entry.path or called), denied)
        refusal = _judge_content(policy, rules, name, called, entry)
        if refusal is not None:
            return refusal
    return None


def _names(name: str, entry: Entry) -> Iterator[str]:
    """What programs may call it. One without a name is called as its archive, less the ending."""
    around = entry.archives[-1] if entry.archives else name
    first = entry.name or around.rpartition(".")[0] or around
    for called in (first, *entry.other_names):
        yield called.replace("\\", "/")


def _judge_content(
    policy: Policy, rules: ArchiveRules, name: str, called: str, entry: Entry
) -> Refusal | None:
    if entry.trouble in (Trouble.ENCRYPTED, Trouble.UNREADABLE):
        return _judge_problem(rules, name, Problem(entry.trouble, entry.path))
    if entry.kind is not Kind.REGULAR:
        return None
    if entry.trouble is Trouble.UNSUPPORTED:
        if _is_called_archive(called) or group_of(entry.content_type) is Group.ARCHIVES:
            return _judge_problem(rules, name, Problem(entry.trouble, entry.path))
        policy = replace(policy, agreement=Agreement.OFF)  # nobody has seen the content
    denied = judge_content(policy, called, entry.content_type)
    if denied is None:
        return None
    return archive_entry_denied(name, _tail(entry.path or called), denied)


def _is_called_archive(name: str) -> bool:
    """Then there are further names, which nobody has judged."""
    endings = extensions(name)
    return bool(endings) and any(
        group_of(content_type) is Group.ARCHIVES for content_type in promised(endings[0])
    )


def _judge_problem(rules: ArchiveRules, name: str, problem: Problem) -> Refusal | None:
    path, trouble = _tail(problem.path), problem.trouble
    if trouble is Trouble.ENCRYPTED:
        if rules.encrypted is not Unseen.DENY:
            return None
        inside = phrase("“{path}” in it is encrypted", path=path)
        return archive_encrypted(name, inside if path else phrase("it is encrypted"))
    if trouble is Trouble.AMBIGUOUS:
        inside = phrase("“{path}” in it can be unpacked in two ways", path=path)
        return archive_unsafe(name, inside if path else phrase("it can be unpacked in two ways"))
    if rules.unreadable is Unseen.ALLOW:
        return None
    if trouble is Trouble.UNSUPPORTED:
        inside = phrase("“{path}” in it is packed in a way that is not known here", path=path)
        itself = phrase("it is packed in a way that is not known here")
        return archive_unreadable(name, inside if path else itself)
    inside = phrase("“{path}” in it is damaged", path=path)
    return archive_unreadable(name, inside if path else phrase("it is damaged"))


def _tail(path: str) -> str:
    """For a sentence: the end of a path tells most."""
    if len(path) <= _MOST_SHOWN:
        return shown(path)
    return "…" + shown(path[1 - _MOST_SHOWN :])
