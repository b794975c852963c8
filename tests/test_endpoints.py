"""The guard table: which row a path belongs to."""

import pytest

from gateway.endpoints import (
    ENDPOINTS,
    FILES,
    IMPORTS,
    RULES,
    Endpoint,
    GuardTable,
    Way,
    looks_like_a_row,
)
from tests.support.endpoints_page import PAGE, page

ID = "miwzupsyt4cbmusff1hkbb8cyw"
TAKING = [row for row in ENDPOINTS if row.rule is not None]


def path_of(row: Endpoint, segment: str = ID) -> bytes:
    return row.path.replace("{id}", segment).encode()


@pytest.mark.parametrize("subpath", ["", "/chat", "/team.a/chat"])
@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.path)
def test_each_row_is_found_by_its_path(row: Endpoint, subpath: str) -> None:
    found = GuardTable(subpath).find(subpath.encode() + path_of(row))
    assert found is row


@pytest.mark.parametrize(
    "path",
    [
        "/", "/api/v4/users/me", "/api/v4/files/", "/api/v4/Files", "/api/v3/files",
        "/chat/api/v4/files", "/api/v4/files/a-b", "/api/v4/files/a/b", "/api/v4/uploads/",
        "/api/v4/users/{id}/image/default", "/api/v4/emoji/{id}", "/api/v4/emoji/{id}/image",
        "/api/v4/plugins/install_from_url", "/api/v4/plugins/marketplace", "/files/{id}",
        "/api/v4/saml/certificate/status", "/api/v4/saml/metadata", "/api/v4/license/client",
        "/api/v4/files/{id}/public", "/plugins/com.example/api/v4/nothing", "/api/v4/files\n",
    ],
)  # fmt: skip
def test_what_is_not_in_the_table(path: str) -> None:
    assert GuardTable("").find(path.replace("{id}", ID).encode()) is None


def test_the_table_begins_with_attachments() -> None:
    assert (FILES.name, FILES.method, FILES.path) == ("files", "POST", "/api/v4/files")


def test_the_first_row_that_fits_counts_as_in_mattermosts_router() -> None:
    found = GuardTable("").find(b"/api/v4/remotecluster/upload/image")
    assert found is not None
    assert found.name == "remote_upload"


@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize("subpath", ["", "/chat", "/a/b", "/api/v4"])
@pytest.mark.parametrize("row", TAKING, ids=lambda row: row.path)
def test_a_row_is_recognised_in_any_subpath(row: Endpoint, subpath: str, end: str) -> None:
    assert looks_like_a_row(subpath.encode() + path_of(row) + end.encode())
    assert looks_like_a_row(subpath.encode() + path_of(row, "a-b%20") + end.encode())


@pytest.mark.parametrize("row", [row for row in ENDPOINTS if row.rule is None], ids=str)
def test_a_download_takes_no_files(row: Endpoint) -> None:
    assert not looks_like_a_row(path_of(row))


def test_names_are_fit_for_labels_and_settings() -> None:
    for row in ENDPOINTS:
        assert row.name.replace("_", "").isalpha()
        assert row.name.islower()


def test_the_page_is_made_from_the_table() -> None:
    """``./scripts/endpoints`` writes it."""
    assert PAGE.read_text() == page()


def test_each_way_and_rule_is_in_use() -> None:
    assert {row.way for row in ENDPOINTS} == set(Way)
    rules = {row.rule for row in ENDPOINTS if row.rule is not None}
    assert rules | {IMPORTS} == set(RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)
