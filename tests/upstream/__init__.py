"""The way to Mattermost, with small real servers at its end."""
