"""The headers of a part mean what Mattermost takes them for, or are refused."""

import pytest

from gateway.body.part_headers import PartHeaders, parse_part_headers
from gateway.refusals import Refused


def disposition(value: str) -> list[bytes]:
    return [b"Content-Disposition: " + value.encode()]


@pytest.mark.parametrize(
    ("parameters", "filename"),
    [
        pytest.param(r'name="files"; filename="a.txt"', "a.txt", id="everybody"),
        pytest.param(r'name="files";filename="a.txt"', "a.txt", id="Pharo, no spaces"),
        pytest.param(r'name="files"; filename="a.txt";', "a.txt", id="urllib2_file, semicolon"),
        pytest.param(r"name=files; filename=a.txt", "a.txt", id="tokens"),
        pytest.param(r'NAME="files"; FileName="a.txt"', "a.txt", id="upper case"),
        pytest.param(r'name="files"; filename="名前.txt"', "名前.txt", id="UTF-8"),
        pytest.param(
            r'name="files"; filename="q%22uote.txt"', "q%22uote.txt", id="browsers, quote"
        ),
        pytest.param(r'name="files"; filename="a\b.txt"', r"a\b.txt", id="curl, backslash"),
        pytest.param(r'name="files"; filename="C:\dir\x.txt"', r"C:\dir\x.txt", id="old IE"),
        pytest.param(r'name="files"; filename="a\\b\"c.txt"', r'a\b"c.txt', id="Go, escapes"),
        pytest.param(r'name="files"; filename="a\\\\b"', r"a\\b", id="escaped twice"),
        pytest.param(r'name="files"; filename="\\\"; name=x"', r"\"; name=x", id="escaped end"),
        pytest.param(r'name="files"; filename="../../a"', "../../a", id="a path"),
        pytest.param(r'name="files"; filename="a.txt"; size=3', "a.txt", id="a further parameter"),
        pytest.param(
            "name=files; filename=a.txt; filename*=utf-8''a.txt", "a.txt", id=".NET, ASCII"
        ),
        pytest.param(
            "name=files; filename=\"a b'c.txt\"; filename*=utf-8''a%20b%27c.txt",
            "a b'c.txt",
            id=".NET, quoted",
        ),
        pytest.param(
            'name="f"; filename="=?utf-8?B?5ZCN5YmNLnR4dA==?="; '
            "filename*=utf-8''%E5%90%8D%E5%89%8D.txt",
            "名前.txt",
            id=".NET, beyond ASCII",
        ),
        pytest.param(
            'name="f"; filename="=?utf-8?B?5ZCN5YmNLnR4dA==?="',
            "=?utf-8?B?5ZCN5YmNLnR4dA==?=",
            id="an encoded word alone is itself",
        ),
    ],
)
def test_file_names_of_real_clients(parameters: str, filename: str) -> None:
    headers = parse_part_headers(disposition("form-data; " + parameters))
    assert headers.filename == filename


def test_all_headers() -> None:
    lines = [
        b'content-disposition:form-data; name="files"; filename="a.txt"',
        b"Content-Type:  text/plain; charset=utf-8 ",
        b"Content-Transfer-Encoding: binary",
        b"Content-Length: 3",
        b"X-Twice: 1",
        b"X-Twice: 2",
    ]
    assert parse_part_headers(lines) == PartHeaders("files", "a.txt", "text/plain; charset=utf-8")


def test_a_value_has_no_file_name() -> None:
    headers = parse_part_headers(disposition('form-data; name="channel_id"'))
    assert headers == PartHeaders("channel_id", None, None)


@pytest.mark.parametrize("encoding", [b"7bit", b"8bit", b"BINARY"])
def test_encodings_that_change_nothing(encoding: bytes) -> None:
    lines = [*disposition("form-data; name=a"), b"Content-Transfer-Encoding: " + encoding]
    assert parse_part_headers(lines).name == "a"


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param("", id="no name"),
        pytest.param('filename="a"', id="only a file name"),
        pytest.param('name=""', id="empty name"),
        pytest.param("name=", id="no value"),
        pytest.param("name", id="no equals sign"),
        pytest.param('name="a', id="open string"),
        pytest.param('name="a\\"', id="open string after a backslash"),
        pytest.param('name="a"b', id="text after a string"),
        pytest.param('name="a" filename="b"', id="no semicolon"),
        pytest.param('name="a";; filename="b"', id="empty parameter"),
        pytest.param('name ="a"', id="space before the equals sign"),
        pytest.param('name= "a"', id="space after the equals sign"),
        pytest.param('name="a"; filename=b c', id="space in a token"),
        pytest.param('name="a"; filename=é', id="token beyond ASCII"),
        pytest.param('name="a"; name="a"', id="name twice"),
        pytest.param('name="a"; filename="b"; filename="c"', id="file name twice"),
        pytest.param('name="a"; filename="b"; FILENAME="c"', id="in another case"),
        pytest.param('name="a"; filename=""', id="empty file name"),
        pytest.param('name="a"; filename="a\\(b"', id="an escape browsers do not mean"),
        pytest.param('name="a\\/b"', id="such an escape in the name"),
        pytest.param("name*=utf-8''a", id="encoded name"),
        pytest.param("name=\"a\"; filename*=utf-8''b", id="encoded file name alone"),
        pytest.param("name=a; filename=\"b\"; filename*=utf-8''c", id="another encoded file name"),
        pytest.param("name=a; filename=b; filename*=utf-16''b", id="another charset"),
        pytest.param("name=a; filename=b; filename*=b", id="no charset"),
        pytest.param("name=a; filename=a%zz; filename*=utf-8''a%zz", id="bad escape"),
        pytest.param("name=a; filename=b; filename*=utf-8''%ff", id="bad UTF-8"),
        pytest.param("name=a; filename=\"=?utf-8?B?YQ=?=\"; filename*=utf-8''a", id="bad base64"),
        pytest.param(
            "name=a; filename=\"=?utf-8?B?AA==?=\"; filename*=utf-8''%00", id="encoded NUL"
        ),
        pytest.param('name="a"; filename*0="b"; filename*1="c"', id="continued file name"),
        pytest.param('name="a"; filename*0*="utf-8\'\'b"', id="continued and encoded"),
        pytest.param('name="a"; x*=y', id="other encoded parameter"),
        pytest.param('name="_charset_"', id="charset field"),
        pytest.param('name="_CharSet_"', id="charset field in another case"),
    ],
)
def test_dispositions_that_readers_disagree_about(parameters: str) -> None:
    assert_refused(disposition("form-data; " + parameters))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="no headers"),
        pytest.param([b"Content-Type: text/plain"], id="no disposition"),
        pytest.param(disposition('attachment; name="a"'), id="attachment"),
        pytest.param(disposition('; name="a"'), id="no disposition type"),
        pytest.param(disposition('form-data, form-data; name="a"'), id="two types"),
        pytest.param(disposition("form-data; name=a") * 2, id="two dispositions"),
        pytest.param(
            [*disposition("form-data; name=a"), b"Content-Type: a/b", b"content-type: a/b"],
            id="two types of content",
        ),
        pytest.param(
            [*disposition("form-data; name=a"), b"Content-Type: multipart/mixed; boundary=b"],
            id="a form in the form",
        ),
        pytest.param([*disposition("form-data; name=a"), b"\tb"], id="folded with a tab"),
        pytest.param([b' Content-Disposition: form-data; name="a"'], id="folded first line"),
        pytest.param([b'Content-Disposition : form-data; name="a"'], id="space before the colon"),
        pytest.param([*disposition("form-data; name=a"), b"X"], id="no colon"),
        pytest.param([*disposition("form-data; name=a"), b": x"], id="no field name"),
        pytest.param([*disposition("form-data; name=a"), b"X\xc3\xa9: x"], id="odd field name"),
        pytest.param([b"Content-Disposition: form-data; name=\xff"], id="not UTF-8"),
        pytest.param([*disposition("form-data; name=a"), b"X: \xff"], id="not UTF-8 elsewhere"),
        pytest.param(disposition('form-data; name="a\x00b"'), id="NUL in the name"),
        pytest.param(disposition('form-data; name="a"; filename="b\x00.txt"'), id="NUL in a file"),
        pytest.param(disposition('form-data; name="a"; filename="b\rc"'), id="carriage return"),
        pytest.param(disposition('form-data; name="a"; filename="b\tc"'), id="tab"),
        pytest.param(disposition('form-data; name="a"; filename="b\x7f"'), id="DEL"),
        pytest.param(disposition('form-data; name="a"; filename="b\x85"'), id="C1 control"),
    ],
)
def test_headers_that_readers_disagree_about(lines: list[bytes]) -> None:
    assert_refused(lines)


@pytest.mark.parametrize(
    "encoding", [b"quoted-printable", b"base64", b"x-gzip", b"", b"binary, base64"]
)
def test_encodings_that_some_readers_undo(encoding: bytes) -> None:
    assert_refused([*disposition("form-data; name=a"), b"Content-Transfer-Encoding: " + encoding])


def test_a_refusal_names_the_problem() -> None:
    with pytest.raises(Refused) as refused:
        parse_part_headers([*disposition("form-data; name=a"), b" b"])
    assert "continued on a second line" in refused.value.refusal.message


@pytest.mark.parametrize(("name", "filename"), [("", None), ("a", "")])
def test_part_headers_are_validated_where_they_are_built(name: str, filename: str | None) -> None:
    with pytest.raises(ValueError, match="a part has a name"):
        PartHeaders(name, filename, None)


def assert_refused(lines: list[bytes]) -> None:
    with pytest.raises(Refused) as refused:
        parse_part_headers(lines)
    assert refused.value.refusal.id == "gateway.ambiguous_request"
    assert refused.value.refusal.message.endswith(".")
