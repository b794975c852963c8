"""An authenticating upload gateway in front of Mattermost's upload API."""

__version__ = "0.1.0"
