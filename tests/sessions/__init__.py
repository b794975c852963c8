"""Upload sessions through the gateway: files that are declared first, and sent in chunks."""
