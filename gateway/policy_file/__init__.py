"""The policy file: TOML that an administrator writes, read into rules."""
