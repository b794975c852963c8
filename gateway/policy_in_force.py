"""Which rules are in force: read at start, and again when their file has changed or on SIGHUP."""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.configuration import readable_rules, ruleset_from
from gateway.logs import Log
from gateway.policy.ruleset import PolicyRule, Rulebook
from gateway.policy_file.reading import PolicyFile
from gateway.settings import Settings, SettingsError

LOOK_EVERY = 1.0
"""Seconds. A new version is taken at the second look at it."""


class PolicyInForce:
    """The rules of the policy file, if there is one; a bad version of it leaves those before."""

    def __init__(self, settings: Settings, log: Log, kept: Path | None = None) -> None:
        """``kept`` is where the last good version is kept for workers that start later.

        Raises SettingsError if there is none, and the present one is bad.
        """
        self._settings = settings
        self._log = log
        self._kept = kept
        self._file = PolicyFile(settings.policy_file) if settings.policy_file else None
        self._problem = ""
        self._count: Callable[[bool, bool], None] = lambda loaded, stale: None
        self.rulebook = Rulebook(ruleset_from(settings, self._at_start()))

    def _at_start(self) -> tuple[PolicyRule, ...]:
        if self._file is None:
            return ()
        try:
            return readable_rules(self._settings, self._file)
        except SettingsError as error:
            if self._kept is None or not self._kept.exists():
                raise
            self._fail(error)
            return readable_rules(self._settings, PolicyFile(self._kept))

    @property
    def scans(self) -> bool:
        """Whether any rule has files scanned for malware."""
        return any(rule.effects.scan for rule in self.rulebook.rules.rules)

    def count_with(self, count: Callable[[bool, bool], None]) -> None:
        """``count`` hears of each try: whether it was ``loaded``, and whether the rules in force
        were ``stale`` before."""
        self._count = count
        if self._problem:
            count(False, False)

    def details(self) -> Mapping[str, str]:
        """What there is to tell of it, for whoever asks whether the gateway is ready."""
        return {"policy": self._problem} if self._problem else {}

    async def watch(self) -> None:
        """Look for a new version from time to time, for ever."""
        while self._file is not None:
            await asyncio.sleep(LOOK_EVERY)
            if self._file.changed():
                self.reload()

    def reload(self) -> None:
        """Read the file now."""
        if self._file is None:
            return
        was_stale = bool(self._problem)
        try:
            rules = readable_rules(self._settings, self._file)
            self.rulebook.rules = ruleset_from(self._settings, rules)
        except SettingsError as error:
            self._fail(error)
        else:
            self._problem = ""
            self._log.info("policy_loaded", rules=[rule.name for rule in rules])
            self.keep()
        self._count(not self._problem, was_stale)

    def keep(self) -> None:
        """Keep the version in force for workers that start while the file is bad."""
        if self._kept is not None and self._file is not None:
            # Of its own, since several processes may do so at the same time.
            new = self._kept.with_suffix(f".{os.getpid()}")
            new.write_bytes(self._file.content)
            new.replace(self._kept)

    def _fail(self, error: SettingsError) -> None:
        self._problem = f"the rules before are in force, since {'; '.join(error.problems)}"
        self._log.error("policy_not_loaded", problems=error.problems)
