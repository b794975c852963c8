"""Promise 7: a form that two readers could read in two ways is refused, wherever it is sent.

docs/security.md has a row for each kind; here are the forms, and a test that both agree.
"""

import pytest

from tests.promises.tricks import (
    AMBIGUOUS,
    PLACES,
    PROGRAM,
    REFUSED_FOR_ITS_CONTENT,
    UNREADABLE,
    UNREADABLE_CHUNK,
    Error,
    Scene,
)

B = b"XboundaryX"
FORM = "multipart/form-data; boundary=XboundaryX"
HEAD = b'Content-Disposition: form-data; name="{field}"; filename="{name}"'
END = b"--XboundaryX--\r\n"


def typed(content_type: str) -> tuple[str, bytes]:
    """A good form of another Content-Type."""
    return content_type, part(HEAD)[1]


def part(*lines: bytes, content: bytes = b"{content}") -> tuple[str, bytes]:
    """A form whose file has these header lines."""
    return body(b"{values}--XboundaryX\r\n" + b"\r\n".join([*lines, b"", content, END]))


def body(template: bytes) -> tuple[str, bytes]:
    return FORM, template


def value(content: bytes, name: bytes = b"client_ids") -> bytes:
    disposition = b'Content-Disposition: form-data; name="%s"' % name
    return b"--XboundaryX\r\n%s\r\n\r\n%s\r\n" % (disposition, content)


FILE = b"--XboundaryX\r\n" + HEAD + b"\r\n\r\n{content}\r\n"

REFUSED: dict[str, tuple[Error, list[tuple[str, bytes]]]] = {
    "a boundary that is given twice": (
        AMBIGUOUS,
        [
            typed("multipart/form-data; boundary=XboundaryX; boundary=XboundaryX"),
            typed("multipart/form-data; boundary=XboundaryX; boundary=other"),
            typed("multipart/form-data; boundary=other; BOUNDARY=XboundaryX"),
        ],
    ),
    "`boundary*=`, `boundary*0=`": (
        AMBIGUOUS,
        [
            typed("multipart/form-data; boundary*=UTF-8''XboundaryX"),
            typed("multipart/form-data; boundary=XboundaryX; boundary*=UTF-8''other"),
            typed("multipart/form-data; boundary*0=Xbound; boundary*1=aryX"),
            typed("multipart/form-data; boundary*0*=Xbound; boundary*1*=aryX"),
            typed("multipart/form-data; boundary=XboundaryX; charset*=UTF-8''a"),
        ],
    ),
    "a boundary that is not 1 to 70 of the characters of RFC 2046": (
        AMBIGUOUS,
        [
            typed('multipart/form-data; boundary=""'),
            typed(f"multipart/form-data; boundary={'X' * 71}"),
            typed('multipart/form-data; boundary="XboundaryX "'),
            typed('multipart/form-data; boundary="Xbound\\"aryX"'),
            typed('multipart/form-data; boundary="Xbound\\\\aryX"'),
            typed('multipart/form-data; boundary="Xbound;aryX"'),
            typed('multipart/form-data; boundary="Xbound\taryX"'),
            typed("multipart/form-data; boundary=Xbound%61ryX"),
            typed("multipart/form-data; boundary=Xbound|aryX"),
            typed('multipart/form-data; boundary="Xbound\xe4ryX"'),
        ],
    ),
    "no boundary": (
        UNREADABLE,
        [
            typed("multipart/form-data"),
            typed("multipart/form-data;"),
            typed("multipart/form-data; charset=utf-8"),
            typed("multipart/form-data; x-boundary=XboundaryX"),
        ],
    ),
    "a boundary that is not that of the body": (
        UNREADABLE,
        [
            typed("multipart/form-data; boundary=XboundaryY"),
            typed("multipart/form-data; boundary=xboundaryx"),
            typed("multipart/form-data; boundary='XboundaryX'"),
            typed("multipart/form-data; boundary=--XboundaryX"),
        ],
    ),
    "a form that is not `multipart/form-data`, or several types in one header": (
        AMBIGUOUS,
        [
            typed("multipart/mixed; boundary=XboundaryX"),
            typed("multipart/related; boundary=XboundaryX"),
            typed("multipart/alternative; boundary=XboundaryX"),
            typed("multipart/form-data-x; boundary=XboundaryX"),
            typed("multipart; boundary=XboundaryX"),
            typed("multipart/; boundary=XboundaryX"),
            typed("multipart /form-data; boundary=XboundaryX"),
            typed("multipart/form-data, text/plain; boundary=XboundaryX"),
            typed("text/plain, multipart/form-data; boundary=XboundaryX"),
            typed("text/plain; x=multipart/form-data; boundary=XboundaryX"),
            typed("application/octet-stream;multipart/form-data; boundary=XboundaryX"),
            typed('"multipart/form-data"; boundary=XboundaryX'),
        ],
    ),
    "a Content-Type with a malformed parameter": (
        AMBIGUOUS,
        [
            typed("multipart/form-data; boundary"),
            typed("multipart/form-data; boundary="),
            typed("multipart/form-data; boundary = XboundaryX"),
            typed("multipart/form-data; boundary =XboundaryX"),
            typed("multipart/form-data boundary=XboundaryX"),
            typed("multipart/form-data, boundary=XboundaryX"),
            typed("multipart/form-data;; boundary=XboundaryX"),
            typed("multipart/form-data; boundary=XboundaryX, multipart/form-data; boundary=other"),
            typed("multipart/form-data; boundary=Xbound aryX"),
            typed("multipart/form-data; boundary=Xbound(aryX"),
            typed('multipart/form-data; boundary="XboundaryX'),
            typed('multipart/form-data; boundary="Xbound"aryX'),
            typed('multipart/form-data; charset="x; boundary=XboundaryX'),
            typed('multipart/form-data; x="a\\,b"; boundary=XboundaryX'),
            typed("multipart/form-data; boundary=XboundaryX; =x"),
            typed("multipart/form-data; boundary=XboundaryX; \xe4=x"),
        ],
    ),
    "a part with two Content-Disposition, Content-Type or Content-Transfer-Encoding headers": (
        AMBIGUOUS,
        [
            part(HEAD, HEAD),
            part(HEAD, b'Content-Disposition: form-data; name="{field}"; filename="b.exe"'),
            part(HEAD, b'content-disposition: form-data; name="other"'),
            part(HEAD, b"Content-Type: text/plain", b"content-type: image/png"),
            part(HEAD, b"Content-Transfer-Encoding: 8bit", b"Content-Transfer-Encoding: base64"),
        ],
    ),
    "two names or two file names in a part": (
        AMBIGUOUS,
        [
            part(HEAD + b'; filename="b.exe"'),
            part(HEAD + b'; FileName="b.exe"'),
            part(HEAD + b"; filename={name}"),
            part(HEAD + b'; name="other"'),
            part(
                b'Content-Disposition: form-data; name="other"; name="{field}"; filename="{name}"'
            ),
        ],
    ),
    "`filename*` that is not the same as `filename`, `filename*0`, any other `…*`": (
        AMBIGUOUS,
        [
            part(HEAD + b"; filename*=UTF-8''b.exe"),
            part(b"Content-Disposition: form-data; name=\"{field}\"; filename*=UTF-8''{name}"),
            part(HEAD + b"; filename*={name}"),
            part(HEAD + b"; filename*=\"UTF-8''{name}\"x"),
            part(HEAD + b"; filename*=ISO-8859-1''{name}"),
            part(HEAD + b"; filename*=UTF-8''{name}%00"),
            part(HEAD + b"; filename*=UTF-8''%ff"),
            part(HEAD + b"; filename*0=b; filename*1=.exe"),
            part(HEAD + b"; filename*0*=UTF-8''b.exe"),
            part(b'Content-Disposition: form-data; name="{field}"; filename*0="{name}"'),
            part(b"Content-Disposition: form-data; name*=UTF-8''{field}; filename=\"{name}\""),
            part(HEAD + b"; name*=UTF-8''other"),
            part(HEAD + b"; x*=UTF-8''y"),
        ],
    ),
    "a Content-Transfer-Encoding other than `7bit`, `8bit` and `binary`": (
        AMBIGUOUS,
        [
            part(HEAD, b"Content-Transfer-Encoding: base64"),
            part(HEAD, b"Content-Transfer-Encoding: BASE64"),
            part(HEAD, b"Content-Transfer-Encoding: quoted-printable"),
            part(HEAD, b"content-transfer-encoding:quoted-printable"),
            part(HEAD, b"Content-Transfer-Encoding: x-uuencode"),
            part(HEAD, b"Content-Transfer-Encoding: binary, base64"),
            part(HEAD, b"Content-Transfer-Encoding: "),
        ],
    ),
    "a part that is declared to be a form of its own": (
        AMBIGUOUS,
        [
            part(HEAD, b"Content-Type: multipart/mixed; boundary=XboundaryY"),
            part(HEAD, b"content-type: MULTIPART/MIXED"),
            part(
                b'Content-Disposition: form-data; name="{field}"',
                b"Content-Type: multipart/mixed; boundary=XboundaryY",
                content=b"--XboundaryY\r\nContent-Disposition: file; filename={name}\r\n\r\n"
                b"{content}\r\n--XboundaryY--",
            ),
        ],
    ),
    "a part that is no `form-data`, or says nothing of itself": (
        AMBIGUOUS,
        [
            part(b'Content-Disposition: attachment; name="{field}"; filename="{name}"'),
            part(b'Content-Disposition: file; name="{field}"; filename="{name}"'),
            part(b'Content-Disposition: inline; name="{field}"; filename="{name}"'),
            part(b'Content-Disposition: form-data-x; name="{field}"; filename="{name}"'),
            part(b'Content-Disposition: ; name="{field}"; filename="{name}"'),
            part(b'Content-Disposition: name="{field}"; filename="{name}"'),
            part(b"Content-Type: text/plain"),
            part(b'X-Content-Disposition: form-data; name="{field}"; filename="{name}"'),
            part(),
        ],
    ),
    "a part without a name, or with an empty one": (
        AMBIGUOUS,
        [
            part(b'Content-Disposition: form-data; filename="{name}"'),
            part(b'Content-Disposition: form-data; name=""; filename="{name}"'),
            part(b'Content-Disposition: form-data; name="{field}"; filename=""'),
            part(b"Content-Disposition: form-data"),
        ],
    ),
    "a field called `_charset_`": (
        AMBIGUOUS,
        [
            body(
                b'--XboundaryX\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\nutf-16'
                b"\r\n{values}" + FILE + END
            ),
            part(b'Content-Disposition: form-data; name="_CharSet_"; filename="{name}"'),
        ],
    ),
    "a header of a part that is malformed": (
        AMBIGUOUS,
        [
            part(HEAD, b"no colon"),
            part(HEAD, b": no name"),
            part(HEAD.replace(b":", b" :")),
            part(HEAD, b"X(Y): z"),
            part(HEAD, b"X-\xc3\xa4: z"),
            part(HEAD.replace(b"; filename", b" filename")),
            part(HEAD + b"x"),
            part(HEAD + b"; x"),
            part(HEAD + b'; x="'),
            part(HEAD.removesuffix(b'"')),
            part(HEAD.replace(b"filename=", b"filename =")),
            part(HEAD.replace(b"filename=", b"filename= ")),
            part(HEAD.replace(b'"{name}"', b"'b c.txt'")),
            part(HEAD.replace(b"; filename", b",filename")),
        ],
    ),
    "a header of a part that goes on in a second line": (
        AMBIGUOUS,
        [
            part(HEAD.replace(b"; filename", b";\r\n filename")),
            part(HEAD.replace(b"; filename", b";\r\n\tfilename")),
            part(HEAD, b" ; filename=b.exe"),
            part(b" X: y", HEAD),
        ],
    ),
    "a control character or a byte that is no UTF-8 in a header of a part": (
        AMBIGUOUS,
        [
            part(HEAD.replace(b"{name}", b"b\0.exe.txt")),
            part(HEAD.replace(b"{field}", b"{field}\0x")),
            part(HEAD.replace(b"{name}", b"b.txt\rX: y")),
            part(HEAD.replace(b"{name}", b"b\x0b.txt")),
            part(HEAD.replace(b"{name}", b"b\x7f.txt")),
            part(HEAD.replace(b"{name}", b"b\xc2\x85.txt")),
            part(HEAD.replace(b"{name}", b"b\xff.txt")),
            part(HEAD.replace(b"{name}", b"b\xc0\xae.exe")),
            part(HEAD.replace(b"{name}", b"b\xed\xa0\x80.txt")),
            part(HEAD, b"X: \0"),
        ],
    ),
    "a backslash before a character that only some take for escaped": (
        AMBIGUOUS,
        [
            part(HEAD.replace(b"{name}", b"b\\;.txt")),
            part(HEAD.replace(b"{name}", b"b\\/c.txt")),
            part(HEAD.replace(b"{name}", b"C:\\(b).txt")),
            part(HEAD.replace(b"{field}", b"{field}\\=")),
        ],
    ),
    "a bare line feed or a bare carriage return where a line ends": (
        AMBIGUOUS,
        [
            body((b"{values}" + FILE + END).replace(b"\r\n", b"\n")),
            body(b"{values}" + FILE.replace(b"X\r\n", b"X\n") + END),
            body(b"{values}" + FILE.replace(b'"\r\n', b'"\n') + END),
            body(b"{values}" + FILE.replace(b"\r\n\r\n", b"\r\n\n") + END),
            body(b"{values}" + FILE.replace(b"\r\n\r\n", b"\n\n") + END),
            body(b"{values}" + FILE.replace(b"\r\n\r\n", b"\r\r") + END),
            body(b"{values}" + FILE.removesuffix(b"\r\n") + b"\n" + END),
            body(b"{values}" + FILE.replace(b"{content}", b"{content}\n--XboundaryX--") + END),
            body(
                b"{values}" + FILE.replace(b"{content}", b"{content}\n--XboundaryX\r\nX: y") + END
            ),
        ],
    ),
    "something behind a boundary in its line": (
        AMBIGUOUS,
        [
            body(b"{values}" + FILE.replace(b"X\r\n", b"X \r\n") + END),
            body(b"{values}" + FILE.replace(b"X\r\n", b"X\t\r\n") + END),
            body(b"{values}" + FILE.replace(b"X\r\n", b"Xx\r\n") + END),
            body(b"{values}" + FILE + b"--XboundaryX --\r\n"),
            body(b"{values}" + FILE + b"--XboundaryX-\r\n"),
            body(b"{values}" + FILE + b"--XboundaryXmore\r\n{content}\r\n" + END),
        ],
    ),
    "something before the first boundary": (
        AMBIGUOUS,
        [
            body(b"A preamble.\r\n{values}" + FILE + END),
            body(b"\r\n\r\n{values}" + FILE + END),
            body(b"\r\n" + HEAD + b"\r\n\r\n{content}\r\n{values}" + FILE + END),
        ],
    ),
    "something behind the last boundary": (
        AMBIGUOUS,
        [
            body(b"{values}" + FILE + END + b"An epilogue."),
            body(b"{values}" + FILE + END + b"\r\n"),
            body(b"{values}" + FILE + END + b"{values}" + FILE + END),
            body(b"{values}" + FILE + b"--XboundaryX--x\r\n"),
            body(b"{values}" + FILE + b"--XboundaryX-- \r\n"),
            body(b"{values}" + FILE + b"--XboundaryX--\n"),
        ],
    ),
    "a part whose content begins with the boundary": (
        AMBIGUOUS,
        [
            body(b"{values}" + FILE.replace(b"{content}", b"--XboundaryX\r\n{content}") + END),
            body(b"{values}" + FILE.replace(b"{content}\r\n", b"") + END),
        ],
    ),
    "a form that is cut off": (
        UNREADABLE,
        [
            body(b"{values}--XboundaryX"),
            body(b"{values}--XboundaryX\r\n"),
            body(b"{values}--XboundaryX\r\n" + HEAD),
            body(b"{values}--XboundaryX\r\n" + HEAD + b"\r\n\r\n"),
            body(b"{values}" + FILE.removesuffix(b"\r\n")),
            body(b"{values}" + FILE + b"--Xboundary"),
            body(b"{values}" + FILE + b"--XboundaryX"),
            body(b"{values}" + FILE + b"--XboundaryX\r\n"),
            body(b"{values}" + FILE + b"--XboundaryX-"),
            body(b"{values}" + FILE + b"--XboundaryX--\r"),
        ],
    ),
    "a body with no boundary in it": (
        UNREADABLE,
        [
            body(b"{content}"),
            body(b"-" + FILE.removeprefix(b"--")),
        ],
    ),
    "more than 4 KiB before the first boundary": (
        UNREADABLE,
        [body(b"\0" * 4096 + b"\r\n{values}" + FILE + END)],
    ),
    "more than 1000 parts, or 8 KiB of headers in one": (
        AMBIGUOUS,
        [
            body(value(b"x") * 1001 + b"{values}" + FILE + END),
            part(HEAD, *[b"X: y"] * 2000),
            part(HEAD, b"X: " + b"y" * 8192),
            part(HEAD.replace(b"{name}", b"y" * 8192)),
        ],
    ),
    "a value longer than 10 KiB, or that is no UTF-8": (
        AMBIGUOUS,
        [
            body(value(b"x" * 10_241) + b"{values}" + FILE + END),
            body(value(b"\xff") + b"{values}" + FILE + END),
        ],
    ),
    "names and values of more than 64 KiB together": (
        AMBIGUOUS,
        [
            body(value(b"x" * 10_000) * 7 + b"{values}" + FILE + END),
        ],
    ),
    "more than 100 attachments before their `channel_id`": (
        AMBIGUOUS,
        [body(FILE * 101 + b"{values}" + END), body(FILE * 150 + b"{values}" + END)],
    ),
    "more than 10 files for any other address": (
        AMBIGUOUS,
        [body(b"{values}" + FILE * 11 + END), body(b"{values}" + FILE * 100 + END)],
    ),
}
OF_CHUNKS: dict[str, Error] = {
    "no boundary": (400, "api.upload.upload_data.invalid_content_type"),
    "a boundary that is not that of the body": UNREADABLE_CHUNK,
    "a form that is cut off": UNREADABLE_CHUNK,
    "a body with no boundary in it": UNREADABLE_CHUNK,
}
"""Where Mattermost answers otherwise to a piece of a file."""
FORMS_ONLY = ("files", "emoji", "brand/image")
"""A piece of a file is the first part of its form, whatever that is."""
ONLY: dict[str, tuple[str, ...]] = {
    "a value longer than 10 KiB, or that is no UTF-8": FORMS_ONLY,
    "names and values of more than 64 KiB together": FORMS_ONLY,
    "more than 100 attachments before their `channel_id`": ("files",),
    "more than 10 files for any other address": ("emoji", "brand/image"),
}


@pytest.mark.parametrize(
    ("kind", "place"),
    [(kind, place) for kind in REFUSED for place in ONLY.get(kind, (*PLACES, "unlisted"))],
)
def test_an_odd_form_is_refused(kind: str, place: str, scene: Scene) -> None:
    error, forms = REFUSED[kind]
    if place == "upload_data":
        error = OF_CHUNKS.get(kind, error)
    at = scene.places[place]
    for content_type, template in forms:
        target = scene.target(at, at.content)
        outcome = scene.post(target, at.fill(template), ("Content-Type", content_type))
        assert outcome.error == error, (content_type, template)
        outcome.assert_nothing_passed()


PASSED: dict[str, list[tuple[str, bytes]]] = {
    "the type in capitals, a quoted boundary, other parameters": [
        typed("Multipart/Form-DATA; Boundary=XboundaryX"),
        typed('multipart/form-data; boundary="XboundaryX"'),
        typed("multipart/form-data;boundary=XboundaryX;charset=utf-8"),
        typed("multipart/form-data; charset=utf-8; boundary=XboundaryX;"),
        typed(" multipart/form-data \t;\tboundary=XboundaryX"),
    ],
    "header names in small letters, parameters in another order, without quotes": [
        part(HEAD.lower()),
        part(b'CONTENT-DISPOSITION:Form-Data;FILENAME="{name}";NAME="{field}"'),
        part(b"Content-Disposition: form-data; name={field}; filename={name}"),
        part(HEAD + b";"),
        part(HEAD + b"; x=y", b"X-Odd: z"),
    ],
    "a `filename*` that says the same as `filename`": [
        part(HEAD + b"; filename*=UTF-8''{name}"),
        part(HEAD + b"; filename*=utf-8'en'{name}"),
    ],
    "whatever Content-Type a part has": [
        part(HEAD, b"Content-Type: image/png"),
        part(HEAD, b"Content-Type: nonsense"),
        part(HEAD, b"Content-Type: multipart/related; boundary=XboundaryY"),
        part(HEAD, b"Content-Type: message/rfc822"),
        part(HEAD, b"Content-Transfer-Encoding: binary"),
        part(HEAD, b"Content-Transfer-Encoding: 8BIT"),
    ],
    "an empty line before the first boundary, none behind the last": [
        body(b"\r\n{values}" + FILE + END),
        body(b"{values}" + FILE + END.removesuffix(b"\r\n")),
    ],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", PASSED)
def test_what_everybody_reads_alike_is_read(kind: str, place: str, scene: Scene) -> None:
    at = scene.places[place]
    passed = []
    for content_type, template in PASSED[kind]:
        declared = ("Content-Type", content_type)
        outcome = scene.post(scene.target(at, at.content), at.fill(template), declared)
        assert outcome.took == [at.taken], (content_type, template)
        passed.append(outcome)
        outcome = scene.post(scene.target(at, PROGRAM), at.fill(template, PROGRAM), declared)
        assert outcome.error in REFUSED_FOR_ITS_CONTENT, (content_type, template)
        outcome.assert_nothing_passed()
    scene.assert_judged_as_taken(*passed)
