"""Mattermost's HTTP API, one module per subject; each offers its ``ROUTES``."""
