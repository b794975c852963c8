"""What real files are, by where they come from and not by any detector.

A package's own documentation, icons, sounds or programs are what their endings say; endings that
packages use for several things (``dat``, ``db``, ``bin``, ``log``) are left out.
"""

_BY_GROUP = {
    "images": "png jpg jpeg gif webp avif heic svg bmp ico icns cur tif tiff psd xcf xpm ppm pgm "
    "pbm pcx tga dds jp2 fits",
    "documents": "pdf ps eps doc docx docm dotx odt ott ods ots odp otp odg otg xls xlsx xlsm xltx "
    "xlsb xlam pptx potx epub mobi djvu rtf",
    "archives": "zip gz tgz bz2 xz zst tar 7z rar iso whl npz svgz kmz dia deb-archive",
    "audio": "oga wav mp3 flac mid midi aif aiff au m4a opus",
    "video": "mp4 mpg mpeg webm ogv mkv avi mov",
    "text": "txt md rst html htm xhtml xml xsl dtd json yaml yml toml csv tsv sql css c h cpp hpp "
    "mjs ts tsx jsx java go rs glsl tcl ipynb po pot ics vcf eml cmake m4 afm qml less scss "
    "proto patch diff tex bib srt vtt conf ini cfg properties gradle cs swift kt r f90 pas asm",
    "executables": "so exe dll msi jar war apk deb rpm class pyc wasm o c32 efi swf",
    "other": "ttf otf woff woff2 eot pfb dcm parquet gresource sqlite sqlite3 h5 hdf5 nc arrow",
}
_EITHER = {
    "scripts text": "js py pl rb sh bash lua php ps1 awk bat cmd",
    "scripts": "desktop",
    "documents images": "ai",
    "audio video": "ogg",
    "other unknown": "mo npy qm mat nii sav sas7bdat",
    "images other": "gbr pat",
}
"""Source files are scripts if they begin like one. What belongs to no group may be unknown."""

EXPECTED: dict[str, frozenset[str]] = {
    ending: frozenset(groups.split())
    for table in (_BY_GROUP, _EITHER)
    for groups, endings in table.items()
    for ending in endings.split()
}
"""Groups that a file with this ending may be in."""
