"""Issuers whose tokens are good for uploads, and what their tokens stand for: a file of an
administrator's."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gateway.machines.key_file import read_toml, tables
from gateway.machines.limits import ACCOUNT_NAME, Limits, Reader, read_account, read_limits
from gateway.machines.watched import FileProblem
from gateway.units import parse_duration
from gateway.upstream.issuers import check_address

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519",
)  # fmt: skip
"""With which tokens may be signed: those with a public key, which forges nothing."""
_USUAL_ALGORITHMS = ("RS256", "ES256")
_LONGEST_LEEWAY = 600.0


@dataclass(frozen=True, slots=True)
class TokenRule:
    """What tokens with certain claims stand for."""

    name: str
    claims: Mapping[str, object]
    account: str
    limits: Limits

    def applies_to(self, claims: Mapping[str, object]) -> bool:
        return _agrees(self.claims, claims)


class Ages(NamedTuple):
    """Of an issuer's keys; seconds."""

    refresh: float = 600.0
    """After which keys are fetched again."""
    keep: float = 86_400.0
    """For which they hold if that is not possible."""
    retry: float = 30.0
    """Between two tries to fetch them, whatever tokens come."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where an issuer's keys come from."""

    url: str
    jwks_url: str | None
    ca_file: str | None
    bearer_file: Path | None
    """With a token that the issuer wants to see, as Kubernetes does."""
    ages: Ages


@dataclass(frozen=True, slots=True)
class Issuer:
    """Somebody whose tokens are believed, as far as rules go."""

    name: str
    source: Source
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    required: tuple[str, ...]
    """Claims that each token has to have beside ``iss``, ``aud`` and ``exp``."""
    leeway: float
    """Seconds that clocks may differ."""
    rules: tuple[TokenRule, ...]

    def rule_for(self, claims: Mapping[str, object]) -> TokenRule | None:
        """The first that applies."""
        return next((rule for rule in self.rules if rule.applies_to(claims)), None)


Issuers = Mapping[str, Issuer]
"""By the ``iss`` of their tokens."""


def parse_issuers(document: bytes) -> Issuers:
    """Raises FileProblem with all that is wrong."""
    problems: list[str] = []
    issuers: dict[str, Issuer] = {}
    for name, table in tables(read_toml(document), "issuers", problems):
        issuer = _issuer(name, Reader(table, f"issuers.{name}", problems), problems)
        if issuer.source.url in issuers:
            problems.append(f"issuers.{name}: url: another issuer has the same")
        issuers[issuer.source.url] = issuer
    if problems:
        raise FileProblem(problems)
    return issuers


def _issuer(name: str, reader: Reader, problems: list[str]) -> Issuer:
    issuer = Issuer(
        name=name,
        source=_source(reader),
        audiences=reader.texts("audience", _text, ()),
        algorithms=reader.texts("algorithms", _algorithm, _USUAL_ALGORITHMS),
        required=reader.texts("required", _text, ()),
        leeway=reader.text("leeway", _leeway, 60.0),
        rules=tuple(_rules(name, reader.take("rules"), problems)),
    )
    if not issuer.audiences:
        reader.wrong("audience", "is required: for whom the issuer makes these tokens")
    reader.end()
    return issuer


def _source(reader: Reader) -> Source:
    usual = Ages()
    source = Source(
        url=reader.text("url", _address, ""),
        jwks_url=reader.text("jwks_url", _address, None),
        ca_file=reader.text("ca_file", _ca_file, None),
        bearer_file=reader.text("bearer_file", Path, None),
        ages=Ages(
            refresh=reader.text("keys_refresh", parse_duration, usual.refresh),
            keep=reader.text("keys_keep", parse_duration, usual.keep),
            retry=reader.text("keys_retry", parse_duration, usual.retry),
        ),
    )
    if not source.url:
        reader.wrong("url", "is required: what the tokens have as iss")
    return source


def _rules(issuer: str, given: object, problems: list[str]) -> list[TokenRule]:
    where = f"issuers.{issuer}"
    if not isinstance(given, list) or not given:
        problems.append(f"{where}: rules: expected tables such as [[{where}.rules]]")
        return []
    return [
        _rule(Reader(table, f"{where}.rules[{number}]", problems))
        for number, table in enumerate(given, 1)
        if isinstance(table, dict)
    ]


def _rule(reader: Reader) -> TokenRule:
    claims = reader.take("claims")
    if not isinstance(claims, dict) or not claims or not _can_be_compared(claims):
        reader.wrong("claims", 'expected what a token has to say, such as { project = "a/b" }')
        claims = {}
    rule = TokenRule(
        name=reader.text("name", _name, ""),
        claims=claims,
        account=read_account(reader),
        limits=read_limits(reader),
    )
    if not rule.name:
        reader.wrong("name", "is required, for the log")
    reader.end()
    return rule


def _can_be_compared(value: object) -> bool:
    match value:
        case dict():
            return bool(value) and all(map(_can_be_compared, value.values()))
        case list():
            return bool(value) and all(isinstance(item, (str, bool, int)) for item in value)
        case _:
            return isinstance(value, (str, bool, int))


def _agrees(wanted: Any, given: Any) -> bool:
    """Whether a claim is what a rule wants: of several values, one has to be one of those wanted.

    A ``*`` in a text stands for any characters, and for none.
    """
    if isinstance(wanted, dict):
        return isinstance(given, dict) and all(
            name in given and _agrees(value, given[name]) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return any(_agrees(item, given) for item in wanted)
    if isinstance(given, list):
        return any(_agrees(wanted, item) for item in given if not isinstance(item, list))
    if isinstance(wanted, str) and isinstance(given, str):
        pattern = ".*".join(map(re.escape, wanted.split("*")))
        return re.fullmatch(pattern, given, re.DOTALL) is not None
    return type(wanted) is type(given) and bool(wanted == given)


def _text(text: str) -> str:
    if not text:
        raise ValueError("expected a text that is not empty")
    return text


def _name(text: str) -> str:
    if not ACCOUNT_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a name of letters, digits, dots, dashes")
    return text


def _address(text: str) -> str:
    check_address(text)
    return text


def _algorithm(text: str) -> str:
    if text not in ALGORITHMS:
        raise ValueError(f"{text!r} is none of {', '.join(ALGORITHMS)}")
    return text


def _leeway(text: str) -> float:
    leeway = parse_duration(text)
    if leeway > _LONGEST_LEEWAY:
        raise ValueError(f"clocks do not differ by {text}")
    return leeway


def _ca_file(text: str) -> str:
    try:
        ssl.create_default_context(cafile=text)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"{text!r} holds no certificates (PEM): {error}") from None
    return text
