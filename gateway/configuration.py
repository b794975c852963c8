"""What the settings mean: policies, quotas, certificates; and what is wrong with them."""

import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TypeVar

from gateway.endpoints import ATTACHMENTS, COUNTED, RULED, RULES, Rule
from gateway.ledger.engines import missing_for
from gateway.ledger.language import parse_quotas, parse_zone
from gateway.ledger.quotas import Quota
from gateway.machines.issuers import parse_issuers
from gateway.machines.key_file import parse_keys
from gateway.machines.watched import FileProblem, read_file
from gateway.policy.extensions import parse_extensions
from gateway.policy.rules import Agreement, Policy
from gateway.policy.ruleset import PolicyRule, Ruleset
from gateway.policy.selectors import NOTHING, TypeSelector
from gateway.policy_file.problems import PolicyFileError, Problem
from gateway.policy_file.reading import PolicyFile
from gateway.settings import (
    MIN_ADMIN_TOKEN,
    PREFIX,
    AllSettings,
    Settings,
    SettingsError,
    default,
    load,
    shown_value,
    types_setting,
)
from gateway.traces.extra import traces_available

T = TypeVar("T")

_RULES = (
    *map(types_setting, RULES),
    "denied_types",
    "denied_extensions",
    "quotas",
    "quota_timezone",
)


def rules_from(settings: Settings) -> tuple[Mapping[Rule, Policy], tuple[Quota, ...]]:
    """The policy of each rule, and the quotas, that the settings describe. Raises SettingsError."""
    problems: list[str] = []

    def read(name: str, parse: Callable[[str], T], fallback: T) -> T:
        value = getattr(settings, name)
        try:
            return parse(value)
        except ValueError as error:
            problems.append(f"{PREFIX}{name.upper()}={value!r}: {error}")
            return fallback

    nothing = NOTHING
    denied = read("denied_types", TypeSelector.parse, nothing)
    no_extensions: frozenset[str] = frozenset()
    denied_extensions = read("denied_extensions", parse_extensions, no_extensions)
    policies = {
        rule: Policy(
            max_file_size=settings.largest(rule),
            allowed=read(types_setting(rule), TypeSelector.parse, nothing),
            denied=denied,
            denied_extensions=denied_extensions,
            agreement=Agreement(settings.extension_agreement),
        )
        for rule in RULES
    }
    no_quotas: tuple[Quota, ...] = ()
    quotas = read("quotas", parse_quotas, no_quotas)
    utc: tzinfo = UTC
    read("quota_timezone", parse_zone, utc)
    if problems:
        raise SettingsError(problems)
    return policies, quotas


def ruleset_from(settings: Settings, rules: Sequence[PolicyRule]) -> Ruleset:
    """``rules``, and behind them the policy of each endpoint, by what rules call it.

    Raises SettingsError.
    """
    policies, quotas = rules_from(settings)
    return Ruleset(
        {name: replace(policies[rule], quotas=quotas) for name, rule in RULED.items()},
        frozenset(name for name, rule in RULED.items() if rule is ATTACHMENTS),
        rules,
        enforce=settings.enforce == "on",
        counted=COUNTED,
    )


def quotas_from(settings: Settings, rules: Sequence[PolicyRule]) -> list[Quota]:
    """All quotas that anybody may meet: first those of the settings, then those of ``rules``."""
    found = list(parse_quotas(settings.quotas))
    for rule in rules:
        found += rule.effects.quotas or ()
    return found


def file_rules_from(settings: Settings) -> tuple[PolicyRule, ...]:
    """The rules of the policy file, if there is one. Raises SettingsError."""
    if settings.policy_file is None:
        return ()
    return readable_rules(settings, PolicyFile(settings.policy_file))


def readable_rules(settings: Settings, file: PolicyFile) -> tuple[PolicyRule, ...]:
    """The rules in ``file``, which have to get on with the settings. Raises SettingsError."""
    try:
        rules = file.read()
    except PolicyFileError as error:
        raise SettingsError([_told(file.path, problem) for problem in error.problems]) from None
    unable = [rule.name for rule in rules if rule.effects.scan and settings.scanner_url is None]
    if unable:
        names = ", ".join(unable)
        problem = f"{names}: files are to be scanned, but {PREFIX}SCANNER_URL is not set"
        raise SettingsError([f"{file.path}: {problem}"])
    return rules


def _told(path: Path, problem: Problem) -> str:
    if problem.line is None:
        return f"{PREFIX}POLICY_FILE={path}: {problem.sentence}"
    return f"{path}:{problem.line}: {problem.sentence}"


_METHODS: tuple[tuple[str, str, Callable[[bytes], object]], ...] = (
    ("api-key", "api_keys_file", parse_keys),
    ("oidc", "oidc_file", parse_issuers),
)
"""Methods of authentication, the settings of their files, and how these are read."""


def quota_problems(settings: Settings) -> list[str]:
    """Quotas in ``settings`` that could never apply."""
    try:
        quotas = parse_quotas(settings.quotas)
    except ValueError:
        return []  # which is told elsewhere
    if {"api-key", "oidc"}.isdisjoint(settings.auth) and any(q.scope == "key" for q in quotas):
        methods = f"{PREFIX}AUTH has neither api-key nor oidc, so that nobody has a key"
        return [f"{PREFIX}QUOTAS={settings.quotas!r}: {methods}"]
    return []


def ledger_problems(settings: Settings) -> list[str]:
    """What is missing for the ledger that is asked for."""
    missing = missing_for(settings.ledger_url)
    if not missing:
        return []
    return [
        f"{PREFIX}LEDGER_URL={shown_value('ledger_url', settings.ledger_url)}: this needs the "
        f"{'library' if len(missing) == 1 else 'libraries'} {' and '.join(missing)}; install the "
        'gateway with its extra "redis", as in pip install "mattermost-upload-gateway[redis]"'
    ]


def trace_problems(settings: Settings) -> list[str]:
    """What is missing for traces that are asked for."""
    if settings.traces_url is None or traces_available():
        return []
    return [
        f"{PREFIX}TRACES_URL={settings.traces_url}: this needs the libraries of OpenTelemetry; "
        'install the gateway with its extra "otel", as in pip install '
        '"mattermost-upload-gateway[otel]"'
    ]


def method_problems(settings: Settings, *, with_files: bool) -> list[str]:
    """What is wrong with the methods that ``settings`` turn on, and ``with_files`` with theirs."""
    problems = []
    for method, name, parse in _METHODS:
        path: Path | None = getattr(settings, name)
        variable = f"{PREFIX}{name.upper()}"
        if path is None and method in settings.auth:
            problems.append(f"{variable} is required, since {PREFIX}AUTH has {method}")
        elif path is not None and method not in settings.auth:
            problems.append(f"{variable}={path}: {PREFIX}AUTH does not have {method}")
        elif path is not None and with_files:
            try:
                parse(read_file(path))
            except FileProblem as error:
                problems += [f"{variable}={path}: {problem}" for problem in error.problems]
    folder = settings.accounts_dir
    if folder is not None and not folder.is_dir():
        problems.append(f"{PREFIX}ACCOUNTS_DIR={folder}: this is no folder")
    return problems


def admin_token_from(settings: Settings) -> str | None:
    """What has to be known to see the status page. Raises SettingsError."""
    file = settings.admin_token_file
    if file is None:
        return settings.admin_token.get_secret_value() if settings.admin_token else None
    variable = f"{PREFIX}ADMIN_TOKEN_FILE={file}"
    if settings.admin_token is not None:
        raise SettingsError([f"{variable}: {PREFIX}ADMIN_TOKEN is set, too; one is enough"])
    try:
        token = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        problem = f"this file cannot be read ({error.strerror})"
        raise SettingsError([f"{variable}: {problem}"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{variable}: this file holds no text"]) from None
    if len(token) < MIN_ADMIN_TOKEN:
        problem = f"the token in it has fewer than {MIN_ADMIN_TOKEN} characters"
        raise SettingsError([f"{variable}: {problem}"])
    return token


def tls_from(settings: Settings) -> ssl.SSLContext | None:
    """How Mattermost proves to be itself; None without TLS. Raises SettingsError."""
    ca_file = settings.upstream_ca_file
    if settings.upstream_origin.startswith("https:"):
        try:
            return ssl.create_default_context(cafile=ca_file)
        except ssl.SSLError:
            problem = "this file holds no certificates (PEM)"
        except OSError as error:
            problem = f"this file cannot be read ({error.strerror})"
    elif ca_file is not None:
        problem = f"{PREFIX}UPSTREAM_URL begins with http:, so that nothing is signed"
    else:
        return None
    raise SettingsError([f"{PREFIX}UPSTREAM_CA_FILE={ca_file}: {problem}"])


def _unwritable(path: Path) -> str:
    """What keeps the gateway from writing to ``path`` and beside it; empty if nothing does."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return "its folder is none that can be written to"
    usable = path.is_file() and os.access(path, os.R_OK | os.W_OK)
    if path.is_symlink() or (path.exists() and not usable):
        return "this is no file that can be read and written to"
    return ""


def checked_settings(
    environ: Mapping[str, str] = os.environ, *, with_files: bool = True
) -> Settings:
    """The settings in ``environ``. Raises SettingsError with all that is wrong with them, and
    ``with_files`` with the policy file, and those of API keys and issuers."""
    problems: list[str] = []
    try:
        settings = load(environ)
    except SettingsError as error:
        problems += error.problems
        # The rules are text whatever the rest is: what is wrong with them is told as well.
        given = {name: environ.get(f"{PREFIX}{name.upper()}", default(name)) for name in _RULES}
        settings = AllSettings.model_construct(
            max_file_size=1,
            upload_session_ttl=1.0,
            ledger_lease=1.0,
            spool_dir=None,
            audit_log=None,
            traces_url=None,
            policy_file=Path(path) if (path := environ.get(f"{PREFIX}POLICY_FILE")) else None,
            scanner_url=environ.get(f"{PREFIX}SCANNER_URL"),
            upstream_url="",
            upstream_ca_file=None,
            **given,
        )
    for read_rules in (rules_from, file_rules_from) if with_files else (rules_from,):
        try:
            read_rules(settings)
        except SettingsError as error:
            problems += error.problems
    if settings.upload_session_ttl < settings.ledger_lease:
        problems.append(
            f"{PREFIX}UPLOAD_SESSION_TTL={settings.upload_session_ttl:g}s: this is shorter than "
            f"{PREFIX}LEDGER_LEASE, so that a session could expire while it is in use"
        )
    problems += method_problems(settings, with_files=with_files)
    problems += quota_problems(settings)
    problems += ledger_problems(settings)
    problems += trace_problems(settings)
    spool_dir = settings.spool_dir
    if spool_dir is not None and not os.access(spool_dir, os.W_OK | os.X_OK):
        problems.append(f"{PREFIX}SPOOL_DIR={spool_dir}: this is no folder that can be written to")
    audit_log = settings.audit_log
    if audit_log is not None and (problem := _unwritable(audit_log)):
        problems.append(f"{PREFIX}AUDIT_LOG={audit_log}: {problem}")
    for read in (tls_from, admin_token_from):
        try:
            read(settings)
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    return settings
