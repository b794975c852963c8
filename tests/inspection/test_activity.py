"""What acts in a browser is found in SVG and other XML, however it is written."""

import io
import tracemalloc

import pytest

from gateway.content import Finding, with_findings
from gateway.inspection.activity import acts, is_searched
from gateway.inspection.detector import Detector

SVG, XML = "image/svg+xml", "text/xml"
_NS = "xmlns='http://www.w3.org/2000/svg'"
_HTML_NS = "http://www.w3.org/1999/xhtml"


def svg(inside: str, prolog: str = "", attributes: str = "") -> str:
    return f"{prolog}<svg {_NS} {attributes}>{inside}</svg>"


IN_SVG = {
    "script": svg("<script>alert(1)</script>"),
    "script from elsewhere": svg("<script href='https://x.example/a.js'/>"),
    "script in capitals": svg("<SCRIPT>alert(1)</SCRIPT>"),
    "script with a prefix": svg("<ä.b:script xmlns:ä.b='x'>1</ä.b:script>"),
    "script in CDATA's neighbourhood": svg("<script\n><![CDATA[alert(1)]]></script>"),
    "handler": svg("", attributes="onload='alert(1)'"),
    "handler on a line": svg("<rect onclick\n\t=\n'alert(1)'/>"),
    "handler of an animation": svg("<animate onbegin='alert(1)' attributeName='x' dur='1s'/>"),
    "HTML": svg("<foreignObject><body/></foreignObject>"),
    "HTML's namespace": svg(f"<x:form xmlns:x='{_HTML_NS}' action='https://x.example'/>"),
    "HTML's namespace in numbers": svg(f"<a xmlns='{_HTML_NS.replace('x', '&#x0078;')}'/>"),
    "iframe": svg("<iframe src='x'/>"),
    "link to a script": svg("<a href='javascript:alert(1)'><text>x</text></a>"),
    "link in capitals": svg("<a xlink:href=' JavaScript:alert(1)'/>"),
    "link in numbers": svg("<a href='&#106;a&#x76;ascript&#58;alert(1)'/>"),
    "link in long numbers": svg(f"<a href='&#{'0' * 20_000}106;avascript:alert(1)'/>"),
    "link with breaks": svg("<a href='java&#10;scr&#x9;ipt:alert(1)'/>"),
    "link with a colon's name": svg(
        "<a href='java&Tab;script&colon;alert(1)'/>",
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD XHTML 1.1 plus MathML 2.0//EN" "">',
    ),
    "link to data": svg("<a href='data:text/html;base64,PHNjcmlwdD4='/>"),
    "link to XML": svg("<a href='data: application/xhtml+xml,x'/>"),
    "link to an XML of the sender's": svg("<use href='data:application/x.y+xml,x'/>"),
    "picture of data": svg("<image href='DATA:image/svg+xml,x'/>"),
    "animated link": svg("<a><animate attributeName='href' values='x'/></a>"),
    "animated link with a prefix": svg("<a><set attributeName = ' xlink:href' to='x'/></a>"),
    "animated link in numbers": svg("<a><set attributeName='&#104;ref' to='x'/></a>"),
    "animated handler": svg("<set attributeName='onclick' to='x'/>"),
    "use of another document": svg("<use href='https://x.example/a.svg#b'/>"),
    "use of another file": svg("<use xlink:href='/api/v4/files/x#b'/>"),
    "use of a neighbour": svg("<use href='../abc#b'/>"),
    "use of a neighbour by its id": svg("<use href='yoyonetykt8c3y3un7ymeu8gte#b'/>"),
    "use behind another attribute": svg("<s:use x='>' href='#b' xlink:href=\n'//x.example/a#b'/>"),
    "use behind many attributes": svg(f"<use x='{'y' * 20_000}' href='//x.example/a#b'/>"),
    "entity": svg("&x;", "<!DOCTYPE svg [<!ENTITY x '<script>alert(1)</script>'>]>"),
    "entity of a file": svg("&x;", "<!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"),
    "entity of a document type": svg("", "<!DOCTYPE svg [<!ENTITY % x SYSTEM '//x'> %x;]>"),
    "handler by default": svg("", "<!DOCTYPE svg [<!ATTLIST svg onload CDATA 'alert(1)'>]>"),
    "handler by default behind a namespace": svg(
        "", "<!DOCTYPE svg [<!ATTLIST svg xmlns CDATA 'x' onload CDATA 'alert(1)'>]>"
    ),
    "style sheet that is a program": svg("", "<?xml-stylesheet type='text/xsl' href='x.css'?>"),
    "style sheet of no type": svg("", "<?xml-stylesheet href='x'?>"),
    "style sheet of two types": svg("", "<?xml-stylesheet type='text/css' type='text/xsl'?>"),
    "style sheet with a number": svg(
        "", "<?xml-stylesheet title='&#34;' type='text/css' href='x'?>"
    ),
    "style sheet inside": svg("<xsl:x xmlns:xsl='http://www.w3.org/1999/XSL/Transform'/>"),
    "listener": svg("<listener event='click' handler='#x'/>"),
    "an encoding with shifts": svg(
        "<scr\x1b(Bipt>alert(1)</scr\x1b(Bipt>", "<?xml version='1.0' encoding='ISO-2022-JP'?>"
    ),
}
"""SVG that acts."""

NOT_TOLD_AS_SVG = {
    "a document type of another name": svg("<script/>", "<!DOCTYPE x [<!ELEMENT x ANY>]>"),
    "an instruction first": svg("<script/>", "<?x y?>"),
    "another root": f"<x><script {_NS}>alert(1)</script></x>",
    "another root of the namespace": f"<x {_NS}><script>alert(1)</script></x>",
    "another root, declared": f"<?xml version='1.0'?><x><s:set xmlns:s={_NS[6:]} onbegin='x'/></x>",
    "HTML in XML": f"<x><script xmlns='{_HTML_NS}'>alert(1)</script></x>",
    "XSLT": "<?xml-stylesheet type='text/xsl' href='#x'?><x/>",
    "a namespace of entities": (
        "<!DOCTYPE x [<!ENTITY a 'http://www.w3.org/'><!ENTITY b '1999/xhtml'>]>"
        "<x xmlns='&a;&b;'><script>alert(1)</script></x>"
    ),
}
"""XML that acts whatever its first tag is."""

HARMLESS = {
    "paths": svg("<path d='M0 0'/><g id='onset'><title>on = off</title></g>"),
    "links": svg("<a href='https://example.com/?q=script'><text>Read the script</text></a>"),
    "use of what is here": svg("<defs><g id='a'/></defs><use  x='1' xlink:href = \"#a\"/>"),
    "use of an icon beside it": svg("<use href='arrows.svg#left'/>"),
    "pictures": svg("<image href='data:image/png;base64,iVBORw0KGgo='/>"),
    "fonts": svg("<style>@font-face{src:url(data:font/woff2;base64,d09GMg==)}</style>"),
    "animation": svg("<animate attributeName='opacity' values='0;1' dur='1s'/>"),
    "styles": svg("<style>.a{fill:red}</style>", "<?xml-stylesheet href='a.css'?>"),
    "styles of a type": svg("", '<?xml-stylesheet href="a.css" type="text/css"?>'),
    "a document type": svg("", '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "svg11.dtd">'),
    "namespaces in a document type": svg(
        "", "<!DOCTYPE svg [<!ATTLIST svg xmlns:xlink CDATA #FIXED 'http://www.w3.org/1999/xlink'>]>"
    ),
    "markup that is shown": svg("<text>&lt;script&gt; &#60;script> &amp;colon;</text>"),
    "a private object of Illustrator's": svg(
        "<foreignObject requiredExtensions='http://ns.adobe.com/AdobeIllustrator/10.0/'/>"
    ),
    "an old encoding": svg("<text>x</text>", "<?xml version='1.0' encoding='iso-8859-1'?>"),
    "other people's elements": svg("<metadata><cc:Work rdf:about=''/><x:description/></metadata>"),
}  # fmt: skip

ACTING_SVG = with_findings(SVG, {Finding.SCRIPT})
ACTING_XML = with_findings(XML, {Finding.SCRIPT})


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


@pytest.mark.parametrize("name", IN_SVG)
def test_svg_that_acts(name: str, detector: Detector) -> None:
    content = IN_SVG[name].encode()
    assert detector.detect(content) == ACTING_SVG
    assert acts(io.BytesIO(content), SVG)


@pytest.mark.parametrize("name", NOT_TOLD_AS_SVG)
def test_xml_that_acts(name: str, detector: Detector) -> None:
    content = NOT_TOLD_AS_SVG[name].encode()
    assert detector.detect(content) in (ACTING_SVG, ACTING_XML)
    assert acts(io.BytesIO(content), "text/plain")


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_nothing(name: str, detector: Detector) -> None:
    content = HARMLESS[name].encode()
    assert detector.detect(content) == SVG
    assert not acts(io.BytesIO(content), SVG)


@pytest.mark.parametrize(
    "content",
    [
        "<note><script>not of any namespace</script></note>",
        "<?xml version='1.0'?><!DOCTYPE book [<!ENTITY x 'y'>]><book>&x;</book>",
        f"<?php echo '{_HTML_NS}'; ?>",
        f"<%@ page %> {_HTML_NS}",
        "Dear all,\n<script> is dangerous.\n",
    ],
)
def test_what_is_something_else(content: str, detector: Detector) -> None:
    found = detector.detect(content.encode())
    assert found.startswith("text/")
    assert "script" not in found
    assert not acts(io.BytesIO(content.encode()), found)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_in_any_encoding(encoding: str, detector: Detector) -> None:
    """Without a mark, browsers go by the declaration, whatever follows."""
    other = "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 2000
    content = svg("<script/>", f"<?xml version='1.0'?><!--{other}-->").encode(encoding)
    assert detector.detect(content) == ACTING_SVG
    assert acts(io.BytesIO(content), SVG)
    harmless = svg("<rect/>", f"<?xml version='1.0'?><!--{other}-->").encode(encoding)
    assert detector.detect(harmless) == SVG
    assert not acts(io.BytesIO(harmless), SVG)


def test_who_is_searched() -> None:
    searched = (SVG, ACTING_SVG, XML, "application/rss+xml", "text/plain")
    assert all(is_searched(name) for name in searched)
    assert not any(is_searched(name) for name in ("text/html", "image/png", "text/csv"))


FILLER = b"<path d='M 0 0'/>\n"
_BLOCK = 64 * 1024


@pytest.mark.parametrize("name", [name for name in IN_SVG if IN_SVG[name].startswith("<svg")])
def test_behind_the_head(name: str) -> None:
    """And across any border between blocks."""
    begin, _, inside = IN_SVG[name].encode().partition(b">")
    if b"onload" in begin:
        inside = b"<g " + begin[5:] + b"/>" + inside
        begin = b"<svg"
    begin += b">"
    room = _BLOCK - len(begin)
    for offset in range(1, min(len(inside), 60), 7):
        filler = (FILLER * (room // len(FILLER) + 1))[: room - offset - 1].rpartition(b"<")[0]
        filler = filler.ljust(room - offset)
        assert acts(io.BytesIO(begin + filler + inside), SVG), offset
    assert acts(io.BytesIO(begin + FILLER * 40_000 + inside), SVG)


def test_other_files_behind_the_head() -> None:
    script = b"<script xmlns='http://www.w3.org/2000/svg'>1</script>"
    assert acts(io.BytesIO(b"<x>" + FILLER * 30_000 + script), XML)
    assert not acts(io.BytesIO(b"<x>" + FILLER * 30_000), XML)
    assert acts(io.BytesIO(b"<x>" + script + FILLER * 30_000), XML)
    assert acts(io.BytesIO(b" " * 2**20 + b"<!DOCTYPE html><p>"), "text/plain")
    assert acts(io.BytesIO(b"\n" * 2**20 + b"<svg onload='x'/>"), "text/plain")
    assert acts(io.BytesIO(b"<svg " + b"\n" * 2**20 + b"onload" + b" " * 2**20 + b"='x'/>"), SVG)
    assert not acts(io.BytesIO(b"text" + b"<script>" * 2**16), "text/plain")
    assert not acts(io.BytesIO(b"\n" * 2**20), "text/plain")
    assert acts(io.BytesIO(b""), "text/html")
    wide = svg("<g/>" * 2**17 + "<script/>").encode("utf-16")
    assert acts(io.BytesIO(wide), SVG)
    assert not acts(io.BytesIO(wide[: 2**18]), SVG)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "unit",
    [
        b"<use ", b"<a:use x='", b":use ", b"&#0", b"data:a/", b" on", b"xmlns'", b"&", b"\n ",
        b"a", b"<!attlist a ", b"attributename=", b"<?xml-stylesheet ",
    ],
)  # fmt: skip
def test_time_and_memory_are_bounded(unit: bytes) -> None:
    content = io.BytesIO(b"<svg>" + unit * (2**20 // len(unit)))
    tracemalloc.start()
    try:
        acts(content, SVG)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()
