"""The alert and recording rules in deploy/: each alert fires when it should, and no other does."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.metrics_page import QUERIES
from tests.support.prometheus import DEPLOY

RULES = DEPLOY / "prometheus-rules.yml"
RUNBOOKS = DEPLOY.parent / "docs" / "runbooks.md"
ALERTS = re.findall(r"^      - alert: (\w+)$", RULES.read_text(), re.M)
RECORDS = re.findall(r"^      - record: (\S+)$", RULES.read_text(), re.M)
JOB = 'job="mattermost-upload-gateway"'
MINUTES = 30

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed"
)


def series(name: str, *labels: str) -> str:
    written = ", ".join([JOB, 'instance="a"', *labels])
    return f"{name}{{{written}}}"


def requests(outcome: str, reason: str) -> str:
    labels = ('endpoint="files"', f'outcome="{outcome}"', f'reason="{reason}"')
    return series("upload_gateway_requests_total", *labels)


def result(family: str, result: str) -> str:
    return series(f"upload_gateway_{family}_total", f'result="{result}"')


def stage(bound: str) -> str:
    name = "upload_gateway_stage_duration_seconds_bucket"
    return series(name, 'stage="inspect"', f'le="{bound}"')


def duration(bound: str) -> str:
    name = "upload_gateway_request_duration_seconds_bucket"
    return series(name, 'endpoint="files"', 'outcome="accepted"', f'le="{bound}"')


UP = series("up")
STALE = series("upload_gateway_policy_stale")
STALE_KEYS = series("upload_gateway_credentials_stale", 'file="api_keys"')
FAILING = series("upload_gateway_audit_failing")
STEADY = "0+60x40"
"""One a second."""
NEW = "_x25 1x15"
"""A counter that was not there before."""

WELL = {
    UP: "1x40",
    requests("accepted", "none"): STEADY,
    requests("refused", "type_denied"): STEADY,
    duration("0.1"): STEADY,
    duration("+Inf"): STEADY,
    stage("0.001"): STEADY,
    stage("1.0"): STEADY,
    stage("2.5"): STEADY,
    stage("+Inf"): STEADY,
    result("upstream_exchanges", "2xx"): STEADY,
    result("scans", "clean"): STEADY,
    result("audit_lines", "written"): STEADY,
    result("audit_lines", "lost"): "0x40",
    STALE: "0x40",
    STALE_KEYS: "0x40",
    FAILING: "0x40",
}
"""A gateway with which nothing is wrong: series, and their values each minute."""

TROUBLE = {
    "UploadGatewayDown": [{UP: "0x40"}],
    "UploadGatewayUploadsFail": [{requests("failed", "ledger_unavailable"): "0+10x40"}],
    "UploadGatewayMattermostTrouble": [
        {result("upstream_exchanges", "upstream_failed"): "0+12x40"},
        {result("upstream_exchanges", "5xx"): "0+12x40"},
    ],
    "UploadGatewayScannerTrouble": [{result("scans", "unreachable"): "0+12x40"}],
    "UploadGatewayMalware": [
        {result("scans", "infected"): NEW},
        {result("scans", "infected"): "3x20 4x20"},
    ],
    "UploadGatewayPolicyStale": [{STALE: "1x40"}],
    "UploadGatewayCredentialsStale": [{STALE_KEYS: "1x40"}],
    "UploadGatewayAuditFails": [{FAILING: "1x40"}],
    "UploadGatewayAuditLost": [{result("audit_lines", "lost"): "0x20 5x20"}],
    "UploadGatewaySlow": [{stage("0.001"): "0x40", stage("1.0"): "0x40"}],
    "UploadGatewaySpoolFull": [{requests("failed", "spool_full"): NEW}],
    "UploadGatewayQuotaPressure": [
        {series("upload_gateway_files_total", 'reason="quota_exceeded"'): "0+1x40"}
    ],
    "UploadGatewayStrangers": [{requests("refused", "unauthenticated"): "0+600x40"}],
    "UploadGatewayBugs": [{requests("failed", "internal_error"): NEW}],
}
"""What makes each alert fire, over what is well."""


def fires(trouble: dict[str, str], *alerts: str) -> dict[str, object]:
    """A test of promtool's that exactly ``alerts`` fire in the end."""
    return {
        "interval": "1m",
        "input_series": [{"series": s, "values": v} for s, v in (WELL | trouble).items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{MINUTES}m",
                "exp_samples": [
                    {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts
                ],
            }
        ],
    }


RECORDED = {
    "uploads:rate5m": 2.25,
    "uploads_failed:ratio5m": 0.25 / 2.25,
    "upload_seconds:p95_5m": 0.095,
    "exchanges_broken:rate5m": 0.5,
    "scans_without_verdict:ratio5m": 0.2,
}
"""What the recording rules make of ``RECORDING``, in their order."""
RECORDING = {
    requests("failed", "shutdown"): "0+15x40",
    result("upstream_exchanges", "5xx"): "0+30x40",
    result("scans", "timeout"): "0+15x40",
}


def records() -> dict[str, object]:
    """A test of promtool's of the recording rules."""
    told = [
        {
            "expr": f"sum by (job) (upload_gateway:{name})",
            "eval_time": f"{MINUTES}m",
            "exp_samples": [{"labels": f"{{{JOB}}}", "value": value}],
        }
        for name, value in RECORDED.items()
    ]
    return {**fires(RECORDING), "promql_expr_test": told}


def promtool(*arguments: str) -> None:
    told = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert told.returncode == 0, told.stdout + told.stderr


@needs_promtool
def test_promtool_finds_the_rules_good() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))


@needs_promtool
def test_each_alert_fires_and_no_other(tmp_path: Path) -> None:
    tests = [fires({})]
    tests += [fires(trouble, alert) for alert, cases in TROUBLE.items() for trouble in cases]
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [*tests, records()],
    }
    file = tmp_path / "tests.yml"  # JSON is YAML
    file.write_text(json.dumps(document))
    promtool("test", "rules", str(file))


def test_each_alert_and_record_is_tested() -> None:
    assert list(TROUBLE) == ALERTS
    assert [f"upload_gateway:{name}" for name in RECORDED] == RECORDS


def test_each_alert_has_its_section_in_the_runbooks() -> None:
    text = RUNBOOKS.read_text()
    assert re.findall(r"^## (\w+)$", text, re.M) == ALERTS
    linked = re.findall(r"runbook: docs/runbooks\.md#(\w+)$", RULES.read_text(), re.M)
    assert linked == [alert.lower() for alert in ALERTS]


def test_rules_and_examples_are_about_metrics_that_exist() -> None:
    known = {family.name for family in QUERIES}
    used = set(re.findall(r"\bupload_gateway_\w+", RULES.read_text()))
    assert {re.sub(r"_(total|bucket)$", "", name) for name in used} <= known
