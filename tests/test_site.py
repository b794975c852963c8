"""The site that README and docs/ become: without a warning, whole, with nothing from elsewhere."""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    told = subprocess.run(
        [
            Path(sysconfig.get_path("scripts"), "mkdocs"), "build", "--strict", "--quiet",
            "--site-dir", folder,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return folder


def test_each_page_is_there(site: Path) -> None:
    pages = {file.with_suffix(".html").name for file in (ROOT / "docs").glob("*.md")}
    found = {file.name for file in site.glob("*.html")}
    assert found == pages | {
        "index.html",
        "changes.html",
        "contributing.html",
        "reporting.html",
    } | {"404.html"}


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.glob("*.html"):
        fetched = re.findall(
            r'<(?:link|script|img|iframe)\b[^>]*"(?:https?:)?//[^>]*>', page.read_text()
        )
        assert fetched == [], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//", style.read_text()), style.name


def test_tables_and_lists_are_such(site: Path) -> None:
    """Markdown wants blank lines before them that forges do without."""
    for page in site.glob("*.html"):
        text = re.sub(r"<(pre|code)\b.*?</\1>", "", page.read_text(), flags=re.S)
        paragraphs = re.findall(r"<p>(.*?)</p>", text, re.S)
        assert not [p for p in paragraphs if re.search(r"^(?:- |\| |\d+\. )", p, re.M)], page.name


def test_links_of_papers_lead_to_pages(site: Path) -> None:
    text = (site / "index.html").read_text()
    for target in ("policy.html", "deploy/compose.yaml", "gateway/endpoints.py", "img/flow.svg"):
        assert f'"{target}"' in text
        assert (site / target).exists(), target
