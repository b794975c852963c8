"""Disguises that pass, since nobody here looks where they hide.

docs/content-types.md has them all, so that nobody believes otherwise.
"""

import random
from typing import NamedTuple

from tests.disguises.disguise import Disguise
from tests.disguises.honest import photograph
from tests.inspection import files

_NOISE = random.Random(1).randbytes(64 * 1024)
"""Longer than a head."""
_ZIP = files.zipped(("setup.exe", files.pe()))
_PARTS = ("[Content_Types].xml", files.content_types(files.DOCX_PART))
_WORD_2003 = (
    b"<?xml version='1.0'?><?mso-application progid='Word.Document'?><w:wordDocument "
    b"xmlns:w='http://schemas.microsoft.com/office/word/2003/wordml' w:macrosPresent='yes'/>"
)
_MAIL = (
    b"From: a@example.com\r\nTo: b@example.com\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: application/octet-stream; name=setup.exe\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA\r\n"
)
_PDF_SCRIPT = b"/Catalog /OpenAction << /S /JavaScript /JS (app.alert(1)) >>"
_RTF_OBJECT = b"{\\rtf1{\\object\\objemb{\\*\\objclass Package}{\\*\\objdata 01050000}}}"


class Unseen(NamedTuple):
    """What passes, and whether Mattermost gets it without what hides in it."""

    disguise: Disguise
    removed: bool = False


UNSEEN = {
    "archive at the end of a JPEG": Unseen(
        Disguise("photo.jpg", photograph() + _NOISE + _ZIP), removed=True
    ),
    "archive at the end of a PNG": Unseen(
        Disguise("photo.png", files.png() + _NOISE + _ZIP), removed=True
    ),
    "archive at the end of a GIF, behind its head": Unseen(
        Disguise("photo.gif", files.gif() + _NOISE + _ZIP)
    ),
    "archive at the end of a PDF, behind its head": Unseen(
        Disguise("invoice.pdf", files.pdf() + _NOISE + _ZIP)
    ),
    "script in a film, behind its head": Unseen(
        Disguise("film.mp4", files.mp4() + _NOISE + b"<script>alert(1)</script>")
    ),
    "program among the parts of a Word document": Unseen(
        Disguise("report.docx", files.zipped(_PARTS, ("word/a.bin", files.pe())))
    ),
    "object in RTF": Unseen(Disguise("letter.rtf", _RTF_OBJECT)),
    "macros in a Word document of one XML file": Unseen(Disguise("report.xml", _WORD_2003)),
    "script in a PDF": Unseen(
        Disguise("invoice.pdf", files.pdf().replace(b"/Catalog", _PDF_SCRIPT))
    ),
    "PDF with a password": Unseen(
        Disguise("invoice.pdf", files.pdf().replace(b"/Root", b"/Encrypt 9 0 R /Root"))
    ),
    "program attached to a mail": Unseen(Disguise("message.eml", _MAIL)),
}
