"""What Prometheus sees. All names begin with ``upload_gateway_``; all labels are bounded."""
