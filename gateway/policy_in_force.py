"""Which rules are in force: read at start, and again when their file has changed or on SIGHUP."""

import asyncio
from collections.abc import Callable, Mapping

from gateway.configuration import readable_rules, ruleset_from
from gateway.logs import Log
from gateway.policy.ruleset import PolicyRule, Rulebook
from gateway.policy_file.reading import PolicyFile
from gateway.settings import Settings, SettingsError

LOOK_EVERY = 1.0
"""Seconds. A new version is taken at the second look at it."""


class PolicyInForce:
    """The rules of the policy file, if there is one; a bad version of it leaves those before."""

    def __init__(self, settings: Settings, log: Log) -> None:
        """Raises SettingsError."""
        self._settings = settings
        self._log = log
        self._file = PolicyFile(settings.policy_file) if settings.policy_file else None
        rules = readable_rules(settings, self._file) if self._file else ()
        self.rulebook = Rulebook(ruleset_from(settings, rules))
        self._problem = ""
        self._count: Callable[[bool, bool], None] = lambda loaded, stale: None

    @property
    def scans(self) -> bool:
        """Whether any rule has files scanned for malware."""
        return any(rule.effects.scan for rule in self.rulebook.rules.rules)

    def count_with(self, count: Callable[[bool, bool], None]) -> None:
        """``count`` hears of each try: whether it was ``loaded``, and whether the rules in force
        were ``stale`` before."""
        self._count = count

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
            self._problem = f"the rules before are in force, since {'; '.join(error.problems)}"
            self._log.error("policy_not_loaded", problems=error.problems)
        else:
            self._problem = ""
            self._log.info("policy_loaded", rules=_names(rules))
        self._count(not self._problem, was_stale)


def _names(rules: tuple[PolicyRule, ...]) -> list[str]:
    return [rule.name for rule in rules]
