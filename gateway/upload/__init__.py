"""The way of an upload."""
