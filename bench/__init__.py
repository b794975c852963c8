"""The benchmark: the gateway beside nginx, in one run (``./scripts/bench``). For Linux."""
