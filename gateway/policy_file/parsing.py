"""The text of a policy file, read into rules."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from gateway.ledger.language import parse_quotas
from gateway.policy.agreement import Agreement
from gateway.policy.circumstances import Conditions, IdentityKind, Role
from gateway.policy.rules import ArchiveRules, ImageRules, Unseen
from gateway.policy.ruleset import Effects, PolicyRule
from gateway.policy.selectors import TypeSelector
from gateway.policy_file.lines import Path, line_of, lines_of
from gateway.policy_file.problems import PolicyFileError, Problem, did_you_mean, quoted
from gateway.policy_file.reach import misplaced
from gateway.policy_file.tables import (
    TABLES,
    ArchivesTable,
    ImagesTable,
    RuleTable,
    WhenTable,
    keys_of,
)
from gateway.policy_file.written import endings

_WHERE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_RULE = "rule"

_EXPECTED = {
    "bool_type": "expected true or false",
    "float_type": "expected a number",
    "int_type": "expected a whole number",
    "list_type": "expected a list",
    "missing": "it is missing",
    "model_type": "expected a table",
    "string_type": "expected a string",
}
"""What is said of pydantic's errors, in TOML's terms."""

Lines = Mapping[Path, int]


def parse(text: str) -> tuple[PolicyRule, ...]:
    """The rules in ``text``, in their order. Raises PolicyFileError with every problem at once."""
    document, lines = _read(text)
    problems = list(_problems_beside_rules(document, lines))
    rules: dict[int, PolicyRule] = {}
    for number, table in enumerate(_rules_of(document)):
        try:
            rules[number] = _rule(RuleTable.model_validate(table))
        except ValidationError as error:
            problems += _told(error, (_RULE, number), lines)
    for number, key, sentence in misplaced(rules, lambda n: lines[_RULE, n]):
        problems.append(Problem(line_of(lines, (_RULE, number, *key)), sentence))
    if problems:
        raise PolicyFileError(sorted(problems, key=lambda problem: problem.line or 0))
    return tuple(rules.values())


def _read(text: str) -> tuple[dict[str, Any], Lines]:
    try:
        return tomllib.loads(text), lines_of(text)
    except tomllib.TOMLDecodeError as error:
        sentence, line = str(error), None
        if where := _WHERE.search(sentence):
            sentence = sentence[: where.start()]
            line = int(where[1]) if where[1] else text.rstrip().count("\n") + 1
        sentence = f"this is not TOML: {sentence[:1].lower()}{sentence[1:]}"
    except RecursionError:
        sentence, line = "its values are nested too deeply", None
    raise PolicyFileError([Problem(line, sentence)])


def _rules_of(document: dict[str, Any]) -> list[object]:
    rules = document.get(_RULE)
    return rules if isinstance(rules, list) else []


def _problems_beside_rules(document: dict[str, Any], lines: Lines) -> Iterator[Problem]:
    for key in document:
        if key != _RULE:
            hint = "" if _RULE in document else did_you_mean(key, [_RULE])
            yield Problem(
                lines[key,],
                f"{quoted(key)} means nothing here: the file has rules and nothing else, each of "
                f"which begins with [[rule]]{hint}",
            )
    if not isinstance(document.get(_RULE, []), list):
        yield Problem(lines[_RULE,], "each rule begins with [[rule]], in two brackets")
    elif not _rules_of(document) and not document.keys() - {_RULE}:
        yield Problem(None, "there is no rule in it")


def _told(error: ValidationError, rule: Path, lines: Lines) -> Iterator[Problem]:
    for item in error.errors():
        path: Path = item["loc"]
        line = line_of(lines, (*rule, *path))
        *outer, key = path or (_RULE,)
        if item["type"] == "extra_forbidden":
            yield Problem(line, _unknown(tuple(map(str, outer)), str(key)))
        else:
            sentence = _EXPECTED.get(item["type"]) or item["msg"].removeprefix("Value error, ")
            name = ".".join(part for part in path if isinstance(part, str)) or _RULE
            yield Problem(line, f"{name}: {sentence[:1].lower()}{sentence[1:]}")


def _unknown(table: tuple[str, ...], key: str) -> str:
    known = [(*table, its) for its in keys_of(TABLES[table])]
    elsewhere = [(*other, key) for other in TABLES if key in keys_of(TABLES[other])]
    if close := get_close_matches(key, keys_of(TABLES[table]), n=1):
        elsewhere.append((*table, *close))
    hint = f"did you mean {'.'.join(elsewhere[0])}?" if elsewhere else ""
    hint = hint or f"there are {', '.join(map('.'.join, known))}"
    return f"{'.'.join((*table, key))} is not a key of {table[-1] if table else 'a rule'}; {hint}"


def _rule(table: RuleTable) -> PolicyRule:
    return PolicyRule(table.name, _conditions(table.when), _effects(table), table.enforce)


def _conditions(when: WhenTable) -> Conditions:
    return Conditions(
        endpoints=frozenset(when.endpoint),
        roles=frozenset(map(Role, when.role)),
        identities=frozenset(map(IdentityKind, when.identity)),
        users=frozenset(when.user),
        channels=frozenset(when.channel),
        teams=frozenset(when.team),
    )


def _effects(table: RuleTable) -> Effects:
    agreement, archives, images = table.extension_agreement, table.archives, table.images
    return Effects(
        max_file_size=table.max_file_size,
        allowed=_selector(table.allowed_types),
        denied=_selector(table.denied_types),
        allowed_extensions=_endings(table.allowed_extensions),
        denied_extensions=_endings(table.denied_extensions),
        allowed_names=_globs(table.allowed_names),
        denied_names=_globs(table.denied_names),
        agreement=None if agreement is None else Agreement(agreement),
        scan=table.scan,
        metadata=table.strip_metadata,
        message=table.message,
        archives=None if archives is None else _archive_rules(archives),
        images=None if images is None else _image_rules(images),
        quotas=None if table.quotas is None else parse_quotas(",".join(table.quotas)),
    )


def _selector(types: list[str] | None) -> TypeSelector | None:
    return None if types is None else TypeSelector.parse(",".join(types))


def _endings(items: list[str] | None) -> frozenset[str] | None:
    return None if items is None else endings(items)


def _globs(globs: list[str] | None) -> tuple[str, ...] | None:
    return None if globs is None else tuple(globs)


def _archive_rules(table: ArchivesTable) -> ArchiveRules:
    said = table.model_dump()
    said |= {key: Unseen(said[key]) for key in ("encrypted", "unreadable")}
    return ArchiveRules(**said)


def _image_rules(table: ImagesTable) -> ImageRules:
    return ImageRules(**table.model_dump())
