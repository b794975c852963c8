"""Removes from pictures what tells about their makers, without touching the picture."""
