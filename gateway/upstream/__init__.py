"""The way to Mattermost: connections, their pool, and the calls of its API."""
