"""Pages and files of the site that are not in docs/: a hook of mkdocs (mkdocs.yml)."""

import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAPERS = {
    "README.md": "index.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
}
"""Papers at the top → pages."""
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the papers, and what pages link to: a configuration, a module."""
    for paper, page in PAPERS.items():
        text = (ROOT / paper).read_text()
        files.append(File.generated(config, page, content=text))
    linked = {
        path
        for page in list(files.documentation_pages())
        for match in LINK.finditer(page.content_string)
        if (path := _in_repository(page.src_uri, match["target"])) and (ROOT / path).is_file()
    }
    for path in sorted(linked - set(PAPERS)):
        if not path.startswith("docs/"):
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    def linked(match: re.Match[str]) -> str:
        path = _in_repository(page.file.src_uri, match["target"])
        if path is None:
            return match[0]
        if (ROOT / path).is_dir():
            return f"`{path}`"
        target = PAPERS.get(path) or path.removeprefix("docs/")
        return f"[{match['text']}]({target}{match['anchor'] or ''})"

    # For tests, not for readers; and Markdown takes no table right behind a comment.
    markdown = re.sub(r"^<!-- .* -->\n", "", markdown, flags=re.M)
    return LINK.sub(linked, markdown)


def _in_repository(page: str, target: str) -> str | None:
    """Where a link of a page leads; None if that is on another server."""
    if "://" in target:
        return None
    folder = PurePosixPath() if page in PAPERS.values() else PurePosixPath("docs")
    parts: list[str] = []
    for part in (folder / target).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
