"""Promise 3: Mattermost gets the parts of a form that it reads whole, in framing of the gateway."""

import re
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.body.filename import stored_name
from gateway.endpoints import ENDPOINTS
from gateway.names import extensions
from gateway.policy.extensions import DEFAULT_DENIED_EXTENSIONS
from gateway.refusals import Refused
from gateway.standin.process import StandInProcess
from tests.body.test_multipart_properties import TEXT, Form
from tests.inspection import files
from tests.promises.rows import FORM, Row, digest
from tests.promises.support import BOUNDARY, program
from tests.support.gateway import GatewayProcess
from tests.support.origin import Origin, Visit
from tests.support.wire import Client, field, file_part, form_body

(USER_IMAGE,) = (row for row in ENDPOINTS if row.name == "user_image")
PNG = files.png()


def is_fine(name: str) -> bool:
    with suppress(Refused):
        return not set(extensions(stored_name(name))) & DEFAULT_DENIED_EXTENSIONS
    return False


VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(str.encode)
FILES = st.binary(max_size=200).map(lambda more: PNG + more)
PARTS = st.lists(
    st.tuples(TEXT, st.none(), VALUES) | st.tuples(TEXT, TEXT.filter(is_fine), FILES), max_size=5
)


@pytest.fixture
def row(mattermost: StandInProcess, gateway: GatewayProcess) -> Row:
    return Row(USER_IMAGE, mattermost, gateway)


@given(PARTS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_form_arrives_as_the_parts_that_it_has(
    row: Row, parts: list[tuple[str, str | None, bytes]]
) -> None:
    row.mattermost.reset()
    response = row.post(Form(BOUNDARY.encode(), parts).body(), FORM)
    assert not response.body.startswith(b'{"id":"gateway.'), response.body
    (upload,) = row.mattermost.state()["uploads"]
    values = defaultdict(list)
    sent = []
    for name, filename, content in parts:
        if filename is None:
            values[name].append(content.decode())
        else:
            sent.append((name, stored_name(filename), len(content), digest(content)))
    assert upload["values"] == values
    # They are noted by field, where Mattermost keeps them.
    assert sorted(row.received()) == sorted(sent)


def test_the_framing_is_the_gateways_own(folder: Path) -> None:
    """Not a byte between the parts is the client's, nor are its headers but for a few."""

    def answer(visit: Visit) -> None:
        request = origin.remember(visit)
        known = b'{"id": "u", "username": "u", "roles": ""}'
        body = known if request.method == "GET" else b"{}"
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    odd = b'X-Odd: 1\r\ncontent-disposition:form-data;filename=a.png ; NAME="image"\r\n\r\n'
    with Origin(answer) as origin, GatewayProcess(origin.url, folder) as gateway:
        client = Client(gateway.address, "token", "")
        content_type = ("Content-Type", 'multipart/form-data; boundary="b \'()+_,-./:=?b"')
        body = form_body(odd + PNG, field("a", "b"), boundary="b '()+_,-./:=?b")
        more = [("X-Odd", "1"), ("User-Agent", "tests"), ("Cookie", "a=b")]
        sent = client.request("POST", "/api/v4/users/me/image", content_type, *more, body=body)
        assert (sent.status, sent.body) == (200, b"{}")
    (request,) = (request for request in origin.requests if request.method == "POST")
    boundary = (request.header("content-type") or "").removeprefix("multipart/form-data; boundary=")
    assert re.fullmatch("[0-9a-f]{32}", boundary)
    parts = file_part("a.png", PNG, name="image"), field("a", "b")
    assert request.body == form_body(*parts, boundary=boundary)
    assert {name for name, _ in request.headers} == {
        "host", "user-agent", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
        "x-real-ip", "x-request-id", "traceparent", "authorization", "content-type",
        "content-length",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ([field("a", "x" * 10_241)], "longer than 10 KiB"),
        ([field(str(number), "x" * 10_000) for number in range(7)], "longer than 64 KiB"),
        ([field(str(number) + "x" * 8000, "") for number in range(9)], "longer than 64 KiB"),
        ([file_part(f"{number}.png", PNG, name="image") for number in range(11)], "10 files"),
        ([file_part("a.png", PNG) + b"\r\n--XboundaryX--\r\nmore"], "something after"),
        ([b"Content-Disposition: form-data\r\n\r\nx"], "no name"),
    ],
    ids=[
        "a long value",
        "much beside the file",
        "long names",
        "many files",
        "an epilogue",
        "no name",
    ],
)
def test_a_form_that_nobody_would_write(row: Row, parts: list[bytes], problem: str) -> None:
    response = row.post(form_body(*parts), FORM)
    assert (response.status, response.json()["id"]) == (400, "gateway.ambiguous_request")
    assert problem in response.json()["message"]
    row.assert_nothing_received()


def test_a_form_that_is_cut_off(row: Row) -> None:
    body = form_body(file_part("a.png", PNG, name="image"))
    for end in range(0, len(body) - 2, 7):
        response = row.post(body[:end], FORM)
        assert response.status == 400
        assert response.json()["id"].startswith("api.file.upload_file.read")
    row.assert_nothing_received()


@pytest.mark.parametrize(
    "query", ["?a=1&a=2", "?a;b", "?a=%", "?a=%zz", "?a=%ff"], ids=lambda query: query[1:]
)
def test_a_query_that_can_be_read_in_two_ways(row: Row, query: str) -> None:
    row.query = query
    assert row.send(PNG).status == 400
    row.assert_nothing_received()


def test_a_query_goes_along_as_it_came(row: Row) -> None:
    row.query = "?a=1&b=%41+c&d"
    assert row.send(PNG).status == 200
    (upload,) = row.mattermost.state()["uploads"]
    assert upload["target"] == row.path + row.query


def test_another_spelling_of_the_address_is_the_same(row: Row) -> None:
    path, row.path = row.path, row.path.replace("users", "%75sers").replace("image", "%69mage")
    assert row.send(program(1000), "a.bin").status == 415
    row.assert_nothing_received()
    assert row.send(PNG).status == 200
    (upload,) = row.mattermost.state()["uploads"]
    assert upload["target"] == path


@pytest.mark.parametrize("subpath", ["/chat", "/api/v4", "/plugins/com.example"])
def test_the_same_address_in_another_subpath_is_closed(row: Row, subpath: str) -> None:
    row.path = subpath + row.path
    response = row.send(PNG)
    assert (response.status, response.json()["id"]) == (403, "gateway.unguarded_upload")
    row.assert_nothing_received()
