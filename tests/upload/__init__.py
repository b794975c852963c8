"""The story of an upload, and its parts."""
