"""Rules that want more of a file than its head: nothing of it goes on before they have seen it."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from gateway.standin.process import StandInProcess
from tests.inspection import files
from tests.promises.plugin import bearer, plugin_behind
from tests.rules.support import client_of, digest, gateway_with, logged, said, stored
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, WireResponse, field, file_part

RULES = """
[[rule]]
name = "watched"
when.endpoint = ["files", "uploads"]
archives = { max_entries = 1 }
enforce = false

[[rule]]
name = "strict"
denied_types = ["executables", "macros", "encrypted", "active"]
archives = { max_unpacked_size = "8MiB", max_depth = 2 }
images = { max_pixels = 10_000, max_frames = 3 }
strip_metadata = true
"""
HEAD = 64 * 1024
"""More than a head."""


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("rules")
    spools = folder / "spools"
    spools.mkdir()
    with gateway_with(RULES, stand_in, folder, spool_dir=str(spools)) as running:
        yield running
    assert list(spools.iterdir()) == []


@pytest.fixture
def alice(gateway: GatewayProcess, mattermost: StandInProcess) -> Client:
    return client_of(gateway, mattermost)


def noise(size: int) -> bytes:
    """What does not get smaller."""
    return bytes((7 * n * n + n // 251) % 251 for n in range(size))


def zipped(*entries: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def picture(form: str, size: tuple[int, int] = (50, 50), frames: int = 1) -> bytes:
    out = io.BytesIO()
    pictures = [Image.new("RGB", size, (40 * number, 0, 0)) for number in range(frames)]
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    more = {"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}
    pictures[0].save(out, form, exif=exif, comment=b"a comment", **more)
    return out.getvalue()


WAYS = ("raw", "chunked", "form", "form that names its channel last")


def send(way: str, client: Client, name: str, content: bytes) -> WireResponse:
    channel, file = field("channel_id", client.channel_id), file_part(name, content)
    match way:
        case "raw":
            return client.raw(name, content)
        case "chunked":
            return client.chunked(name, [content[:1000], content[1000:]])
        case "form":
            return client.form(channel, file)
        case _:
            return client.form(file, channel)


DEEP = noise(HEAD)
MACROS_BEHIND_THE_HEAD = zipped(
    ("[Content_Types].xml", files.content_types("wordprocessingml.document.main")),
    ("word/document.xml", b"<w:document/>"),
    ("word/media/image.bin", DEEP),
    ("word/vbaProject.bin", b"Attribute VB_Name"),
)
PROGRAM = zipped(("a.txt", b"a"), ("deep.bin", DEEP), ("setup.exe", b"MZ"))
NESTED = zipped(("b.zip", zipped(("c.zip", zipped(("d", b"d"))))))
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'>" + b"<g/>" * HEAD
REFUSED = {
    "program.zip": (PROGRAM, "archive_entry_denied"),
    "disguised.zip": (zipped(("deep", DEEP), ("notes.txt", files.pe())), "archive_entry_denied"),
    "nested.zip": (zipped(("a.zip", zipped(("b.exe", b"MZ")))), "archive_entry_denied"),
    "deep.zip": (zipped(("a.zip", NESTED)), "archive_too_large"),
    "bomb.zip": (zipped(("zeros", bytes(9 * 2**20))), "archive_too_large"),
    "outside.zip": (zipped(("../../etc/cron.d/a", b"a")), "archive_unsafe"),
    "locked.zip": (files.encrypted_zip(), "type_denied"),
    "cut.zip": (zipped(("a.bin", DEEP))[:-30], "archive_unreadable"),
    "letter.docx": (MACROS_BEHIND_THE_HEAD, "type_denied"),
    "drawing.svg": (SVG + b"<script/></svg>", "type_denied"),
    "large.png": (picture("PNG", (101, 100)), "image_too_large"),
    "long.gif": (picture("GIF", frames=4), "image_too_many_frames"),
    "cut.png": (files.png()[:20], "image_unreadable"),
}
PASSES = {
    "notes.zip": zipped(("a.txt", b"a"), ("b/c.txt", b"c"), ("deep.bin", DEEP)),
    "nested.zip": zipped(("a.zip", zipped(("b.txt", b"b")))),
    "letter.docx": files.docx(),
    "large.docx": zipped(
        ("[Content_Types].xml", files.content_types("wordprocessingml.document.main")),
        ("word/document.xml", b"<w:document/>"),
        ("word/media/image.bin", DEEP),
    ),
    "drawing.svg": SVG + b"</svg>",
    "a.txt": b"hello\n" * HEAD,
    "short.gif": picture("GIF", frames=3),
    "a.bin": noise(3 * 2**20),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_may_not_pass(
    way: str, gateway: GatewayProcess, alice: Client, mattermost: StandInProcess
) -> None:
    for name, (content, reason) in REFUSED.items():
        response = send(way, alice, name, content)
        assert said(response) == reason, name
        assert logged(gateway, response)["rule"] == "strict"
    assert mattermost.state()["uploads"] == []


@pytest.mark.parametrize("way", WAYS)
def test_what_passes_passes_as_it_is(way: str, alice: Client, mattermost: StandInProcess) -> None:
    for name, content in PASSES.items():
        assert said(send(way, alice, name, content)) == "201", name
        assert stored(mattermost)[-1]["sha256"] == digest(content), name


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_pictures_lose_their_metadata(
    way: str, form: str, gateway: GatewayProcess, alice: Client, mattermost: StandInProcess
) -> None:
    content = picture(form)
    assert b"a maker" in content
    response = send(way, alice, f"a.{form.lower()}", content)
    assert said(response) == "201"
    file = stored(mattermost)[-1]
    assert file["size"] < len(content)
    assert logged(gateway, response)["size"] == file["size"]
    kept = alice.request("GET", f"/api/v4/files/{file['id']}").body
    assert len(kept) == file["size"]
    assert b"a maker" not in kept
    assert b"a comment" not in kept
    with Image.open(io.BytesIO(kept)) as after, Image.open(io.BytesIO(content)) as before:
        assert after.tobytes() == before.tobytes()


def test_a_large_picture_loses_its_metadata_while_it_streams(
    alice: Client, mattermost: StandInProcess
) -> None:
    """Its size is not known when it begins, and is when it ends."""
    content = picture("JPEG", (99, 99)) + noise(2**20)  # trailing bytes are no picture's
    assert said(alice.raw("a.jpg", content)) == "201"
    assert stored(mattermost)[-1]["size"] < 10_000


def test_entries_are_counted_and_watched_rules_look_too(
    gateway: GatewayProcess, alice: Client
) -> None:
    response = alice.raw("notes.zip", PASSES["notes.zip"])
    file = logged(gateway, response)
    assert file["entries"] == 3
    assert file["would_refuse"] == [{"rule": "watched", "reason": "archive_too_large"}]


def test_other_addresses_follow_the_rules_too(
    gateway: GatewayProcess, alice: Client, mattermost: StandInProcess
) -> None:
    """A picture in a form that goes on as a form; and a file for a plugin."""

    def own_picture(content: bytes) -> WireResponse:
        body = b"--X\r\n" + file_part("me.png", content, name="image") + b"\r\n--X--\r\n"
        return alice.request(
            "POST",
            f"/api/v4/users/{mattermost.ready['user']['id']}/image",
            ("Content-Type", "multipart/form-data; boundary=X"),
            body=body,
        )

    assert said(own_picture(picture("PNG", (101, 100)))) == "image_too_large"
    assert said(own_picture(picture("PNG"))) == "200"
    form = b"--X\r\n" + file_part("a.zip", PROGRAM) + b"\r\n--X--\r\n"
    for kind, body in (("application/zip", PROGRAM), ("multipart/form-data; boundary=X", form)):
        response = alice.request("POST", "/plugins/x/upload", ("Content-Type", kind), body=body)
        assert said(response) == "archive_entry_denied"


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_what_a_plugin_gets_has_lost_its_metadata(form: str, folder: Path, tmp_path: Path) -> None:
    """As a body of its own, streaming or not, and in a form; charged is what it got."""
    rules = tmp_path / "policy.toml"
    rules.write_text('[[rule]]\nname = "strip"\nstrip_metadata = true\n')
    content, kind = picture(form), f"image/{form.lower()}"
    with plugin_behind(folder, policy_file=str(rules), quotas="user 1GiB/day") as plugin:
        headers = bearer("alice"), ("Content-Type", kind)
        part = b"--X\r\n" + file_part("a", content) + b"\r\n--X--\r\n"
        ways = (
            plugin.send(content, *headers),
            plugin.send([content[:99], content[99:]], *headers),
            plugin.send(part, bearer("alice"), ("Content-Type", "multipart/form-data; boundary=X")),
        )
        assert [response.status for response in ways] == [202] * 3
        bodies = [received.body for received in plugin.origin.requests]
        assert bodies[0] == bodies[1]
        assert bodies[0] in bodies[2]
        assert len(bodies[0]) < len(content)
        assert b"a maker" not in b"".join(bodies)
        plugin.gateway.wait_for(lambda: plugin.charged("alice") == 3 * len(bodies[0]))
        assert plugin.line(ways[0])["files"][0]["size"] == len(bodies[0])
