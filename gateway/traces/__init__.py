"""Traces for a collector. The extra ``otel`` has the packages; without them ``spans`` is not
imported."""
