"""A file that exceeds the limits of any usual clamd, to see what it says of such files."""

import io
import os
import zipfile

_LEVELS = 128
"""Zips in each other. MaxRecursion is 17 unless set; clamd.conf(5) warns of setting it high."""


def excessive_zip() -> bytes:
    """Some ten kilobytes in which there is nothing.

    Different each time: clamd remembers contents that it once found clean, inner ones too, and
    would not go down to them again.
    """
    content = os.urandom(64).hex().encode()  # what is very small is never looked at
    for _ in range(_LEVELS):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", content)
        content = file.getvalue()
    return content
