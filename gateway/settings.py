"""Settings: environment variables with the prefix ``GATEWAY_``, read once at start.

The README's table is checked against this module, so each description is a sentence that
an administrator reads.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    create_model,
)

from gateway.endpoints import ATTACHMENTS, RULES, Rule
from gateway.languages.catalogue import TAGS
from gateway.units import format_size, parse_duration, parse_size

PREFIX = "GATEWAY_"
_HOUR = 3600.0
MIN_ADMIN_TOKEN = 16
"""Characters."""

_PASSWORD = re.compile(r":[^:@/]*@")

Network = IPv4Network | IPv6Network
Method = Literal["mattermost", "api-key", "oidc"]


class SettingsError(Exception):
    """The settings cannot be used; ``problems`` holds one sentence for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _locale(value: str) -> str:
    if value not in TAGS:
        raise ValueError(f"expected one of {', '.join(TAGS)}")
    return value


def _address(value: str) -> str:
    host, separator, port = value.rpartition(":")
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("expected HOST:PORT, for example 0.0.0.0:8066 or [::1]:8066")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("an IPv6 address needs brackets, for example [::1]:8066")
    return value


def _upstream_url(value: str) -> str:
    parts = urlsplit(value)
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("the port is not a number from 1 to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected Mattermost's address, for example http://mattermost:8065")
    if parts.query or parts.fragment:
        raise ValueError("expected no query and no fragment, only http://host:port/subpath")
    if parts.username or parts.password:
        raise ValueError("expected no user name or password; callers bring their own credentials")
    return value.rstrip("/")


def _path(value: object) -> object:
    if value == "":  # which would be the present folder
        raise ValueError("expected a path")
    return value


_REDIS = re.compile(r"(?:redis|valkey)s?(?:\+(?:sentinel|cluster))?://[^/?#]+(?:/[^?#]*)?")


def _ledger_url(value: str) -> str:
    if _REDIS.fullmatch(value):
        return value
    if not value.startswith("sqlite:///") or value == "sqlite:///":
        raise ValueError(
            "expected sqlite:///relative/path, sqlite:////absolute/path or redis://host:6379/0"
        )
    return value


def _zone(value: str) -> str:
    if not value:  # whether it is a zone, those find out who count in it
        raise ValueError("expected UTC or a time zone such as Europe/Berlin")
    return value


def _scanner_url(value: str) -> str:
    parts = urlsplit(value)
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the port is not a number from 1 to 65535") from None
    tcp = parts.scheme == "tcp" and parts.hostname and port and parts.path in ("", "/")
    unix = parts.scheme == "unix" and not parts.netloc and len(parts.path) > 1
    if not (tcp or unix) or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "expected ClamAV's address, tcp://host:3310 or unix:///run/clamav/clamd.ctl"
        )
    return value.rstrip("/")


def _traces_url(value: str) -> str:
    parts = urlsplit(value)
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("the port is not a number from 1 to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("expected a collector's address, for example http://collector:4318")
    if parts.query or parts.fragment:
        raise ValueError("expected no query and no fragment")
    return value if parts.path.strip("/") else f"{value.rstrip('/')}/v1/traces"


def _methods(value: object) -> object:
    if not isinstance(value, str):
        return value
    items = tuple(item.strip() for item in value.split(",") if item.strip())
    if not items:
        raise ValueError("expected at least one of mattermost, api-key, oidc")
    if len(set(items)) < len(items):
        raise ValueError("a method is there twice")
    return items


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(_network(item.strip()) for item in value.split(",") if item.strip())


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an address or network such as 10.0.0.0/8") from None


def _whole_number(value: object) -> object:
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("expected a whole number")
    return value


def default_state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where state lives unless told otherwise: systemd's folder, else the XDG state folder."""
    if folder := environ.get("STATE_DIRECTORY"):
        return Path(folder.split(":")[0])
    base = environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "mattermost-upload-gateway"


def _default_ledger_url() -> str:
    return f"sqlite:///{default_state_folder() / 'ledger.sqlite3'}"


Size = Annotated[int, BeforeValidator(_size), Field(ge=1)]
Duration = Annotated[float, BeforeValidator(_duration), Field(gt=0)]
Address = Annotated[str, AfterValidator(_address)]
FilePath = Annotated[Path, BeforeValidator(_path)]
WholeNumber = Annotated[int, BeforeValidator(_whole_number)]


class Settings(BaseModel):
    """All settings. Sizes are bytes and durations seconds, once parsed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    upstream_url: Annotated[str, AfterValidator(_upstream_url)] = Field(
        description="Mattermost, `http://host:8065`; a subpath is allowed."
    )
    upstream_ca_file: FilePath | None = Field(
        None,
        description="The certificates (PEM) that Mattermost's own must be signed by if its "
        "address begins with `https://`.",
    )
    listen: Address = Field("0.0.0.0:8066", description="Where clients come in.")
    admin_listen: Address = Field(
        "127.0.0.1:8067",
        description="Where the status page, `/metrics`, `/healthz` and `/readyz` are served.",
    )
    admin_token: SecretStr | None = Field(
        None,
        min_length=MIN_ADMIN_TOKEN,
        description="What has to be known to see the status page and its `/api`, see "
        "[docs/status-page.md](docs/status-page.md); without one they are for this machine only. "
        "At least 16 characters.",
    )
    admin_token_file: FilePath | None = Field(
        None, description="A file with that token, in place of it."
    )
    workers: WholeNumber = Field(1, ge=1, le=64, description="Worker processes.")
    mode: Literal["proxy", "uploads"] = Field(
        "proxy",
        description="`proxy` passes on all that has nothing to do with files; `uploads` answers "
        "404 to all but the addresses of the guard table.",
    )
    remote_cluster: Literal["on", "off"] = Field(
        "off", description="Whether connected Mattermost servers may send files."
    )
    unlisted_uploads: Literal["inspect", "deny", "allow"] = Field(
        "inspect",
        description="What becomes of files for addresses that are not in the guard table, such as "
        "a plugin's: `inspect` applies the rules of attachments, `deny` refuses them, `allow` "
        "passes them on unseen.",
    )
    max_file_size: Size = Field(
        parse_size("100MiB"), description="Largest file, for example `512KiB`, `100MiB`, `2GiB`."
    )
    allowed_types: str = Field(
        "*",
        description="Content types that may pass: exact (`application/pdf`), `image/*`, or a "
        "group (`images`, `documents`, …), comma separated.",
    )
    denied_types: str = Field(
        "executables", description="Content types that may not pass; denial wins."
    )
    denied_extensions: str = Field(
        "default",
        description="File-name endings that may not pass, comma separated; `default` stands for "
        "the built-in list, so that `default,iso` adds to it.",
    )
    extension_agreement: Literal["strict", "dangerous", "off"] = Field(
        "dangerous",
        description="`dangerous` refuses a file whose name promises a harmless type while its "
        "bytes are a program, a script or active content, and logs other disagreements; `strict` "
        "refuses every disagreement of name, declared type and bytes; `off` does not look.",
    )
    policy_file: FilePath | None = Field(
        None,
        description="A file of rules (TOML), see [docs/policy.md](docs/policy.md); where none of "
        "them decides, the settings do.",
    )
    enforce: Literal["on", "off"] = Field(
        "on",
        description="`off` lets every file pass that Mattermost would take, and reports what "
        "would have been refused.",
    )
    quotas: str = Field(
        "",
        description="Quotas, for example `user 1GiB/day, user 4 at once`; empty for none.",
    )
    quota_timezone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC",
        description="The zone whose days, weeks and months quotas are counted in, for example "
        "`Europe/Berlin`.",
    )
    ledger_url: Annotated[str, AfterValidator(_ledger_url)] = Field(
        default_factory=_default_ledger_url,
        description="Where quotas are kept: `sqlite:////absolute/path`, or a Redis or Valkey: "
        "`redis://host:6379/0`, `rediss://…` with TLS, `redis+sentinel://host,host/name`, "
        "`redis+cluster://host,host`.",
    )
    ledger_ca_file: FilePath | None = Field(
        None,
        description="The certificates (PEM) that a `rediss://` ledger's own must be signed by.",
    )
    ledger_timeout: Duration = Field(
        5.0, description="How long an upload waits for the ledger's answer."
    )
    ledger_on_error: Literal["deny", "allow"] = Field(
        "deny",
        description="What becomes of uploads while the ledger is unavailable: `deny` answers 503, "
        "`allow` lets them pass uncounted.",
    )
    ledger_lease: Duration = Field(
        60.0,
        description="How long a reservation outlives a gateway process that was killed.",
    )
    upload_session_ttl: Duration = Field(
        86_400.0,
        description="How long an upload session waits for its next chunk, and its share of a "
        "quota with it.",
    )
    session_ttl: Duration = Field(
        60.0,
        description="How long Mattermost's answer about a credential, or about the channel or "
        "team of a file, is believed.",
    )
    session_negative_ttl: Duration = Field(
        5.0,
        description="How long a rejected credential stays rejected, and a hidden place hidden, "
        "without asking again.",
    )
    session_cache_size: WholeNumber = Field(
        20_000,
        ge=1,
        description="How many credentials, and how many places, are remembered, per worker.",
    )
    auth: Annotated[tuple[Method, ...], BeforeValidator(_methods)] = Field(
        ("mattermost",),
        description="By what callers may be known: `mattermost` (sessions and access tokens), "
        "`api-key`, `oidc`, comma separated.",
    )
    api_keys_file: FilePath | None = Field(
        None,
        description="The API keys, as `keys create` writes them; read again when it changes.",
    )
    oidc_file: FilePath | None = Field(
        None,
        description="The issuers whose tokens are believed, and what these stand for (TOML); "
        "read again when it changes.",
    )
    accounts_dir: FilePath | None = Field(
        None,
        description="A folder with a file for each Mattermost account that API keys and tokens "
        "stand for, called as the account, with its access token in it; read again when it "
        "changes.",
    )
    account_token: SecretStr | None = Field(
        None, min_length=1, description="The access token of the account called `default`."
    )
    failed_attempts: WholeNumber = Field(
        60,
        ge=0,
        le=100_000,
        description="How many uploads in a minute may come from one address with a credential "
        "that nobody knows, before more are refused; 0 for any number.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = Field(
        (),
        description="Addresses or networks (CIDR) whose `X-Forwarded-*`, `X-Request-Id`, "
        "`traceparent` and `tracestate` headers are believed; none by default.",
    )
    connect_timeout: Duration = Field(
        5.0, description="How long connecting to Mattermost, or to ClamAV, may take."
    )
    upstream_timeout: Duration = Field(
        120.0,
        description="How long Mattermost may take to accept more bytes, to answer, or to go on "
        "with an answer.",
    )
    client_timeout: Duration = Field(
        60.0,
        description="How long a client may send nothing in the middle of a request, or take "
        "nothing of an answer.",
    )
    shutdown_timeout: Duration = Field(
        300.0, description="How long running uploads may take to finish after SIGTERM."
    )
    spool_dir: FilePath | None = Field(
        None,
        description="Where files wait that must be complete before their verdict.",
    )
    spool_limit: Size = Field(
        parse_size("10GiB"),
        description="How much all waiting files of a worker may take there, with those of "
        "resumable uploads, which belong to all workers.",
    )
    spool_shared: Literal["on", "off"] = Field(
        "on",
        description="Whether all gateways with the same ledger share that folder. If `off`, "
        "resumable uploads are refused with 501 where a rule may want to see whole files.",
    )
    scanner_url: Annotated[str, AfterValidator(_scanner_url)] | None = Field(
        None,
        description="ClamAV, `tcp://host:3310` or `unix:///run/clamav/clamd.ctl`, which scans "
        "files for malware where a rule says `scan = true`.",
    )
    scanner_timeout: Duration = Field(
        60.0, description="How long a scan may take, waiting for other scans included."
    )
    scanner_largest: Size = Field(
        parse_size("25MiB"),
        description="Largest file that ClamAV is sent; not more than the `StreamMaxLength` and "
        "`MaxFileSize` in its `clamd.conf`, which are 25 MiB in Debian's.",
    )
    scanner_too_large: Literal["deny", "allow"] = Field(
        "deny",
        description="What becomes of files that are larger than that: `allow` lets them pass "
        "without a scan.",
    )
    scanner_unreachable: Literal["deny", "allow"] = Field(
        "deny",
        description="What becomes of files of which ClamAV gives no verdict, for whatever reason: "
        "`allow` lets them pass without one.",
    )
    audit_log: FilePath | None = Field(
        None,
        description="A file that gets a line for each decision about a file, chained so that cuts "
        "and changes show, see [docs/audit.md](docs/audit.md).",
    )
    audit_hashes: Literal["spooled", "all"] = Field(
        "spooled",
        description="Of which files the audit log tells the SHA-256: of those that are received "
        "whole before their verdict, or of `all`, which costs time.",
    )
    audit_on_error: Literal["pass", "refuse"] = Field(
        "pass",
        description="What becomes of uploads while the audit log cannot be written: `refuse` "
        "answers them with 503.",
    )
    default_locale: Annotated[str, AfterValidator(_locale)] = Field(
        "en",
        description="The language of refusals for those whose own is unknown, see "
        f"[docs/languages.md](docs/languages.md): {', '.join(f'`{tag}`' for tag in TAGS)}.",
    )
    traces_url: Annotated[str, AfterValidator(_traces_url)] | None = Field(
        None,
        description="An OpenTelemetry collector, `http://host:4318`, that gets traces by "
        "OTLP/HTTP, see [docs/tracing.md](docs/tracing.md); `/v1/traces` is added where there is "
        "no path.",
    )
    traces_sample: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        1.0,
        description="Of which share of the traces that begin here it gets them, from 0 to 1; of "
        "others if those before say so.",
    )
    log_format: Literal["json", "logfmt", "ecs", "combined", "console"] = Field(
        "json",
        description="`json`; `logfmt`; `ecs`, the Elastic Common Schema; `combined`, as Apache and "
        "nginx write access logs; or `console`, for people. See [docs/logs.md](docs/logs.md).",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="`debug`, `info`, `warning` or `error`."
    )

    @property
    def upstream_origin(self) -> str:
        """Scheme, host and port of Mattermost."""
        parts = urlsplit(self.upstream_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def subpath(self) -> str:
        """Mattermost's subpath, such as ``/chat``, or the empty string."""
        return urlsplit(self.upstream_url).path.rstrip("/")

    def largest(self, rule: Rule) -> int:
        """Bytes of the largest file that ``rule`` lets pass."""
        size: int = getattr(self, size_setting(rule))
        return size


def types_setting(rule: Rule) -> str:
    """The name of the setting that says which types ``rule`` lets pass."""
    return _setting(rule, "allowed_types")


def size_setting(rule: Rule) -> str:
    return _setting(rule, "max_file_size")


def _setting(rule: Rule, name: str) -> str:
    return name if rule is ATTACHMENTS else f"{rule.name}_{name}"


def _rule_fields() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for rule in RULES:
        if rule is not ATTACHMENTS:
            fields[types_setting(rule)] = (str, Field(rule.types))
            size = Field(default_factory=_size_of_attachments)
            fields[size_setting(rule)] = (Size, Field(rule.largest) if rule.largest else size)
    return fields


def _size_of_attachments(validated: dict[str, Any]) -> object:
    return validated["max_file_size"]


AllSettings = create_model("AllSettings", __base__=Settings, **_rule_fields())
"""The same, and those of each rule of the guard table; all that ``load`` makes are such."""


_SECRETS = frozenset({"account_token", "admin_token"})
"""Settings whose values nobody is shown."""


def split_address(address: str) -> tuple[str, int]:
    """``[::1]:80`` → (``::1``, 80)."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in ``environ``. Raises SettingsError with every problem at once."""
    known = {f"{PREFIX}{name.upper()}": name for name in AllSettings.model_fields}
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    problems = [
        f"{name} is not a setting{_did_you_mean(name, known)}"
        for name in sorted(given)
        if name not in known
    ]
    values = {known[name]: value for name, value in given.items() if name in known}
    try:
        settings = AllSettings.model_validate(values)
    except ValidationError as error:
        problems += [
            _sentence(item)  # type: ignore[arg-type]
            for item in error.errors()
            if item["type"] != "default_factory_not_called"  # for want of another setting
        ]
        raise SettingsError(problems) from None
    if problems:
        raise SettingsError(problems)
    return settings


def _did_you_mean(name: str, known: Mapping[str, str]) -> str:
    names = [other.removeprefix(PREFIX) for other in known]
    close = get_close_matches(name.removeprefix(PREFIX), names, n=1)
    return f"; did you mean {PREFIX}{close[0]}?" if close else ""


def _sentence(error: dict[str, Any]) -> str:
    name = f"{PREFIX}{str(error['loc'][0]).upper()}"
    if error["type"] == "missing":
        return f"{name} is required: Mattermost's address, for example http://mattermost:8065"
    message = str(error["msg"]).removeprefix("Value error, ")
    # An address with a password in it is shown to nobody.
    secret = "@" in str(error["input"]) or error["loc"][0] in _SECRETS
    given = "…" if secret and error["input"] else repr(error["input"])
    return f"{name}={given}: {message[:1].lower()}{message[1:]}"


def described() -> list[tuple[str, str, str]]:
    """(variable, default, meaning) of every setting but those of rules, in order."""
    rows = []
    for name, field in Settings.model_fields.items():
        rows.append(
            (f"{PREFIX}{name.upper()}", _shown_default(name, field), field.description or "")
        )
    return rows


def described_rules() -> list[tuple[str, str, str, str]]:
    """(variable, types, variable, size) of every rule but that of attachments."""
    return [
        (
            f"{PREFIX}{types_setting(rule).upper()}",
            rule.types,
            f"{PREFIX}{size_setting(rule).upper()}",
            shown_value("max_file_size", rule.largest) or f"as {PREFIX}MAX_FILE_SIZE",
        )
        for rule in RULES
        if rule is not ATTACHMENTS
    ]


def _shown_default(name: str, field: Any) -> str:
    if field.is_required():
        return "(required)"
    if name == "ledger_url":
        return "an SQLite file in the state folder"
    if name.endswith("_ca_file"):
        return "those that the system trusts"
    if name == "spool_dir":
        return "the system's temporary folder"
    return shown_value(name, field.default) or "(none)"


def default(name: str) -> Any:
    """The default of a setting that has a fixed one."""
    return AllSettings.model_fields[name].default


def shown_value(name: str, value: object) -> str:
    """A setting's value as one would write it, but for a password in it; a secret's is hidden."""
    if isinstance(value, SecretStr):
        return "(set)"
    if name == "ledger_url" and isinstance(value, str):
        return _PASSWORD.sub(":…@", value)
    if name.endswith(("max_file_size", "spool_limit", "scanner_largest")) and value is not None:
        return format_size(int(str(value))).replace(" ", "")
    if name == "traces_sample" and isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, float):
        if value >= _HOUR and value % _HOUR == 0:
            return f"{value / _HOUR:g}h"
        return f"{value:g}s"
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return "" if value is None else str(value)
