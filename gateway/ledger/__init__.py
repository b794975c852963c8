"""The quota ledger: what users have stored, and what their running uploads have reserved."""
