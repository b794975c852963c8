"""The command ``check``: what the gateway would say to files that lie on this machine."""
