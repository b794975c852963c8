"""The languages that people are answered in, and which of them that is."""
