"""The chain: what is appended, whoever appends, and what shows in it."""

import gzip
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gateway.audit.chain import GENESIS
from gateway.audit.file import AuditFile, head_path
from gateway.log_formats import encoded
from tests.audit.support import lines, names, verified, written

LINES = 6


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


def test_each_line_carries_the_hash_of_the_one_before(log: Path) -> None:
    previous = GENESIS
    for number, line in enumerate(written(log, LINES), 1):
        document = json.loads(line)
        assert (document["seq"], document["prev"]) == (number, previous)
        compact = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        assert line == compact.encode() + b"\n"
        previous = hashlib.sha256(line.removesuffix(b"\n")).hexdigest()
    told = verified(log)
    assert told.status == 0
    assert f"The last one is {LINES}:{previous}" in told.text
    assert log.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("name", ["ü.txt", "a\u2028b\u0085c", "\udcff.txt", 'a"\n{}.txt'])
def test_any_name_is_one_line(log: Path, name: str) -> None:
    file = AuditFile(log)
    file.append([encoded({"name": name}), encoded({"name": "b"})])
    assert len(log.read_bytes().decode().splitlines()) == 2
    assert lines(log)[0]["name"] == name
    assert verified(log).status == 0


# Every change shows.


def change_byte(data: st.DataObject, text: list[bytes]) -> bytes:
    whole = bytearray(b"".join(text))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    return bytes(whole)


def cut_out(data: st.DataObject, text: list[bytes]) -> bytes:
    whole = b"".join(text)
    start = data.draw(st.integers(0, len(whole)))
    return whole[:start] + whole[data.draw(st.integers(start, len(whole))) :]


def drop_lines(data: st.DataObject, text: list[bytes]) -> bytes:
    start = data.draw(st.integers(0, len(text)))
    return b"".join(text[:start] + text[data.draw(st.integers(start, len(text))) :])


def swap_lines(data: st.DataObject, text: list[bytes]) -> bytes:
    return b"".join(data.draw(st.permutations(text)))


def insert(data: st.DataObject, text: list[bytes]) -> bytes:
    whole = b"".join(text)
    at = data.draw(st.integers(0, len(whole)))
    some = data.draw(st.one_of(st.binary(max_size=40), st.sampled_from(text)))
    return whole[:at] + some + whole[at:]


@pytest.mark.parametrize("tamper", [change_byte, cut_out, drop_lines, swap_lines, insert])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_tampering_shows(
    tmp_path: Path, tamper: Callable[[st.DataObject, list[bytes]], bytes], data: st.DataObject
) -> None:
    log = tmp_path / "audit.log"
    if not log.exists():
        written(log, LINES)
        shutil.copy(log, tmp_path / "as-written")
    original = (tmp_path / "as-written").read_bytes()
    changed = tamper(data, original.splitlines(keepends=True))
    assume(changed != original)
    log.write_bytes(changed)
    assert verified(log).status == 1


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda text: [*text[:2], text[2].replace(b"2.txt", b"3.txt"), *text[3:]], ":4: the line"),
        (lambda text: [*text[:2], *text[3:]], ":3: it is line 4 and should be line 3"),
        (lambda text: text[:-2], ": 2 lines are missing at its end"),
        (lambda text: [*text, text[-1]], ":7: it is line 6 and should be line 7"),
        (lambda text: [*text[:3], b"\n", *text[3:]], ":4: it is not JSON"),
        (lambda text: [*text, b"{}\n"], ":7: it has no place in a chain"),
        (lambda text: [*text[:5], text[5][:-1]], ":6: it is cut off"),
    ],
)
def test_it_says_where(log: Path, change: Callable[[list[bytes]], list[bytes]], where: str) -> None:
    log.write_bytes(b"".join(change(written(log, LINES))))
    told = verified(log)
    assert told.status == 1
    assert f"{log}{where}" in told.text


def test_what_an_earlier_run_told_is_still_there(log: Path) -> None:
    text = written(log, LINES)
    noted = verified(log).text.split()[-1]
    written(log, 1)
    assert verified(log, head=noted).status == 0
    head_path(log).unlink()
    log.write_bytes(b"".join(text[:-1]))
    assert verified(log).status == 0  # nobody knows better
    assert verified(log, head=noted) == (1, f"{log}: 1 lines are missing at its end\n")


def test_lines_that_the_head_does_not_know(log: Path) -> None:
    text = written(log, LINES)
    head = head_path(log).read_bytes()
    written(log, 1)
    head_path(log).write_bytes(head)
    told = verified(log)
    assert (told.status, len(text)) == (1, LINES)
    assert "1 lines are behind the one that was written last" in told.text


def test_what_cannot_be_read(log: Path) -> None:
    assert verified(log).status == 2
    written(log, 1)
    head_path(log).write_bytes(b"?")
    assert verified(log).status == 2


# Rotation.


def test_the_chain_goes_on_after_a_rotation(log: Path) -> None:
    file = AuditFile(log)
    for number in range(3):
        file.append([encoded({"event": "file", "name": f"{number}"})])
        log.rename(log.with_name(f"audit.log.{number}"))
    file.append([encoded({"event": "file", "name": "3"})])
    rotated = [log.with_name(f"audit.log.{number}") for number in range(3)]
    assert [names(path) for path in (*rotated, log)] == [["0"], ["1"], ["2"], ["3"]]
    with rotated[0].open("rb") as plain, gzip.open(f"{rotated[0]}.gz", "wb") as packed:
        packed.write(plain.read())
    rotated[0] = Path(f"{rotated[0]}.gz")
    told = verified(*rotated)
    assert told.status == 0
    assert verified(*rotated, log).status == 0
    assert verified(log, after=told.text.split()[-1]).status == 0
    assert verified(log, after="any").status == 0
    assert verified(log, after="3:0").status == 1
    assert verified(log) == (1, f"{log}:1: it is line 4 and should be line 1\n")
    assert verified(rotated[0], rotated[2], log).status == 1
    assert verified(rotated[1], rotated[0], rotated[2], log).status == 1


def test_a_copy_that_was_truncated_is_told(log: Path) -> None:
    written(log, 3)
    copy = log.with_name("audit.log.1")
    shutil.copy(log, copy)
    size = log.stat().st_size
    os.truncate(log, 0)
    written(log, 1)
    assert [line["event"] for line in lines(log)] == ["cut", "file"]
    assert lines(log)[0]["bytes"] == size
    assert verified(copy, log).status == 0


def test_without_its_head_the_chain_goes_on_and_says_so(log: Path) -> None:
    written(log, 3)
    head_path(log).unlink()
    written(log, 1)
    assert [line["event"] for line in lines(log)] == ["file"] * 3 + ["head_missing", "file"]
    assert verified(log).status == 0


# Those who die.


def killed_before_its_note(log: Path, torn: bytes = b"") -> None:
    """One who has appended two lines, and perhaps began another one, and noted only the first."""
    written(log, 1)
    head = head_path(log).read_bytes()
    written(log, 1, start=1)
    head_path(log).write_bytes(head)
    with log.open("ab") as file:
        file.write(torn)


@pytest.mark.parametrize("torn", [b"", b'{"event":"fi'])
def test_what_was_not_noted_is_found(log: Path, torn: bytes) -> None:
    killed_before_its_note(log, torn)
    written(log, 1, start=2)
    assert names(log) == ["0.txt", "1.txt", "2.txt"]
    assert verified(log).status == 0


def test_what_was_not_noted_is_found_after_a_rotation(log: Path) -> None:
    killed_before_its_note(log)
    log.rename(log.with_name("audit.log.1"))
    written(log, 1, start=2)
    assert verified(log.with_name("audit.log.1"), log).status == 0


def test_several_processes_write_one_chain(log: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gateway.audit.file import AuditFile\n"
        "file = AuditFile(Path(sys.argv[1]))\n"
        'for number in range(100): file.append([b\'{"event":"file","name":"%d"}\' % number])\n'
    )
    command = [sys.executable, "-c", program, str(log)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(30) for process in processes] == [0, 0, 0]
    assert len(lines(log)) == 300
    assert verified(log).status == 0


# A disk that is full.


def test_what_does_not_fit_leaves_nothing_behind(log: Path) -> None:
    written(log, 3)
    before = log.read_bytes()
    file = AuditFile(log)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            file.append([encoded({"name": "x" * 500})])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert log.read_bytes() == before
    file.append([encoded({"name": "x" * 500})])
    assert verified(log).status == 0
