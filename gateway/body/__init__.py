"""Request bodies: forms and their parts, the names of files, and where files wait."""
