"""The audit log: a chain of lines in a file, in which a cut or a change shows."""
