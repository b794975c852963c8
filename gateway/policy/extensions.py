"""File-name endings that may not pass."""

import re

_DENIED = {
    "Windows programs, also by their rarer names": "exe com scr pif cpl xll wll",
    "Windows installers": "msi msp mst msix msixbundle appx appxbundle appinstaller application "
    "appref-ms gadget",
    "Scripts that Windows runs, rather than shows": "bat cmd vbe vbs jse ws wsc wsf wsh sct hta",
    "Shortcuts, settings and help files that run a command": "lnk url scf reg msc chm diagcab "
    "settingcontent-ms library-ms search-ms",
    "The same for Java, macOS and Linux desktops": "jar jnlp command terminal desktop",
}
DEFAULT_DENIED_EXTENSIONS = frozenset(" ".join(_DENIED.values()).split())
"""What a double click runs or installs, and nobody who works with text and pictures sends.

It begins with what Outlook and Gmail block, and leaves out what teams send each other daily,
because a rule that bothers them gets switched off:

- js, py, sh, ps1, php, pl, rb, vb: sources. All but js open in an editor.
- dll, so, apk, deb, rpm, and programs under any other name: judged by their content.
- iso, img, vhd, dmg, zip: containers; opening one runs nothing.
- docm, xlsm, mdb: may have macros; Office asks before it runs them.
"""

_EXTENSION = re.compile(r"[^\s./*?,][^\s/*?,]*")


def parse_extensions(text: str) -> frozenset[str]:
    """``text`` lists endings, separated by commas; ``default`` stands for the list above.

    Raises ValueError with a sentence for the administrator.
    """
    found: set[str] = set()
    for item in filter(None, (part.strip().lower() for part in text.split(","))):
        ending = item.removeprefix("*").removeprefix(".")
        if item == "default":
            found |= DEFAULT_DENIED_EXTENSIONS
        elif _EXTENSION.fullmatch(ending):
            found.add(ending)
        else:
            raise ValueError(f"{item!r} is not a file-name ending such as exe or tar.gz")
    return frozenset(found)
