"""Promise 3: what was inspected is what is forwarded, in framing of the gateway's own.

Two parsers that disagree about a body are how filters get bypassed. So whatever a form looks
like: the gateway refuses it, or stores what Mattermost alone would have stored.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.standin.process import StandInProcess
from tests.promises.support import BOUNDARY, program, send_chunks
from tests.support.gateway import GatewayProcess
from tests.support.server import from_stand_in
from tests.support.wire import Client, Wire, WireResponse, field, file_part, form_body

FORM = f"multipart/form-data; boundary={BOUNDARY}"
EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """One that lets every content pass: here only the form can be a reason to refuse."""
    folder = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(
        stand_in.url, folder, denied_types="", denied_extensions="", extension_agreement="off"
    ) as running:
        yield running


@dataclass(frozen=True)
class Pair:
    """The same uploads, through the gateway and to the stand-in directly."""

    stand_in: StandInProcess
    through: Client
    directly: Client

    def post(
        self,
        client: Client,
        body: bytes,
        content_type: str = FORM,
        query: str = "",
        cuts: Sequence[int] = (),
    ) -> WireResponse:
        """Send ``body`` in chunks that end at ``cuts``."""
        with Wire(client.address) as wire:
            headers = [("Content-Type", content_type), ("Transfer-Encoding", "chunked")]
            wire.send_head("POST", f"/api/v4/files{query}", client.head(*headers))
            ends = [*sorted({cut for cut in cuts if 0 < cut < len(body)}), len(body)]
            starts = [0, *ends[:-1]]
            send_chunks(wire, [body[s:e] for s, e in zip(starts, ends, strict=True) if s < e])
            return wire.response()

    def files(self, response: WireResponse) -> list[tuple[str, bytes]]:
        """Names and contents of the files that ``response`` says are stored."""
        server = from_stand_in(self.stand_in)
        infos = response.json()["file_infos"]
        return [(info["name"], server.stored(info["id"])) for info in infos]

    def assert_refused_or_same(
        self, body: bytes, content_type: str = FORM, query: str = "", cuts: Sequence[int] = ()
    ) -> bool:
        """Whether the gateway accepted ``body``."""
        through = self.post(self.through, body, content_type, query, cuts)
        if through.status != 201:
            assert through.status >= 400
            return False
        directly = self.post(self.directly, body, content_type, query)
        assert directly.status == 201
        assert self.files(through) == self.files(directly)
        assert through.json()["client_ids"] == directly.json()["client_ids"]
        return True


@pytest.fixture(scope="module")
def pair(stand_in: StandInProcess, gateway: GatewayProcess) -> Pair:
    token, channel_id = stand_in.user_token, stand_in.channel_id
    return Pair(
        stand_in,
        Client(gateway.address, token, channel_id),
        Client(("127.0.0.1", stand_in.port), token, channel_id),
    )


# Pieces of which contents are made: what delimiters, and what looks like them, consist of.
FRAGMENTS = st.sampled_from(
    [
        b"\r\n", b"\n", b"\r", b"--", b"-", b"\r\n--", b"\r\n--Xboundary", b"--XboundaryX",
        b"\r\n--XboundaryX", b"XboundaryX", b"\r\n--XboundaryX--\r\n", b"\r\n--XboundaryX\r\n",
        b"\r\n\r\n", b"Content-Disposition: form-data; name=\"files\"; filename=\"b.exe\"",
        b"\0", b"a", b"MZ", b"\xff\xfe",
    ]
)  # fmt: skip
ZEROS = st.builds(bytes, st.just(20_000))
CONTENTS = st.lists(FRAGMENTS | ZEROS | st.binary(max_size=8), max_size=6).map(b"".join)
HARMLESS = CONTENTS.filter(lambda content: b"--XboundaryX" not in content)
NAMES = st.text("abcXYZ019 ._-+=&%äß漢'", min_size=1, max_size=12).filter(lambda n: n.strip(". "))
CUTS = st.lists(st.integers(0, 3000), max_size=4)


@st.composite
def good_forms(draw: st.DrawFn, channel_id: str) -> tuple[bytes, list[tuple[str, bytes]]]:
    """A form, and the files in it."""
    files = draw(st.lists(st.tuples(NAMES, HARMLESS), min_size=1, max_size=3))
    parts = [file_part(name, content) for name, content in files]
    channel = [field("channel_id", channel_id)]
    ids = [field("client_ids", f"id {i}") for i in range(len(files) * draw(st.integers(0, 1)))]
    order = draw(
        st.sampled_from([channel + ids + parts, parts + channel + ids, ids + parts + channel])
    )
    return form_body(*order), files


@EXAMPLES
@given(data=st.data(), cuts=CUTS)
def test_the_files_of_a_good_form_are_stored_as_they_are(
    pair: Pair, data: st.DataObject, cuts: list[int]
) -> None:
    body, files = data.draw(good_forms(pair.stand_in.channel_id))
    response = pair.post(pair.through, body, cuts=cuts)
    assert response.status == 201
    assert pair.files(response) == files


PART_HEADS = st.sampled_from(
    [
        'Content-Disposition: form-data; name="files"; filename="a.txt"\r\n',
        'content-disposition: form-data; filename="a.txt"; name="files"\r\n',
        'Content-Disposition: form-data; name=files; filename=a.txt\r\n',
        'Content-Disposition: form-data; name="other"; filename="a.txt"\r\n',
        'Content-Disposition: form-data; name="files"; filename="x\\"y.txt"\r\n',
        'Content-Disposition: form-data; name="files"; filename="C:\\dir\\a.txt"\r\n',
        'Content-Disposition: form-data; name="files"; filename="../a.txt"\r\n',
        'Content-Disposition: form-data; name="files"; filename="a.txt"; filename="b.exe"\r\n',
        'Content-Disposition: form-data; name="files"; filename="a.txt"; '
        "filename*=UTF-8''b.exe\r\n",
        'Content-Disposition: form-data; name="files"; filename*=UTF-8\'\'a.txt\r\n',
        'Content-Disposition: form-data; name="files"; filename=""\r\n',
        'Content-Disposition: form-data; name="files"\r\n',
        'Content-Disposition: form-data; filename="a.txt"\r\n',
        'Content-Disposition: attachment; name="files"; filename="a.txt"\r\n',
        'Content-Disposition: form-data; name="files"; filename="a.txt"\n',
        'Content-Disposition: form-data;\r\n name="files"; filename="a.txt"\r\n',
        'Content-Disposition : form-data; name="files"; filename="a.txt"\r\n',
        'Content-Disposition: form-data; name="files"; filename="a.txt"\r\n'
        "Content-Transfer-Encoding: base64\r\n",
        'Content-Disposition: form-data; name="files"; filename="a.txt"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n",
        'Content-Disposition: form-data; name="files"; filename="a.txt"\r\n'
        'Content-Disposition: form-data; name="files"; filename="b.exe"\r\n',
        'Content-Disposition: form-data; name="files"; filename="a.txt"\r\n'
        "Content-Type: multipart/mixed; boundary=XboundaryY\r\n",
        'Content-Disposition: form-data; name="channel_id"\r\n',
        'Content-Disposition: form-data; name="client_ids"\r\n',
        "",
    ]
)  # fmt: skip
ENDS = st.sampled_from(
    [b"--XboundaryX--\r\n", b"--XboundaryX--", b"--XboundaryX", b"--XboundaryX--\r\nmore", b""]
)
OPENINGS = st.sampled_from([b"", b"", b"", b"\r\n", b"preamble\r\n", b"--XboundaryX--\r\n"])
SEPARATORS = st.sampled_from([b"\r\n"] * 12 + [b"\n", b" \r\n", b""])


@st.composite
def odd_forms(draw: st.DrawFn, channel_id: str) -> bytes:
    """What somebody who looks for a gap would send: mostly a form, and wrong here and there."""
    heads = draw(st.lists(PART_HEADS, min_size=1, max_size=3))
    parts = [head.encode() + b"\r\n" + draw(CONTENTS) for head in heads]
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), field("channel_id", channel_id))
    pieces = [draw(OPENINGS)]
    for part in parts:
        pieces += [b"--XboundaryX", draw(SEPARATORS), part, draw(SEPARATORS)]
    return b"".join(pieces) + draw(ENDS)


@EXAMPLES
@given(data=st.data(), cuts=CUTS)
def test_an_odd_form_is_refused_or_read_as_mattermost_reads_it(
    pair: Pair, data: st.DataObject, cuts: list[int]
) -> None:
    pair.assert_refused_or_same(data.draw(odd_forms(pair.stand_in.channel_id)), cuts=cuts)


@EXAMPLES
@given(data=st.data())
def test_a_form_with_one_byte_changed_is_refused_or_read_as_mattermost_reads_it(
    pair: Pair, data: st.DataObject
) -> None:
    body = bytearray(
        form_body(
            field("channel_id", pair.stand_in.channel_id),
            field("client_ids", "c"),
            file_part("a.txt", b"content\r\n--Xboundary"),
        )
    )
    position = data.draw(st.integers(0, len(body) - 1))
    match data.draw(st.sampled_from(["change", "drop", "double"])):
        case "change":
            body[position] = data.draw(st.sampled_from(b'\r\n\0 ;"\\=-:%aX\x80'))
        case "drop":
            del body[position]
        case _:
            body.insert(position, body[position])
    pair.assert_refused_or_same(bytes(body))


CONTENT_TYPES = [
    FORM,
    f"Multipart/Form-Data; Boundary={BOUNDARY}",
    f'multipart/form-data; boundary="{BOUNDARY}"',
    f"multipart/form-data; charset=utf-8; boundary={BOUNDARY}",
    f"multipart/form-data; boundary={BOUNDARY};",
    f"multipart/form-data; boundary={BOUNDARY}; boundary=other",
    f"multipart/form-data; boundary=other; boundary={BOUNDARY}",
    f"multipart/form-data; boundary*=UTF-8''{BOUNDARY}",
    f"multipart/form-data; boundary*0=Xbound; boundary*1=aryX; boundary={BOUNDARY}",
    f"multipart/form-data boundary={BOUNDARY}",
    f"multipart/form-data, text/plain; boundary={BOUNDARY}",
    f"text/plain, multipart/form-data; boundary={BOUNDARY}",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    f"multipart/mixed; boundary={BOUNDARY}",
    f"multipart/related; boundary={BOUNDARY}",
    f"multipart; boundary={BOUNDARY}",
    f"text/plain; x=multipart/form-data; boundary={BOUNDARY}",
    f"\x0bmultipart/form-data; boundary={BOUNDARY}",
    "application/octet-stream",
    "nonsense",
    "text/plain; charset",
]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_what_is_a_form_and_what_is_a_file_is_decided_as_mattermost_does(
    content_type: str, pair: Pair
) -> None:
    body = form_body(field("channel_id", pair.stand_in.channel_id), file_part("a.txt", b"hello"))
    query = f"?channel_id={pair.stand_in.channel_id}&filename=envelope.txt"
    accepted = pair.assert_refused_or_same(body, content_type, query)
    if content_type in (FORM, "application/octet-stream"):
        assert accepted


@pytest.mark.parametrize(
    "disguise",
    [
        "filename=invoice.pdf",
        "filename=C:%5Cinvoice.pdf",
        "filename=x%2Finvoice.pdf",
        "filename=invoice.pdf&filename=invoice.exe",
        "filename=invoice.pdf;filename=invoice.exe",
        "filename=invoice%2Epdf",
        "Filename=a.exe&filename=invoice.pdf",
        "filename=invoice.pdf%00.exe",
    ],
)
def test_a_raw_file_has_the_name_that_mattermost_gives_it(disguise: str, pair: Pair) -> None:
    query = f"?channel_id={pair.stand_in.channel_id}&{disguise}"
    pair.assert_refused_or_same(program(1000), "application/octet-stream", query)


def test_mattermost_never_sees_the_framing_of_a_client(
    client: Client, mattermost: StandInProcess
) -> None:
    response = client.form(
        field("channel_id", client.channel_id),
        field("client_ids", "c 1"),
        field("client_ids", "c&2"),
        file_part("a b.txt", b"first"),
        file_part("c&d.bin", b"s" * 300_000),
    )
    assert response.status == 201
    uploads = mattermost.state()["uploads"]
    for upload in uploads:
        headers = {name.lower(): value for name, value in upload["headers"]}
        assert headers["content-type"] == "application/octet-stream"
        assert BOUNDARY not in str(upload)
    channel = client.channel_id
    assert [parse_qs(urlsplit(upload["target"]).query) for upload in uploads] == [
        {"channel_id": [channel], "filename": ["a b.txt"], "client_id": ["c 1"]},
        {"channel_id": [channel], "filename": ["c&d.bin"], "client_id": ["c&2"]},
    ]
    assert [upload["body_bytes"] for upload in uploads] == [5, 300_000]
    assert response.json()["client_ids"] == ["c 1", "c&2"]


def test_a_raw_upload_is_forwarded_with_a_query_of_the_gateways_own(
    client: Client, mattermost: StandInProcess
) -> None:
    content_type = ("Content-Type", "application/pdf")
    trailing = "a.txt&client_id=c&unheard=of&channel_Id=x"
    assert client.raw(trailing, b"hello", content_type).status == 201
    (upload,) = mattermost.state()["uploads"]
    assert parse_qs(urlsplit(upload["target"]).query) == {
        "channel_id": [client.channel_id],
        "filename": ["a.txt"],
        "client_id": ["c"],
    }
    headers = {name.lower(): value for name, value in upload["headers"]}
    assert headers["content-type"] == "application/octet-stream"
