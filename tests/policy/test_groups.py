import pytest

from gateway.policy.called import called
from gateway.policy.groups import Group, group_of
from gateway.policy.synonyms import canonical

OPEN_XML = "application/vnd.openxmlformats-officedocument."


@pytest.mark.parametrize(
    ("group", "content_types"),
    [
        ("images", "image/png image/svg+xml image/x-ms-bmp image/heic image/not-invented-yet"),
        ("documents", f"application/pdf {OPEN_XML}wordprocessingml.document text/rtf"),
        ("documents", "application/CDFV2 application/vnd.oasis.opendocument.text image/vnd.djvu"),
        ("documents", "application/vnd.ms-excel.sheet.macroEnabled.12 application/postscript"),
        ("archives", "application/zip application/x-gzip application/x-rar application/zstd"),
        ("audio", "audio/mpeg audio/x-wav application/ogg"),
        ("video", "video/mp4 video/x-matroska application/mxf video/MP2T"),
        ("text", "text/plain text/csv text/html application/json application/xml text/x-c"),
        ("text", "application/ld+json application/atom+xml message/rfc822 inode/x-empty"),
        ("executables", "application/x-dosexec application/vnd.microsoft.portable-executable"),
        ("executables", "application/x-executable application/x-pie-executable"),
        ("executables", "application/x-sharedlib application/x-object application/x-mach-binary"),
        ("executables", "application/java-archive application/x-java-applet application/x-msi"),
        ("executables", "audio/x-xbox-executable application/x-rpm application/wasm"),
        ("scripts", "text/x-shellscript text/x-script.python text/x-python text/x-msdos-batch"),
        ("scripts", "application/javascript text/javascript text/x-ms-regedit application/x-php"),
        ("unknown", "application/octet-stream"),
        ("other", "font/ttf application/vnd.sqlite3 model/gltf-binary nonsense"),
    ],
)
def test_groups(group: str, content_types: str) -> None:
    assert {name: group_of(name) for name in content_types.split()} == dict.fromkeys(
        content_types.split(), Group(group)
    )


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("application/x-dosexec", "application/vnd.microsoft.portable-executable"),
        ("application/x-rar", "application/vnd.rar"),
        ("application/x-gzip", "application/gzip"),
        ("image/x-ms-bmp", "image/bmp"),
        ("audio/wav", "audio/x-wav"),
        ("text/x-script.python", "text/x-python"),
        ("application/xml", "text/xml"),
        ("text/rtf", "application/rtf"),
        ("IMAGE/JPG", "image/jpeg"),
    ],
)
def test_synonyms(name: str, other: str) -> None:
    assert canonical(name) == canonical(other)


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("application/x-dosexec", "a Windows program"),
        ("application/vnd.microsoft.portable-executable", "a Windows program"),
        ("image/png", "a PNG picture"),
        ("application/zip", "a ZIP archive"),
        ("text/x-shellscript", "a shell script"),
        ("text/html", "a web page"),
        ("image/heic", "a picture"),
        ("application/x-ms-ne-executable", "a program"),
        ("application/octet-stream", "a file of unknown content"),
        ("font/ttf", "a file of type font/ttf"),
        ("application/zip; with=encryption", "a ZIP archive that is encrypted"),
        ("image/gif; with=script", "a GIF picture with a script in it"),
        (
            "application/pdf; with=other-format+script",
            "a PDF document with a script in it and that is something else at the same time",
        ),
        (
            "application/vnd.ms-excel.sheet.macroEnabled.12; with=macros",
            "an Excel workbook with macros",
        ),
    ],
)
def test_called(content_type: str, name: str) -> None:
    assert str(called(content_type)) == name


def test_every_group_has_a_name_for_people() -> None:
    examples = {group: f"a file of type {group}" for group in Group}
    named = {group_of(name): str(called(name)) for name in _ONE_OF_EACH}
    assert set(named) == set(examples)
    assert all(name.startswith(("a ", "an ")) for name in named.values())


_ONE_OF_EACH = (
    "image/x",
    "application/vnd.sun.xml.x",
    "application/x-arj",
    "audio/x",
    "video/x",
    "text/x",
    "application/x-elf",
    "text/x-awk",
    "application/octet-stream",
    "font/x",
)
