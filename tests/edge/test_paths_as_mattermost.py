"""Whatever spelling Mattermost takes for an upload endpoint is that endpoint's to the gateway.

The stand-in reads targets and routes as a real server does, which recordings show
(``path spelled …``).
"""

import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.edge.paths import canonical
from gateway.refusals import Refused
from gateway.standin.go.urls import TargetError, clean_path, parse_target
from gateway.standin.process import StandInProcess
from gateway.standin.routing import Route, Router
from gateway.standin.server import ROUTES
from tests.promises.support import program
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire

ROUTER = Router(ROUTES)
ID = "abcdefghijklmnopqrstuvwxyz"
PATHS = sorted(
    {
        ("/api/v4" if route.is_api else "")
        + re.sub(r"\{\w+\}", ID, re.sub(r"\{certificate\}|\{key\}", "public", route.path))
        for route in ROUTES
        if route.method in ("POST", "PUT", "DELETE")
    }
)
UPLOADS = ["/api/v4/files", "/api/v4/uploads", f"/api/v4/uploads/{ID}", "/api/v4/emoji"]
ODD = [
    "/", "//", "/.", "/./", "/..", "/x/..", "/%2e", "/%2E%2e", "%2f", "%2F", "%5c", "\\", ";x=1",
    "%00", "%", "%6", "%zz", "%25", "%20", "%3f", "%23", ".", "%c0%af", "\xe9",
]  # fmt: skip


def spelled(path: str, codes: list[int], place: int, odd: str) -> str:
    """``path`` with some characters encoded or in another case, and something put into it."""
    letters = []
    for number, letter in enumerate(path):
        code = codes[number % len(codes)]
        if code == 1 or (code == 2 and letter != "/"):
            letter = f"%{ord(letter):02x}"
        elif code == 3:
            letter = letter.swapcase()
        elif code == 4:
            letter = f"%25{ord(letter):02X}"
        letters.append(letter)
    letters.insert(place % (len(letters) + 1), odd)
    return "".join(letters)


def spellings(*paths: str) -> st.SearchStrategy[str]:
    """Mostly such that some reader may take them for one of ``paths``."""
    gently = st.lists(st.sampled_from([0, 0, 0, 2]), min_size=1, max_size=20)
    slashes = st.lists(st.sampled_from([0, 0, 0, 0, 1]), min_size=1, max_size=20)
    wildly = st.lists(st.integers(0, 4), min_size=1, max_size=20)
    nothing = st.just("")
    return st.builds(
        spelled,
        st.sampled_from(paths),
        gently | slashes | wildly,
        st.integers(0, 60),
        nothing | nothing | st.sampled_from(ODD),
    )


def kept(mattermost: StandInProcess) -> list[object]:
    """All that Mattermost may have kept of a request."""
    state = mattermost.state()
    return [state[name] for name in ("files", "orphans", "upload_sessions", "others")]


def routed(target: bytes) -> tuple[Route, str] | None:
    """The route by which Mattermost would handle ``target``, and the path that it reads."""
    try:
        path, _ = parse_target(target)
    except TargetError:
        return None
    if clean_path(path) != path:
        return None  # it answers 301, whatever the method
    for method in ("POST", "PUT", "DELETE"):
        if (match := ROUTER.match(method, path)) is not None:
            return match[0], path
    return None


@settings(max_examples=2000, deadline=None)
@given(spellings(*PATHS) | spellings(*UPLOADS))
def test_the_gateway_reads_the_path_that_mattermost_reads(spelling: str) -> None:
    target = spelling.encode("latin-1")
    match = routed(target)
    if match is None:
        return
    _, read = match
    try:
        path = canonical(target)
    except Refused:
        return
    assert unquote_to_bytes(path) == read.encode("utf-8", "surrogateescape")
    if re.fullmatch(r"[A-Za-z0-9/_.~-]+", read):
        assert path == read.encode()


@pytest.mark.parametrize("path", PATHS)
def test_spellings_do_reach_the_routes(path: str) -> None:
    """Or the test above would show nothing."""
    every_letter = spelled(path, [2], 0, "").encode()
    assert routed(every_letter) is not None
    assert canonical(every_letter) == path.encode()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(spelling=spellings(*UPLOADS) | spellings("/api/v4/files"), form=st.booleans())
def test_no_spelling_stores_a_refused_file(
    spelling: str, form: bool, shared_gateway: GatewayProcess, stand_in: StandInProcess
) -> None:
    client = Client(shared_gateway.address, stand_in.admin_token, stand_in.channel_id)
    content, headers = program(1000), client.head()
    if form:
        disposition = b'Content-Disposition: form-data; name="image"; filename="a.pdf"\r\n\r\n'
        content = b"--b\r\n" + disposition + content + b"\r\n--b--\r\n"
        headers.append(("Content-Type", "multipart/form-data; boundary=b"))
    query = f"?channel_id={client.channel_id}&filename=a.pdf"
    before = kept(stand_in)
    with Wire(client.address) as wire:
        head = [*headers, ("Content-Length", str(len(content)))]
        wire.send_head("POST", spelling + query, head)
        wire.send(content)
        wire.response()
    assert kept(stand_in) == before
