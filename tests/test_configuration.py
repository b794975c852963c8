"""What is wrong with settings that are fine each on their own."""

from pathlib import Path

import pytest

from gateway.configuration import admin_token_from, checked_settings
from gateway.settings import SettingsError, shown_value

UPSTREAM = {"GATEWAY_UPSTREAM_URL": "http://127.0.0.1:8065"}


def test_sessions_that_could_expire_in_use() -> None:
    checked_settings({**UPSTREAM, "GATEWAY_UPLOAD_SESSION_TTL": "60s"})
    with pytest.raises(SettingsError) as caught:
        checked_settings({**UPSTREAM, "GATEWAY_UPLOAD_SESSION_TTL": "59s"})
    (problem,) = caught.value.problems
    assert problem.startswith("GATEWAY_UPLOAD_SESSION_TTL=59s: ")
    assert "GATEWAY_LEDGER_LEASE" in problem


def test_quotas_for_keys_where_nobody_has_one() -> None:
    with pytest.raises(SettingsError) as caught:
        checked_settings({**UPSTREAM, "GATEWAY_QUOTAS": "user 1GiB/day, key 1GiB/day"})
    (problem,) = caught.value.problems
    assert problem.startswith("GATEWAY_QUOTAS='user 1GiB/day, key 1GiB/day': ")
    assert "GATEWAY_AUTH has neither api-key nor oidc" in problem


TOKEN = "correct horse battery"


def problem_of(**given: str) -> str:
    variables = {f"GATEWAY_{name.upper()}": value for name, value in given.items()}
    with pytest.raises(SettingsError) as caught:
        checked_settings({**UPSTREAM, **variables})
    (problem,) = caught.value.problems
    return problem


def test_the_admin_token_is_a_setting_or_a_file(tmp_path: Path) -> None:
    assert admin_token_from(checked_settings(UPSTREAM)) is None
    settings = checked_settings({**UPSTREAM, "GATEWAY_ADMIN_TOKEN": TOKEN})
    assert admin_token_from(settings) == TOKEN
    assert shown_value("admin_token", settings.admin_token) == "(set)"
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    settings = checked_settings({**UPSTREAM, "GATEWAY_ADMIN_TOKEN_FILE": str(file)})
    assert admin_token_from(settings) == TOKEN


def test_an_admin_token_that_is_none(tmp_path: Path) -> None:
    short = problem_of(admin_token="hunter2")
    assert short.startswith("GATEWAY_ADMIN_TOKEN=…: ")
    assert "hunter2" not in short
    file = tmp_path / "token"
    told = f"GATEWAY_ADMIN_TOKEN_FILE={file}: "
    assert problem_of(admin_token_file=str(file)).startswith(f"{told}this file cannot be read")
    file.write_text("hunter2")
    problem = problem_of(admin_token_file=str(file))
    assert problem == f"{told}the token in it has fewer than 16 characters"
    file.write_bytes(bytes([255]) * 20)
    assert problem_of(admin_token_file=str(file)) == f"{told}this file holds no text"
    file.write_text(TOKEN)
    both = problem_of(admin_token_file=str(file), admin_token=TOKEN)
    assert both == f"{told}GATEWAY_ADMIN_TOKEN is set, too; one is enough"
