"""The malware scanner: ClamAV's daemon, and what its verdict means for a file."""
