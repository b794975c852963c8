"""What happens in all gateways now, and what happened in the last hour: put together for people."""
