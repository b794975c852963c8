"""What is wrong with settings that are fine each on their own."""

import pytest

from gateway.configuration import checked_settings
from gateway.settings import SettingsError

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
