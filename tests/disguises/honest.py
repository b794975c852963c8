"""Ordinary files, which pass where their disguises do not."""

import io

from PIL import Image

from tests.inspection import files


def photograph() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 48), 50).save(buffer, "JPEG")
    return buffer.getvalue()


HONEST = {
    "photo.png": files.png(),
    "photo.jpg": photograph(),
    "photo.gif": files.gif(),
    "invoice.pdf": files.pdf(),
    "report.docx": files.docx(),
    "report.odt": files.odt(),
    "letter.doc": files.ole("WordDocument"),
    "backup.zip": files.zipped(("a.txt", b"a")),
    "invoices.zip": files.zipped(("a.pdf", files.pdf())),
    "backup.tar": files.tar("a.pdf", files.pdf()),
    "song.mp3": files.mp3(),
    "film.mp4": files.mp4(),
    "film.mkv": files.matroska(),
    "notes.txt": b"Dear all,\n\nsee you tomorrow.\n",
    "notes.md": b"# Notes\n\nStart with `#!/bin/sh`, or with `<?php`.\n",
    "table.csv": b"a,b\n1,2\n3,4\n",
    "data.json": files.json_text(),
    "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0'/></svg>",
    "empty.txt": b"",
}
