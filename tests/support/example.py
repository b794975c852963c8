"""The policy file that administrators are given to begin with: deploy/policy.example.toml."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

from gateway.configuration import ruleset_from
from gateway.policy.circumstances import Circumstances, IdentityKind
from gateway.policy.rules import Policy
from gateway.policy_file.parsing import parse
from gateway.settings import load

PATH = Path(__file__).parents[2] / "deploy" / "policy.example.toml"
EXAMPLE = PATH.read_text()
SCAN = re.compile(r"^scan = true\n", re.MULTILINE)
UNSCANNED = SCAN.sub("", EXAMPLE)
"""The same for those who have no scanner."""


@cache
def hardened() -> Policy:
    """What it says to attachments, all but the scan: that is for those who have a scanner."""
    settings = load({"GATEWAY_UPSTREAM_URL": "http://127.0.0.1:9"})
    rules = ruleset_from(settings, parse(EXAMPLE))
    decision = rules.decide(Circumstances("files", IdentityKind.SESSION))
    return replace(decision.policy, scan=False)
