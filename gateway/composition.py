"""The composition root: builds each part once, and knows them all."""

import os
import ssl
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TypeVar

from starlette.applications import Starlette

from gateway.accounting import Accountant
from gateway.body.spool import SpoolArea
from gateway.edge.admin import Readiness, admin_app
from gateway.edge.app import GatewayApp
from gateway.edge.caller import Origins
from gateway.edge.passthrough import Passthrough
from gateway.edge.unlisted import Unlisted
from gateway.edge.websocket import WebSockets
from gateway.endpoints import (
    ATTACHMENTS,
    ENDPOINTS,
    FILES,
    IMPORT_SESSIONS,
    IMPORTS,
    RULES,
    UNLISTED,
    Rule,
)
from gateway.identity.sessions import Ask, Sessions
from gateway.inspection.detector import Detector
from gateway.ledger.engines import ledger_from
from gateway.ledger.language import parse_quotas, parse_zone
from gateway.ledger.quotas import Quota
from gateway.logs import Log
from gateway.metrics.cells import Cells
from gateway.metrics.exposition import Read, exposition
from gateway.metrics.metrics import Metrics
from gateway.policy.extensions import parse_extensions
from gateway.policy.rules import Agreement, Policy
from gateway.policy.ruleset import PolicyRule, Rulebook, Ruleset
from gateway.policy.selectors import NOTHING, TypeSelector
from gateway.settings import (
    PREFIX,
    AllSettings,
    Settings,
    SettingsError,
    default,
    load,
    types_setting,
)
from gateway.upload.booking import Booking
from gateway.upload.delivery import Delivery
from gateway.upload.examination import Examiner
from gateway.upload.reception import Reception
from gateway.upload.rulings import Rulings
from gateway.upload.sessions import UploadSessions
from gateway.upload.story import Uploads
from gateway.upload.unlisted import UnlistedUploads
from gateway.upload.whole_form import WholeForms
from gateway.upstream.mattermost import Mattermost

T = TypeVar("T")

_STRANGERS_PART = 4
"""The share of the spool area that strangers may fill: the fourth part."""

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


def ruleset_from(policies: Mapping[Rule, Policy], rules: Sequence[PolicyRule]) -> Ruleset:
    """``rules``, and behind them the policy of each endpoint, by what rules call it."""
    rows = {row.name: row.rule for row in ENDPOINTS if row.rule is not None}
    rows |= {UNLISTED: ATTACHMENTS, IMPORT_SESSIONS: IMPORTS}
    return Ruleset(
        {name: policies[rule] for name, rule in rows.items()},
        frozenset(name for name, rule in rows.items() if rule is ATTACHMENTS),
        rules,
    )


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


def checked_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in ``environ``. Raises SettingsError with all that is wrong with them."""
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
            upstream_url="",
            upstream_ca_file=None,
            **given,
        )
    try:
        rules_from(settings)
    except SettingsError as error:
        problems += error.problems
    if settings.upload_session_ttl < settings.ledger_lease:
        problems.append(
            f"{PREFIX}UPLOAD_SESSION_TTL={settings.upload_session_ttl:g}s: this is shorter than "
            f"{PREFIX}LEDGER_LEASE, so that a session could expire while it is in use"
        )
    spool_dir = settings.spool_dir
    if spool_dir is not None and not os.access(spool_dir, os.W_OK | os.X_OK):
        problems.append(f"{PREFIX}SPOOL_DIR={spool_dir}: this is no folder that can be written to")
    try:
        tls_from(settings)
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems)
    return settings


class Parts:
    """What both the data side and the admin side of the gateway stand on."""

    def __init__(self, settings: Settings, log: Log) -> None:
        """Raises SettingsError."""
        self.settings = settings
        self.log = log
        policies, self.quotas = rules_from(settings)
        self.rulebook = Rulebook(ruleset_from(policies, ()))
        self.mattermost = Mattermost(
            settings.upstream_origin,
            settings.subpath,
            tls=tls_from(settings),
            connect_timeout=settings.connect_timeout,
            timeout=settings.upstream_timeout,
        )
        self.ledger = ledger_from(
            settings.ledger_url,
            lease=settings.ledger_lease,
            timeout=settings.ledger_timeout,
            ca_file=settings.ledger_ca_file,
        )
        self.readiness = Readiness(
            {"mattermost": self.mattermost.ping, "ledger": self.ledger.check}, log
        )

    async def start(self) -> None:
        """Raises LedgerUnavailable."""
        await self.ledger.open()

    async def stop(self) -> None:
        await self.mattermost.close()
        await self.ledger.close()


def gateway_app(parts: Parts, cells: Cells) -> tuple[GatewayApp, SpoolArea]:
    """The application that clients talk to, and the spool area to close after it."""
    settings, mattermost = parts.settings, parts.mattermost
    accountant = Accountant(Metrics(cells), parts.log)
    metrics = accountant.metrics
    spools = SpoolArea(settings.spool_dir or Path(tempfile.gettempdir()), settings.spool_limit)

    def sessions_of(ask: Ask) -> Sessions:
        return Sessions(
            ask,
            ttl=settings.session_ttl,
            negative_ttl=settings.session_negative_ttl,
            size=settings.session_cache_size,
            count=metrics.session,
        )

    sessions = sessions_of(mattermost.me)
    detector = Detector()
    rulings = Rulings(parts.rulebook)

    def booking(quotas: Sequence[Quota]) -> Booking:
        return Booking(
            quotas,
            parts.ledger,
            zone=parse_zone(settings.quota_timezone),
            allow_on_error=settings.ledger_on_error == "allow",
            count_claim=metrics.quota_claim,
            count_trouble=metrics.ledger_trouble,
        )

    def delivery(endpoint: str, quotas: Sequence[Quota], spools: SpoolArea = spools) -> Delivery:
        return Delivery(
            endpoint=endpoint,
            mattermost=mattermost,
            rulings=rulings,
            reception=Reception(detector=detector, examiner=Examiner(), spools=spools),
            booking=booking(quotas),
            count_exchange=metrics.exchange,
        )

    deliveries = {
        row.name: delivery(row.name, parts.quotas if row.counts else ())
        for row in ENDPOINTS
        if row.rule is not None
    }
    strangers_spools = spools.share(settings.spool_limit // _STRANGERS_PART)
    unlisted_uploads = UnlistedUploads(
        sessions=sessions,
        known=delivery(UNLISTED, parts.quotas),
        strangers=delivery(UNLISTED, (), strangers_spools),
        api_path=f"{settings.subpath}/api/".encode(),
    )
    whole_forms = WholeForms(
        sessions=sessions,
        servers=sessions_of(mattermost.server) if settings.remote_cluster == "on" else None,
        deliveries=deliveries,
    )
    upload_sessions = UploadSessions(
        sessions=sessions,
        mattermost=mattermost,
        detector=detector,
        rulings=rulings,
        booking=booking(parts.quotas),
        ledger=parts.ledger,
        ttl=settings.upload_session_ttl,
        spools=spools,
        count_exchange=metrics.exchange,
    )
    app = GatewayApp(
        uploads=Uploads(sessions=sessions, delivery=deliveries[FILES.name]),
        whole_forms=whole_forms,
        upload_sessions=upload_sessions,
        unlisted=Unlisted(
            Passthrough(mattermost),
            unlisted_uploads,
            settings.unlisted_uploads,
            subpath=settings.subpath,
        ),
        websockets=WebSockets(mattermost, accountant),
        mattermost=mattermost,
        origins=Origins(settings.trusted_proxies),
        accountant=accountant,
        serve_rest=settings.mode == "proxy",
    )
    return app, spools


def admin(parts: Parts, read_metrics: Read) -> Starlette:
    """The admin port's application."""
    return admin_app(parts.readiness, lambda: exposition(read_metrics))
