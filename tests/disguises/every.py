"""All disguises that do not pass, by what gives them away."""

from collections.abc import Mapping

from tests.disguises.disguise import Disguise
from tests.disguises.heads import HEADS, NAMES
from tests.disguises.packed import PACKED
from tests.disguises.whole import WHOLE
from tests.inspection import files
from tests.support.clamd import EICAR

TOLD_BY: Mapping[str, Mapping[str, Disguise]] = {
    "By their names": NAMES,
    "By their first bytes": HEADS,
    "By all of them": WHOLE,
    "By what is packed in them": PACKED,
}

INFECTED = {
    "malware, as a text": Disguise("notes.txt", EICAR),
    "malware in a ZIP in a tar": Disguise(
        "a.tar", files.tar("b.zip", files.zipped(("notes.txt", EICAR)))
    ),
    "malware in a Word document": Disguise(
        "report.docx",
        files.zipped(
            ("[Content_Types].xml", files.content_types(files.DOCX_PART)),
            ("word/media/a.bin", EICAR),
        ),
    ),
}
"""What only a scanner finds."""

DISGUISES = {name: told for group in TOLD_BY.values() for name, told in group.items()}
