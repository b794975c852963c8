"""PEM: certificates and keys as text (RFC 7468), which libmagic takes for any other text."""

import re

PEM = "application/x-pem-file"
"""As Mattermost calls it."""

_MARK = b"-----BEGIN "
_BEGIN = re.compile(rb"^-----BEGIN (?!PGP )[A-Z0-9][A-Z0-9 ]*-----[ \t]*\r?(?:\n|\Z)", re.MULTILINE)
# What openssl writes before it: attributes, and with -text the whole certificate in words.
_BEFORE = re.compile(
    rb"(?>[ \t]*\r?\n|[# \t][^\n]*\n|(?:Bag|Key) Attributes[ \t]*\r?\n|[^\n:=]*[:=][^\n]*\n)*+"
)
_BLOCK = re.compile(
    rb"(?>[A-Za-z0-9+/=]+[ \t]*\r?(?:\n|\Z)|[A-Za-z0-9-]+: [^\n]*(?:\n|\Z)|[ \t]*\r?\n)*+"
    rb"(?:-----END |\Z)"
)


def is_pem(head: bytes) -> bool:
    """Whether ``head`` has a PEM block in it, and but for attributes or comments no other text
    before or within."""
    if _MARK not in head:
        return False  # most texts, thirty times as fast
    begin = _BEGIN.search(head)
    return (
        begin is not None
        and _BEFORE.fullmatch(head, 0, begin.start()) is not None
        and _BLOCK.match(head, begin.end()) is not None
    )
