"""schemathesis tries what docs/openapi.json describes on a running gateway."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings

from tests.machines.test_limits_on_the_wire import (  # noqa: F401 - fixtures
    DESCRIPTION,
    folder_of_files,
    gateway,
    key,
)
from tests.support.gateway import GatewayProcess

schema = schemathesis.openapi.from_path(DESCRIPTION)


@schema.parametrize()
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_gateway_does_what_is_described(
    case: schemathesis.Case[Any],
    gateway: GatewayProcess,  # noqa: F811
    key: str,  # noqa: F811
) -> None:
    """schemathesis adds methods, parameters and headers of its own."""
    case.cookies = {}  # one credential at a time: two are ambiguous
    case.call_and_validate(base_url=gateway.url, headers={"Authorization": f"Bearer {key}"})
