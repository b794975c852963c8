"""The catalogues in ``gateway/languages``, brought up to date with the phrases in the code:
``./scripts/translations`` writes them."""

import sys
from functools import cache
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

GATEWAY = Path(__file__).parent.parent.parent / "gateway"
FOLDER = GATEWAY / "languages"
CATALOGUES = sorted(FOLDER.glob("*.po"))
_KEYWORDS = {"phrase": None, "plural": (1, 2)}
_HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: {plural_forms}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def phrases() -> Catalog:
    """Those in the code, with the files that they are in."""
    found = Catalog()  # one for each who asks: to update another one changes it
    for message, place in _extracted():
        found.add(message, locations=[place])
    return found


@cache
def _extracted() -> list[tuple[str | tuple[str, ...], tuple[str, int]]]:
    """Messages, and the file and line of each."""
    found = extract_from_dir(GATEWAY, [("**.py", "python")], keywords=_KEYWORDS)
    return [(message, (f"gateway/{file}", line)) for file, line, message, _, _ in found]


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


def renewed(catalogue: Catalog) -> str:
    """As it is with all phrases and no others; new ones are not translated yet."""
    catalogue.update(phrases(), no_fuzzy_matching=True)
    entries = BytesIO()
    write_po(
        entries, catalogue, width=100, omit_header=True, sort_by_file=True, ignore_obsolete=True,
        include_lineno=False,
    )  # fmt: skip
    header = _HEADER.format(language=catalogue.locale, plural_forms=catalogue.plural_forms)
    return header + entries.getvalue().decode()


if __name__ == "__main__":
    begun = [Catalog(Locale.parse(name)) for name in sys.argv[1:]]
    for catalogue in [*map(read, CATALOGUES), *begun]:
        FOLDER.joinpath(f"{catalogue.locale}.po").write_text(renewed(catalogue))
