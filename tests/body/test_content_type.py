"""Forms are told from files by their Content-Type, and only where every reader agrees."""

import pytest

from gateway.body.content_type import form_boundary
from gateway.refusals import Refused


@pytest.mark.parametrize(
    "content_types",
    [
        [],
        [b""],
        [b"application/octet-stream"],
        [b"application/x-www-form-urlencoded"],
        [b"text/plain; charset=utf-8"],
        [b"image/png; name=multipart.png"],
        [b'text/plain; title="a, b"'],
        [b"nonsense"],
    ],
)
def test_what_is_no_form_is_the_file_itself(content_types: list[bytes]) -> None:
    assert form_boundary(content_types) is None


@pytest.mark.parametrize(
    "content_type", [b"text/plain; charset", b"image/\xff", b"a/b/c", b"; charset=utf-8", b"a b"]
)
def test_what_mattermost_cannot_parse_is_refused_as_it_would(content_type: bytes) -> None:
    with pytest.raises(Refused) as refused:
        form_boundary([content_type])
    assert refused.value.refusal.id == "api.file.upload_file.read_request.app_error"


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (b"multipart/form-data; boundary=XX", b"XX"),
        (b"Multipart/Form-DATA;BOUNDARY=XX", b"XX"),
        (b"multipart/form-data ; boundary=XX ;", b"XX"),
        (b"multipart/form-data;\tboundary=XX", b"XX"),
        (
            b"multipart/form-data; boundary=----WebKitFormBoundaryAbC",
            b"----WebKitFormBoundaryAbC",
        ),
        (b'multipart/form-data; boundary="7f:a/b=c (d)?"', b"7f:a/b=c (d)?"),
        (b"multipart/form-data; charset=utf-8; boundary='a'", b"'a'"),
        (b"multipart/form-data; boundary=" + b"b" * 70, b"b" * 70),
    ],
)
def test_boundaries(content_type: bytes, boundary: bytes) -> None:
    assert form_boundary([content_type]) == boundary


@pytest.mark.parametrize(
    "content_types",
    [
        pytest.param([b"text/plain", b"text/plain"], id="two headers"),
        pytest.param([b"multipart/form-data; boundary=a", b"text/plain"], id="form and file"),
        pytest.param([b"multipart/mixed; boundary=a"], id="mixed"),
        pytest.param([b"multipart/form-data-x; boundary=a"], id="another subtype"),
        pytest.param([b"multipart"], id="no subtype"),
        pytest.param([b"multipart/form-data boundary=a"], id="no semicolon"),
        pytest.param([b"text/plain, multipart/form-data; boundary=a"], id="joined, form last"),
        pytest.param([b"multipart/form-data, text/plain; boundary=a"], id="joined, form first"),
        pytest.param([b"text/plain; a=b, multipart/form-data; boundary=a"], id="joined later"),
        pytest.param([b"image/png, image/jpeg"], id="joined files"),
        pytest.param([b"multipart/form-data; boundary=a, text/plain"], id="joined at the end"),
        pytest.param([b"multipart/form-data; boundary=a; boundary=a"], id="boundary twice"),
        pytest.param([b"multipart/form-data; boundary=a; Boundary=b"], id="in another case"),
        pytest.param([b"multipart/form-data; boundary"], id="no value"),
        pytest.param([b"multipart/form-data; boundary="], id="empty token"),
        pytest.param([b'multipart/form-data; boundary=""'], id="empty string"),
        pytest.param([b"multipart/form-data; boundary =a"], id="space before ="),
        pytest.param([b"multipart/form-data; boundary= a"], id="space after ="),
        pytest.param([b'multipart/form-data; boundary="a'], id="open string"),
        pytest.param([b'multipart/form-data; boundary="a"b'], id="text after string"),
        pytest.param([b"multipart/form-data; boundary=a=b"], id="= in a token"),
        pytest.param([b"multipart/form-data; boundary=a/b"], id="/ in a token"),
        pytest.param([b'multipart/form-data; boundary="a "'], id="space at the end"),
        pytest.param([b'multipart/form-data; boundary="a\\"b"'], id="quote"),
        pytest.param([b'multipart/form-data; boundary="a\\?b"'], id="escape"),
        pytest.param([b"multipart/form-data; boundary=a%b"], id="no bchar"),
        pytest.param([b"multipart/form-data; boundary=\xe9"], id="not ASCII"),
        pytest.param([b"multipart/form-data; boundary=" + b"b" * 71], id="too long"),
        pytest.param([b"multipart/form-data; boundary*=utf-8''a"], id="encoded"),
        pytest.param([b"multipart/form-data; boundary*0=a; boundary*1=b"], id="continued"),
        pytest.param([b"multipart/form-data; boundary=a; x*=utf-8''b"], id="other encoded"),
        pytest.param([b"multipart/form-data; boundary=a; x"], id="other without value"),
        pytest.param([b"multipart/form-data; boundary=a;; x=y"], id="empty parameter"),
        pytest.param([b"multipart/form-data; boundary=a; x=y; x=y"], id="other twice"),
        pytest.param([b"multipart/form-data; boundary=a\x00"], id="NUL"),
        pytest.param([b"multipart/form-data; boundary=a\r\n b"], id="line break"),
        pytest.param([b"text/plain\x0b"], id="control character"),
    ],
)
def test_what_readers_disagree_about_is_refused(content_types: list[bytes]) -> None:
    with pytest.raises(Refused) as refused:
        form_boundary(content_types)
    assert refused.value.refusal.id == "gateway.ambiguous_request"
    assert refused.value.refusal.status == 400


@pytest.mark.parametrize(
    "content_type", [b"multipart/form-data", b"multipart/form-data; charset=utf-8"]
)
def test_a_form_without_a_boundary_gets_mattermosts_answer(content_type: bytes) -> None:
    with pytest.raises(Refused) as refused:
        form_boundary([content_type])
    assert refused.value.refusal.id == "api.file.upload_file.read_request.app_error"
    assert refused.value.refusal.status == 400
