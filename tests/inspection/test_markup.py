"""HTML and SVG are told as browsers tell them."""

import pytest

from gateway.inspection.markup import begins_with_tag, markup

HTML, SVG = "text/html", "image/svg+xml"
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (b"<!DOCTYPE html>\n<html>", HTML),
        (b"<!doctype HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>", HTML),
        (b"<html>", HTML),
        (b"<HTML lang=en>", HTML),
        (b"\r\n\t <body>", HTML),
        (b"<script>alert(1)</script>", HTML),
        (b"<script src=x>", HTML),
        (b"<iframe src=x>", HTML),
        (b"<h1>Title</h1>", HTML),
        (b"<br/>", HTML),
        (b"<!-- licence --><html>", HTML),
        (b"<!-- a --> <!-- b --><p>", HTML),
        (b"<!--><script>", HTML),
        (b"<!-- a comment longer than the head", HTML),
        (b" " * 9000 + b"<html>", HTML),
        (b"<!--" + b"x" * 9000 + b"--><html>", HTML),
        ((_BOM + "<html>").encode(), HTML),
        ((_BOM + "<html>").encode("utf-16-le"), HTML),
        ((_BOM + "\n<script>").encode("utf-16-be"), HTML),
        (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>", HTML),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC 'x'>", HTML),
        (b"<?xml version='1.0'?><h:html xmlns:h='http://www.w3.org/1999/xhtml'>", HTML),
        (b"<svg>", SVG),
        (b"\n <svg xmlns='http://www.w3.org/2000/svg'>", SVG),
        (b"<!--><svg >", SVG),
        (b"<!---><svg >", SVG),
        (b"<!-- --!><svg >", SVG),
        (b"<!-- made by hand --><svg xmlns='http://www.w3.org/2000/svg'>", SVG),
        (b"<?xml version='1.0'?>\n<!-- x -->\n<svg xmlns='http://www.w3.org/2000/svg'>", SVG),
        (b"<?xml version='1.0'?><?xml-stylesheet href='a.css'?><svg >", SVG),
        (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN'>", SVG),
        (b"<svg:svg xmlns:svg='http://www.w3.org/2000/svg'>", SVG),
        ((_BOM + "<svg >").encode("utf-16-le"), SVG),
        # Neither.
        (b"", None),
        (b"<", None),
        (b"text <html>", None),
        (b"<htmlx>", None),
        (b"<note>", None),
        (b"<dc:title>", None),
        (b"<?xml version='1.0'?><table><row/></table>", None),
        (b"<?xml version='1.0'?><note><html></html></note>", None),
        (b"<?php echo '<html>'; ?>", None),
        (b"%PDF-1.4 <html>", None),
        (b"< html>", None),
    ],
)
def test_markup(head: bytes, content_type: str | None) -> None:
    assert markup(head) == content_type


@pytest.mark.parametrize("unit", [b"<!--", b"<!-->", b"<", b"< ", b"<?xml ", b" \n", b"<!-- -->"])
def test_hostile_repetition_ends(unit: bytes) -> None:
    """Backtracking over these would outlast the universe."""
    markup(unit * 4096)


def test_begins_with_tag() -> None:
    assert begins_with_tag(b"\n <x>")
    assert begins_with_tag((_BOM + "<x>").encode("utf-16-le"))
    assert not begins_with_tag(b"x <x>")
