"""The composition root: builds each part once, and knows them all."""

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from gateway.accounting import Accountant, Traces
from gateway.audit.file import AuditFile
from gateway.audit.writer import AuditWriter
from gateway.body.kept import KeptFiles
from gateway.body.spool import SpoolArea
from gateway.checking.files import Checked, Unread, check
from gateway.configuration import file_rules_from, ruleset_from, tls_from
from gateway.decisions import Decisions
from gateway.edge.admin import Readiness
from gateway.edge.app import GatewayApp
from gateway.edge.caller import Origins
from gateway.edge.machines import MachineRequests
from gateway.edge.passthrough import Passthrough
from gateway.edge.progress import Progress
from gateway.edge.tracing import sampling
from gateway.edge.unlisted import Unlisted
from gateway.edge.websocket import WebSockets
from gateway.endpoints import ENDPOINTS, FILES, UNLISTED
from gateway.identity.places import Places
from gateway.identity.sessions import Ask, Sessions
from gateway.inspection.detector import Detector
from gateway.languages.choice import Languages
from gateway.ledger.engines import ledger_from
from gateway.ledger.language import parse_zone
from gateway.ledger.quotas import LedgerUnavailable, account_of
from gateway.logs import Log
from gateway.methods import callers_from, keep_files
from gateway.metrics.cells import Cells
from gateway.metrics.families import CREDENTIAL_FILES
from gateway.metrics.metrics import AuditMetrics, Metrics
from gateway.policy.circumstances import Circumstances
from gateway.policy_in_force import PolicyInForce
from gateway.refusals import Refused, audit_unavailable
from gateway.scanner.clamd import ClamAV, ScanFailed
from gateway.scanner.scanner import Scanner
from gateway.settings import Settings
from gateway.status.recent import RecentRefusals, UserNames
from gateway.upload.booking import Booking
from gateway.upload.delivery import Delivery
from gateway.upload.examination import Examiner
from gateway.upload.keeping import Keeping, Sweeper
from gateway.upload.offer import Offers
from gateway.upload.reception import Reception
from gateway.upload.record import Records
from gateway.upload.remote import RemoteSessions
from gateway.upload.rulings import Rulings
from gateway.upload.sessions import UploadSessions
from gateway.upload.story import Uploads
from gateway.upload.unlisted import UnlistedUploads
from gateway.upload.whole_form import WholeForms
from gateway.upstream.mattermost import Mattermost

_STRANGERS_PART = 4
"""The share of the spool area that strangers may fill: the fourth part."""
_LEDGER_PAUSE = 1.0
"""Seconds between tries to open a ledger without which the gateway has started."""
_RETRY_AUDIT_AFTER = 5
_POLICY_KEPT = "policy.toml"
_LOOK_EVERY = 1.0
"""Seconds between looks at files of credentials, if no request makes one."""
_STALE = "the version before is in force, since the present one is wrong: the log says how"
NO_SCANS = "no rule says scan = true"
_EXCESS = {
    True: "clamd says OK to files that exceed its limits: set AlertExceedsMax to yes in its "
    "configuration",
    None: "it cannot be told whether clamd says OK to files that exceed its limits: see to it that "
    "AlertExceedsMax is set to yes in its configuration",
}


class Parts:
    """What both the data side and the admin side of the gateway stand on."""

    def __init__(self, settings: Settings, log: Log, shared: Path | None = None) -> None:
        """``shared`` is the folder that supervisor and workers have in common.

        Raises SettingsError.
        """
        self.settings = settings
        self.shared = shared
        self.log = log
        self.policy = PolicyInForce(settings, log, shared and shared / _POLICY_KEPT)
        self.scanner = _scanner(settings)
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
            on_lapse=self._tell_of_lapse,
        )
        self._uncounted: list[tuple[str, str, int]] = []
        self._count_unconfirmed: Callable[[str, str, int], None]
        self._count_unconfirmed = lambda *booked: self._uncounted.append(booked)
        self._opening: asyncio.Task[None] | None = None
        self._scanner_problem = ""
        self.audit_fails: Callable[[], bool] = lambda: False
        self.stale_credentials: Callable[[str], bool] = lambda file: False
        self.look_at_credentials: Sequence[Callable[[], None]] = ()
        """Where clients are served: looks whether files of API keys and issuers have changed."""
        checks = {
            "mattermost": self.mattermost.ping,
            "ledger": self.ledger.check,
            "scanner": self._check_scanner,
            "audit": self._check_audit,
        }
        self.readiness = Readiness(checks, log, details=self._details)
        self.refusals = RecentRefusals()
        self.names = UserNames()

    def keep_files(self) -> None:
        """Keep what files say for workers that start while they are bad. Raises FileProblem."""
        self.policy.keep()
        if self.shared is not None:
            keep_files(self.settings, self.shared)

    async def start(self) -> None:
        """Raises LedgerUnavailable, unless files pass without the ledger: it is opened later."""
        try:
            await self.ledger.open()
        except LedgerUnavailable as error:
            if self.settings.ledger_on_error != "allow":
                raise
            self.log.warning("ledger_not_ready", detail=str(error))
            self._opening = asyncio.create_task(self._open_ledger())

    async def stop(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            with suppress(asyncio.CancelledError):
                await self._opening
        await self.mattermost.close()
        await self.ledger.close()

    async def _open_ledger(self) -> None:
        while True:
            await asyncio.sleep(_LEDGER_PAUSE)
            with suppress(LedgerUnavailable):
                await self.ledger.open()
                self.log.info("ledger_ready")
                return

    def count_unconfirmed_with(self, count: Callable[[str, str, int], None]) -> None:
        """``count`` hears what was booked of dead processes, also at the start: scope, unit and
        amount."""
        for booked in self._uncounted:
            count(*booked)
        self._count_unconfirmed = count

    def _tell_of_lapse(self, key: str, amount: int) -> None:
        """A process died whose upload may be stored: it was booked."""
        account, unit = account_of(key)
        self.log.warning("unconfirmed_booked", account=account, unit=unit, amount=amount)
        self._count_unconfirmed(account.partition(":")[0], unit, amount)

    async def tell_of_scanner(self) -> None:
        """Log what an administrator should know of the scanner before the first file."""
        if self.scanner is None:
            return
        if not self.policy.scans:
            self.log.warning("scanner_not_used", detail=NO_SCANS)
        try:
            version = await self.scanner.clamav.ping()
            passes_excess = await self.scanner.clamav.passes_excess()
        except ScanFailed as error:
            self.log.warning("scanner_not_ready", detail=str(error))
            return
        self.log.info("scanner_ready", version=version)
        if passes_excess is not False:
            self.log.warning("scanner_passes_what_it_does_not_scan", detail=_EXCESS[passes_excess])

    async def watch_credentials(self) -> None:
        """See to it that a change shows before somebody comes with a credential, for ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            for look in self.look_at_credentials:
                look()

    async def _check_scanner(self) -> None:
        """Raises ScanFailed if files are to be scanned, and may not pass unscanned."""
        self._scanner_problem = ""
        if self.scanner is None or not self.policy.scans:
            return
        try:
            await self.scanner.clamav.ping()
        except ScanFailed:
            if self.settings.scanner_unreachable == "deny":
                raise
            self._scanner_problem = "not available, so that files pass without a scan"

    def _details(self) -> Mapping[str, str]:
        problem = {"scanner": self._scanner_problem} if self._scanner_problem else {}
        if self.audit_fails() and self.settings.audit_on_error == "pass":
            problem["audit"] = "not available, so that files pass without a record"
        problem |= {file: _STALE for file in CREDENTIAL_FILES if self.stale_credentials(file)}
        return {**self.policy.details(), **problem}

    async def _check_audit(self) -> None:
        """Raises OSError if files are to be recorded, and may not pass unrecorded."""
        if self.audit_fails() and self.settings.audit_on_error == "refuse":
            raise OSError("the audit log cannot be written")


def _scanner(settings: Settings) -> Scanner | None:
    if settings.scanner_url is None:
        return None
    clamav = ClamAV(
        settings.scanner_url,
        timeout=settings.scanner_timeout,
        connect_timeout=settings.connect_timeout,
        largest=settings.scanner_largest,
    )
    return Scanner(
        clamav,
        pass_too_large=settings.scanner_too_large == "allow",
        pass_unscanned=settings.scanner_unreachable == "allow",
    )


class Waiting:
    """What waits for something, files and lines, to be closed after the application."""

    def __init__(
        self,
        spools: SpoolArea,
        examiner: Examiner,
        sweeper: Sweeper,
        audit: AuditWriter | None,
        traces: Traces | None,
        accountant: Accountant,
    ) -> None:
        self._accountant = accountant
        self._audit = audit
        self._traces = traces
        self._spools = spools
        self._examiner = examiner
        self._sweeper = sweeper

    def count(self) -> None:
        """See to requests that have ended, so that metrics have them."""
        self._accountant.flush()

    async def close(self) -> None:
        self.count()
        await self._sweeper.close()
        self._spools.close()
        self._examiner.close()
        if self._audit is not None and (lost := await asyncio.to_thread(self._audit.close)):
            self._accountant.log.error("audit_lost", lines=lost)
        if self._traces is not None:
            await asyncio.to_thread(self._traces.stop)


def gateway_app(parts: Parts, cells: Cells) -> tuple[GatewayApp, Waiting]:
    """The application that clients talk to, and what is to be closed after it."""
    settings, mattermost = parts.settings, parts.mattermost
    audit = _audit(settings, parts.log, cells)
    decisions = None if audit is None else Decisions(audit.put)
    traces = _traces(settings)
    call_soon = asyncio.get_running_loop().call_soon
    accountant = Accountant(Metrics(cells), parts.log, decisions, traces, parts.refusals, call_soon)
    metrics = accountant.metrics
    spools = _spools(settings)

    def sessions_of(ask: Ask) -> Sessions:
        return Sessions(
            parts.names.hear(ask),
            ttl=settings.session_ttl,
            negative_ttl=settings.session_negative_ttl,
            size=settings.session_cache_size,
            count=metrics.session,
        )

    callers, forms, parts.look_at_credentials = callers_from(
        settings, mattermost, parts.log, sessions_of, metrics.credentials, parts.shared
    )
    detector = Detector()
    places = Places(
        mattermost.channel,
        mattermost.team,
        mattermost.administers,
        ttl=settings.session_ttl,
        negative_ttl=settings.session_negative_ttl,
        size=settings.session_cache_size,
        count=metrics.place,
    )
    rulings = Rulings(parts.policy.rulebook, places, callers.forget)
    examiner = Examiner(
        spools=spools,
        scanner=parts.scanner,
        count_scan=metrics.scan,
        hashes=audit is not None,
    )
    reception = partial(
        Reception,
        detector=detector,
        examiner=examiner,
        hash_streams=audit is not None and settings.audit_hashes == "all",
    )
    check_audit = _audit_check(settings, audit)
    parts.policy.count_with(metrics.policy)
    parts.count_unconfirmed_with(metrics.quota_unconfirmed)

    booking = Booking(
        parts.ledger,
        rulings.place,
        zone=parse_zone(settings.quota_timezone),
        allow_on_error=settings.ledger_on_error == "allow",
        count_claim=metrics.quota_claim,
        count_trouble=metrics.ledger_trouble,
    )

    def delivery(endpoint: str, spools: SpoolArea = spools) -> Delivery:
        return Delivery(
            endpoint=endpoint,
            mattermost=mattermost,
            rulings=rulings,
            reception=reception(spools=spools),
            booking=booking,
            count_exchange=metrics.exchange,
        )

    deliveries = {row.name: delivery(row.name) for row in ENDPOINTS if row.rule is not None}
    strangers_spools = spools.share(settings.spool_limit // _STRANGERS_PART)
    unlisted_uploads = UnlistedUploads(
        sessions=callers.sessions,
        known=delivery(UNLISTED),
        strangers=delivery(UNLISTED, strangers_spools),
        api_path=f"{settings.subpath}/api/".encode(),
    )
    whole_forms = WholeForms(
        callers=callers,
        servers=sessions_of(mattermost.server) if settings.remote_cluster == "on" else None,
        deliveries=deliveries,
    )
    kept_files = KeptFiles(spools)
    records = Records(parts.ledger, ttl=settings.upload_session_ttl)
    remote = RemoteSessions(mattermost, callers.forget, metrics.exchange)
    keeping = Keeping(
        examiner=examiner,
        detector=detector,
        files=kept_files,
        records=records,
        remote=remote,
        shared=settings.spool_shared == "on",
    )
    upload_sessions = UploadSessions(
        callers=callers,
        remote=remote,
        detector=detector,
        rulings=rulings,
        booking=booking,
        records=records,
        keeping=keeping,
        spools=spools,
    )
    passthrough, progress = Passthrough(mattermost), Progress(mattermost, keeping)
    app = GatewayApp(
        uploads=Uploads(callers=callers, delivery=deliveries[FILES.name]),
        whole_forms=whole_forms,
        upload_sessions=upload_sessions,
        unlisted=Unlisted(
            passthrough,
            unlisted_uploads,
            settings.unlisted_uploads,
            subpath=settings.subpath,
            check_audit=check_audit,
        ),
        progress=progress,
        websockets=WebSockets(mattermost, accountant),
        forms=forms,
        machines=MachineRequests(callers, passthrough, progress, subpath=settings.subpath),
        offers=Offers(callers=callers, rulings=rulings, booking=booking),
        mattermost=mattermost,
        origins=Origins(
            settings.trusted_proxies,
            None if traces is None else sampling(settings.traces_sample),
        ),
        accountant=accountant,
        languages=Languages(settings.default_locale),
        serve_rest=settings.mode == "proxy",
        check_audit=check_audit,
    )
    sweeper = Sweeper(kept_files, records)
    return app, Waiting(spools, examiner, sweeper, audit, traces, accountant)


def _traces(settings: Settings) -> Traces | None:
    if settings.traces_url is None:
        return None
    from gateway.traces.spans import SpanWriter  # an extra, and slow to import

    return SpanWriter(settings.traces_url, settings.upstream_origin)


def _audit(settings: Settings, log: Log, cells: Cells) -> AuditWriter | None:
    if settings.audit_log is None:
        return None
    loop = asyncio.get_running_loop()

    def tell(error: OSError | None) -> None:
        """Comes from another thread, and perhaps after the loop's end."""
        event = "audit_writable" if error is None else "audit_unwritable"
        fields = {} if error is None else {"detail": f"{type(error).__name__}: {error}"}
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(partial(log.error, event, **fields))

    return AuditWriter(AuditFile(settings.audit_log), AuditMetrics(cells), tell)


def _audit_check(settings: Settings, audit: AuditWriter | None) -> Callable[[], None] | None:
    """What refuses uploads while they cannot be recorded, if it shall."""
    if audit is None or settings.audit_on_error == "pass":
        return None

    def check() -> None:
        if audit.failing:
            raise Refused(audit_unavailable(_RETRY_AUDIT_AFTER))

    return check


async def check_files(
    settings: Settings, paths: Sequence[Path], circumstances: Circumstances, declared: str | None
) -> tuple[list[Checked], list[Unread]]:
    """What the gateway would say to files on this machine. Raises SettingsError."""
    spools = _spools(settings)
    examiner = Examiner(
        spools=spools, scanner=_scanner(settings), count_scan=lambda result, seconds: None
    )
    reception = Reception(detector=Detector(), examiner=examiner, spools=spools)
    rules = ruleset_from(settings, file_rules_from(settings))
    try:
        return await check(paths, rules.decide(circumstances), reception, declared)
    finally:
        spools.close()
        examiner.close()


def _spools(settings: Settings) -> SpoolArea:
    return SpoolArea(settings.spool_dir or Path(tempfile.gettempdir()), settings.spool_limit)
