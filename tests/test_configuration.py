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
