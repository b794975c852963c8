"""Promise 1, for forms whose fault stands behind a file.

When such a fault shows, the file may be on its way already. Then Mattermost gets all of it, and
the request is refused; as long as nothing was forwarded, nothing will be. Never is it a part.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.standin.process import StandInProcess
from tests.promises.books import Books
from tests.promises.support import BOUNDARY, form_head, settled, stored, text
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.wire import Client, Wire, WireResponse, field, file_part, form_body

AMBIGUOUS = "gateway.ambiguous_request"
UNREADABLE = "api.file.upload_file.read_request.app_error"
REASONS = {AMBIGUOUS: "ambiguous_request", UNREADABLE: "invalid_form"}
DELIMITER = f"\r\n--{BOUNDARY}".encode()
BARE = DELIMITER[1:]
HEAD = 40 * 1024
"""Bytes of a file that are looked at before any of it is forwarded."""
LARGE = 700_000
"""Of a file that cannot be in hand whole before it is forwarded."""


@dataclass(frozen=True)
class Fault:
    """What follows a file's content, and the error that it is answered with."""

    behind: bytes
    id: str = AMBIGUOUS


BEHIND_A_FILE = {
    "something behind the form": Fault(DELIMITER + b"--\r\nmore"),
    "an empty line behind the form": Fault(DELIMITER + b"--\r\n\r\n"),
    "a megabyte behind the form": Fault(DELIMITER + b"--\r\n" + bytes(2**20)),
    "something behind a boundary": Fault(DELIMITER + b"q\r\n"),
    "a space behind a boundary": Fault(DELIMITER + b" --\r\n"),
    "a bare line feed behind a boundary": Fault(DELIMITER + b"\nX: x\r\n\r\n"),
    "half of the last dashes, and more": Fault(DELIMITER + b"-\r\n"),
    "a part without a name": Fault(DELIMITER + b"\r\nX: x\r\n\r\n"),
    "a header of two lines": Fault(DELIMITER + b"\r\nX: x\r\n y\r\n\r\n"),
    "a part that begins with a boundary": Fault(
        DELIMITER + b"\r\n" + file_part("b.txt", DELIMITER[2:]) + DELIMITER + b"--\r\n"
    ),
    "nothing behind a boundary": Fault(DELIMITER, UNREADABLE),
    "nothing behind half of the last dashes": Fault(DELIMITER + b"-", UNREADABLE),
    "a header that is cut off": Fault(DELIMITER + b"\r\nContent-Disp", UNREADABLE),
    "half a line break at the end": Fault(DELIMITER + b"--\r", UNREADABLE),
}
"""The file is complete: its delimiter is."""
WITHIN_A_FILE = {
    "no last boundary": Fault(b"", UNREADABLE),
    "half a boundary": Fault(DELIMITER[:-4], UNREADABLE),
    # Mattermost takes such a line for content, and finds no end either.
    "a last boundary behind a bare line feed": Fault(BARE + b"--\r\n"),
}
"""Nobody knows where the file ends, as with a client that breaks off."""
FAULTS = {**BEHIND_A_FILE, **WITHIN_A_FILE}


@dataclass(frozen=True)
class Scene:
    """A stand-in and a gateway, and somebody who uploads."""

    mattermost: StandInProcess
    gateway: GatewayProcess
    user: dict[str, Any]

    @property
    def client(self) -> Client:
        return Client(self.gateway.address, self.user["token"], self.mattermost.channel_id)

    def begin(self, *parts: bytes) -> bytes:
        """A form up to its last part's content."""
        form = form_body(field("channel_id", self.mattermost.channel_id), *parts)
        return form.removesuffix(DELIMITER + b"--\r\n")

    def post(self, *pieces: bytes, known_length: bool = True) -> WireResponse:
        """The answer to a body that the gateway is given in ``pieces``."""
        length = sum(map(len, pieces))
        if not known_length:
            pieces = tuple(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            pieces = (*pieces[:-1], pieces[-1] + b"0\r\n\r\n")
        with Wire(self.gateway.address) as wire:
            head = form_head(self.client, length if known_length else None)
            wire.send_head("POST", "/api/v4/files", head)
            for piece in pieces[:-1]:
                wire.send(piece)
                wire.wait_until_taken()
            wire.send(pieces[-1])
            return wire.response()


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInProcess]:
    """One of the module's own, in which nothing else is stored."""
    with StandInProcess(tmp_path_factory.mktemp("stand-in")) as running:
        yield running


@pytest.fixture(scope="module")
def scene(stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(stand_in.url, folder, quotas="user 1GiB/day") as running:
        yield Scene(stand_in, running, new_member(stand_in))


class Watch:
    """Sees what of the one request that follows reaches the stand-in, and what it is charged."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        scene.mattermost.reset()
        self._before = stored(scene.mattermost)
        self._books = Books(scene.mattermost, scene.gateway.folder, scene.user)

    def assert_received(self, *contents: bytes) -> None:
        """Exactly these files, each whole; no other upload was begun."""
        state = settled(self._scene.mattermost)
        assert [(u["body_bytes"], u["status"]) for u in state["uploads"]] == [
            (len(content), 201) for content in contents
        ]
        files = state["files"][len(self._before.files) :]
        assert [f["sha256"] for f in files] == [hashlib.sha256(c).hexdigest() for c in contents]
        assert state["orphans"] == self._before.orphans
        self._books.assert_exact(sum(map(len, contents)))

    def assert_broken_off(self) -> None:
        """One upload that did not come to its end, which no user has and nobody pays for."""
        state = settled(self._scene.mattermost)
        (upload,) = state["uploads"]
        assert upload["status"] >= 400
        assert state["files"] == self._before.files
        self._books.assert_exact(0)

    def received(self) -> bool:
        """Whether an upload was begun."""
        return bool(self._scene.mattermost.state()["uploads"])


@pytest.fixture
def watch(scene: Scene) -> Watch:
    return Watch(scene)


def accounted(scene: Scene, response: WireResponse) -> dict[str, Any]:
    """The log line of the request with this answer."""
    id_ = response.header("x-request-id")
    return scene.gateway.wait_for_log("request", request_id=id_)


def assert_refused(response: WireResponse, fault: Fault) -> None:
    assert (response.status, response.json()["id"]) == (400, fault.id)


def cut(body: bytes, *ends: int) -> list[bytes]:
    """Pieces of ``body`` that end at ``ends`` and at its own end."""
    places = [0, *sorted({end for end in ends if 0 < end < len(body)}), len(body)]
    return [body[start:end] for start, end in pairwise(places)]


# Known before anything is forwarded.


@pytest.mark.parametrize("kind", [kind for kind in FAULTS if "megabyte" not in kind])
def test_nothing_of_a_form_that_is_in_hand_reaches_mattermost(
    kind: str, scene: Scene, watch: Watch
) -> None:
    fault = FAULTS[kind]
    body = scene.begin(file_part("a.txt", text(1000))) + fault.behind
    assert_refused(scene.post(body), fault)
    watch.assert_received()


@pytest.mark.parametrize("kind", FAULTS)
def test_nothing_is_forwarded_if_the_fault_shows_while_the_head_is_read(
    kind: str, scene: Scene, watch: Watch
) -> None:
    fault = FAULTS[kind]
    body = scene.begin(file_part("a.txt", text(HEAD - 1)))
    assert_refused(scene.post(*cut(body + fault.behind, len(body) - 100)), fault)
    watch.assert_received()


@pytest.mark.parametrize("kind", FAULTS)
def test_nothing_is_forwarded_if_the_file_comes_before_its_channel(
    kind: str, scene: Scene, watch: Watch
) -> None:
    """Such a form is read whole before any of its files is sent."""
    fault = FAULTS[kind]
    body = form_body(file_part("a.txt", text(LARGE))).removesuffix(DELIMITER + b"--\r\n")
    response = scene.post(*cut(body + fault.behind, len(body) + len(DELIMITER)))
    # In this mode Mattermost answers 500 to a form that is cut off.
    status = 500 if fault.id == UNREADABLE else 400
    assert (response.status, response.json()["id"]) == (status, fault.id)
    watch.assert_received()


@pytest.mark.parametrize("kind", FAULTS)
def test_nothing_is_forwarded_if_the_fault_shows_before_the_size_is_known(
    kind: str, scene: Scene, watch: Watch
) -> None:
    """A file of unknown length is received whole first."""
    fault = FAULTS[kind]
    body = scene.begin(file_part("a.txt", text(LARGE)))
    response = scene.post(*cut(body + fault.behind, len(body) - 10), known_length=False)
    assert_refused(response, fault)
    watch.assert_received()


def test_nothing_is_forwarded_if_a_bare_boundary_shows_in_the_head(
    scene: Scene, watch: Watch
) -> None:
    """It is refused at once: what follows need not be waited for."""
    body = scene.begin(file_part("a.txt", text(1000) + BARE + b"--\r\n"))
    with Wire(scene.gateway.address) as wire:
        wire.send_head("POST", "/api/v4/files", form_head(scene.client, len(body) + LARGE))
        wire.send(body)
        assert_refused(wire.response(), Fault(b""))
    watch.assert_received()


# Known only later.


@pytest.mark.parametrize("kind", BEHIND_A_FILE)
def test_a_file_on_its_way_is_completed_if_the_fault_shows_with_its_end(
    kind: str, scene: Scene, watch: Watch
) -> None:
    fault, content = BEHIND_A_FILE[kind], text(LARGE)
    body = scene.begin(file_part("a.txt", content)) + fault.behind
    assert_refused(scene.post(*cut(body, LARGE // 2)), fault)
    watch.assert_received(content)


@pytest.mark.parametrize("known_length", [True, False])
@pytest.mark.parametrize("size", [0, 1000, LARGE])
@pytest.mark.parametrize("kind", [k for k in BEHIND_A_FILE if k != "nothing behind a boundary"])
def test_a_file_is_complete_with_its_delimiter(
    kind: str, size: int, scene: Scene, watch: Watch, *, known_length: bool
) -> None:
    """What may still come is not waited for, as Mattermost does not wait."""
    fault, content = BEHIND_A_FILE[kind], text(size)
    body = scene.begin(file_part("a.txt", content))
    pieces = cut(body + fault.behind, LARGE // 2, len(body) + len(DELIMITER))
    assert_refused(scene.post(*pieces, known_length=known_length), fault)
    watch.assert_received(content)


def test_a_bare_boundary_in_a_file_on_its_way_is_content(scene: Scene, watch: Watch) -> None:
    """As it is to Mattermost; and a reason to refuse, since it is none to others."""
    content = text(LARGE // 2) + BARE + b"--\r\n" + text(LARGE // 2)
    body = scene.begin(file_part("a.txt", content)) + DELIMITER + b"--\r\n"
    assert_refused(scene.post(*cut(body, LARGE // 4, LARGE // 2 + 1000)), Fault(b""))
    watch.assert_received(content)


def test_a_file_may_be_as_long_as_the_body_lets_it_be(scene: Scene, watch: Watch) -> None:
    """What is reserved is enough for a file with nothing but a delimiter behind it."""
    content = text(LARGE)
    body = scene.begin(file_part("a.txt", content)) + DELIMITER
    with Wire(scene.gateway.address) as wire:
        wire.send_head("POST", "/api/v4/files", form_head(scene.client, len(body)))
        wire.send(body[:-1])
        scene.mattermost.wait_for(
            lambda state: [u["body_bytes"] for u in state["uploads"]] == [LARGE]
        )
        assert Books(scene.mattermost, scene.gateway.folder, scene.user).reserved() == LARGE
        wire.send(body[-1:])
        assert_refused(wire.response(), Fault(b"", UNREADABLE))
    watch.assert_received(content)


def test_the_completed_file_of_a_refused_form_is_accounted_as_accepted(scene: Scene) -> None:
    fault = BEHIND_A_FILE["something behind a boundary"]
    body = scene.begin(file_part("a.txt", text(LARGE))) + fault.behind
    line = accounted(scene, scene.post(*cut(body, LARGE // 2)))
    (file,) = line["files"]
    assert (line["outcome"], line["reason"]) == ("refused", "ambiguous_request")
    assert (file["outcome"], file["reason"], file["size"]) == ("accepted", "none", LARGE)


# Several files.


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_behind_the_second_file_leaves_the_first_stored(
    kind: str, scene: Scene, watch: Watch
) -> None:
    """As without the gateway. Of the second, which is in hand with its fault, nothing is sent."""
    fault, first = FAULTS[kind], text(LARGE)
    body = scene.begin(file_part("a.txt", first), file_part("b.txt", text(1000)))
    assert_refused(scene.post(*cut(body + fault.behind, LARGE // 2, LARGE + 500)), fault)
    watch.assert_received(first)


@pytest.mark.parametrize("kind", BEHIND_A_FILE)
def test_the_second_file_is_completed_as_the_first_is(
    kind: str, scene: Scene, watch: Watch
) -> None:
    fault, files = BEHIND_A_FILE[kind], [text(1000), text(LARGE)]
    body = scene.begin(file_part("a.txt", files[0]), file_part("b.txt", files[1]))
    assert_refused(scene.post(*cut(body + fault.behind, LARGE // 2)), fault)
    watch.assert_received(*files)


def test_nothing_of_two_files_is_forwarded_if_the_fault_is_in_hand(
    scene: Scene, watch: Watch
) -> None:
    fault = BEHIND_A_FILE["something behind a boundary"]
    body = scene.begin(file_part("a.txt", text(1000)), file_part("b.txt", text(1000)))
    assert_refused(scene.post(body + fault.behind), fault)
    watch.assert_received()


# Cut off within a file.


@pytest.mark.parametrize("kind", WITHIN_A_FILE)
def test_a_form_that_is_cut_off_within_a_file_is_an_upload_that_breaks_off(
    kind: str, scene: Scene, watch: Watch
) -> None:
    """Where the file ends is not known: completing it would make a file of half a one."""
    fault = WITHIN_A_FILE[kind]
    body = scene.begin(file_part("a.txt", text(LARGE))) + fault.behind
    response = scene.post(*cut(body, LARGE // 2))
    assert_refused(response, fault)
    watch.assert_broken_off()
    (file,) = accounted(scene, response)["files"]
    assert (file["outcome"], file["reason"]) == ("refused", REASONS[fault.id])


# Wherever the body is cut.


@st.composite
def cuts(draw: st.DrawFn, size: int, behind: int) -> list[int]:
    """Where a body's pieces end, counted from the end of its file: mostly near that."""
    near = st.integers(-40, min(behind, 40))
    return draw(st.lists(near | st.integers(-size, behind), max_size=5))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    data=st.data(),
    kind=st.sampled_from(sorted(FAULTS)),
    size=st.integers(0, 2000) | st.integers(HEAD - 50, HEAD + 50) | st.integers(0, 3 * HEAD),
    known_length=st.booleans(),
)
def test_a_file_is_forwarded_whole_or_not_at_all(
    scene: Scene, data: st.DataObject, kind: str, size: int, known_length: bool
) -> None:
    fault, content = FAULTS[kind], text(size)
    if data.draw(st.booleans()):
        middle = data.draw(st.integers(0, size))
        content = content[:middle] + BARE + content[middle:]
        fault = Fault(fault.behind)
    watch = Watch(scene)
    body = scene.begin(file_part("a.txt", content))
    ends = [len(body) + end for end in data.draw(cuts(size, len(fault.behind)))]
    response = scene.post(*cut(body + fault.behind, *ends), known_length=known_length)
    assert_refused(response, fault)
    if not watch.received():
        watch.assert_received()
    elif kind in BEHIND_A_FILE:
        watch.assert_received(content)
    else:
        watch.assert_broken_off()
