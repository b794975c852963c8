"""Whether traces can be sent."""

from importlib.util import find_spec


def traces_available() -> bool:
    """Whether the packages of the extra ``otel`` are installed."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http.trace_exporter") is not None
    except ModuleNotFoundError:
        return False
