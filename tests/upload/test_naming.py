"""What a file is called that is a body of its own."""

import pytest

from gateway.refusals import Refused
from gateway.upload.naming import NAMELESS, raw_name

LONG = "a" * 300


@pytest.mark.parametrize(
    ("path", "query", "disposition", "name"),
    [
        ("/plugins/x/upload", "", "", NAMELESS),
        ("/plugins/x/", "", "", NAMELESS),
        ("/plugins/com.example/upload", "", "", NAMELESS),
        ("/plugins/x/report.pdf", "", "", "report.pdf"),
        ("/plugins/x/b%C3%BCcher.pdf", "", "", "bücher.pdf"),
        ("/plugins/x/a%2Fb.exe", "", "", "b.exe"),
        ("/plugins/x/%E4.exe", "", "", "\N{REPLACEMENT CHARACTER}.exe"),
        (f"/plugins/x/{LONG}.exe", "", "", f"{'a' * 251}.exe"),
        ("/plugins/x/report.pdf", "name=a.gif", "", "a.gif"),
        ("/plugins/x/report.pdf", "name=Meeting", "", "report.pdf"),
        ("/plugins/x/upload", "name=Meeting&name=b.exe", "", "b.exe"),
        ("/plugins/x/upload", "name=evil%01.exe", "", "evil\1.exe"),
        ("/plugins/x/upload", "NAME=a.gif", "", NAMELESS),
        ("/plugins/x/report.pdf", "filename=a+b%C3%BC.gif", "", "a bü.gif"),
        ("/plugins/x/report.pdf", "filename=readme&name=a.gif", "", "readme"),
        ("/plugins/x/report.pdf", "filename=", "", "report.pdf"),
        ("/plugins/x/upload", "a=1&file%6eame=a.gif", "", "a.gif"),
        ("/plugins/x/upload", "a=1;filename=a.gif", "", "a.gif"),
        ("/plugins/x/upload", "filename=a.gif&filename=a.gif", "", "a.gif"),
        ("/plugins/x/upload", "filename=/tmp/a.gif", "", "a.gif"),
        ("/plugins/x/report.pdf", "name=a.gif", "attachment", "a.gif"),
        ("/plugins/x/report.pdf", "name=b.gif", 'attachment; filename="a.gif"', "a.gif"),
        ("/plugins/x/upload", "filename=a.gif", "inline; filename=a.gif", "a.gif"),
        ("/plugins/x/upload", "", "attachment; filename*=UTF-8''%e2%82%ac.gif", "€.gif"),
        (
            "/plugins/x/upload",
            "",
            "attachment; filename=\"a b.gif\"; filename*=utf-8''a%20b.gif",
            "a b.gif",
        ),
    ],
)
def test_where_the_name_is_found(path: str, query: str, disposition: str, name: str) -> None:
    dispositions = [disposition.encode()] if disposition else []
    assert raw_name(path.encode(), query.encode(), dispositions) == name


@pytest.mark.parametrize(
    ("query", "dispositions", "reason"),
    [
        (b"filename=a.gif&filename=b.exe", [], "ambiguous_request"),
        (b"filename=a.gif;filename=b.exe", [], "ambiguous_request"),
        (b"filename=a.gif", [b'attachment; filename="b.exe"'], "ambiguous_request"),
        (b"", [b"attachment; filename=a.gif", b"attachment; filename=b.exe"], "ambiguous_request"),
        (b"", [b"attachment; filename=a.gif; filename*=UTF-8''b.exe"], "ambiguous_request"),
        (b"", [b"attachment; filename=a.gif; filename=b.exe"], "ambiguous_request"),
        (b"", [b"attachment; filename*0=a; filename*1=.exe"], "ambiguous_request"),
        (b"", [b"attachment; filename*=UTF-8''%ff.exe"], "ambiguous_request"),
        (b"", [b"attachment; filename*=latin1''a.exe"], "ambiguous_request"),
        (b"", [b'filename="a.exe"'], "ambiguous_request"),
        (b"", [b"; filename=a.exe"], "ambiguous_request"),
        (b"", [b"attachment; filename=a b.exe"], "ambiguous_request"),
        (b"", [b"attachment; filename=\xff.exe"], "ambiguous_request"),
        (b"filename=%ff", [], "ambiguous_request"),
        (b"filename=..", [], "file_name_refused"),
        (b"filename=a%0a.gif", [], "file_name_refused"),
        (b"", [b'attachment; filename="\xe2\x80\xaegpj.exe"'], "file_name_refused"),
    ],
)
def test_names_that_are_refused(query: bytes, dispositions: list[bytes], reason: str) -> None:
    with pytest.raises(Refused) as caught:
        raw_name(b"/plugins/x/upload", query, dispositions)
    assert caught.value.refusal.reason == reason
