"""The account of one request, and what is made of it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.accounting import Account, Accountant, FileAccount, Stage
from gateway.logs import Log
from gateway.metrics.cells import Cells
from gateway.metrics.exposition import exposition, one_process
from gateway.metrics.metrics import Metrics
from gateway.refusals import file_too_large, session_expired, upstream_failed
from gateway.values import Outcome


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> Account:
    return Account(clock)


# What happens to an account.


def test_a_new_account_is_that_of_a_request_that_goes_well(account: Account) -> None:
    assert (account.outcome, account.reason, account.endpoint) == ("accepted", "none", "other")


@pytest.mark.parametrize(
    ("refusal", "outcome", "reason", "status"),
    [
        (file_too_large("a", 2, 1), "refused", "file_too_large", 413),
        (session_expired(), "refused", "unauthenticated", 401),
        (upstream_failed(), "failed", "upstream_failed", 502),
    ],
)
def test_a_refusal(refusal: Any, outcome: str, reason: str, status: int, account: Account) -> None:
    account.refuse(refusal)
    assert (account.outcome, account.reason, account.status) == (outcome, reason, status)


def test_a_client_that_left(account: Account) -> None:
    account.abort()
    assert (account.outcome, account.reason, account.status) == ("aborted", "client_gone", 499)


def test_an_end_without_an_answer(account: Account) -> None:
    account.fail("shutdown")
    assert (account.outcome, account.reason, account.status) == ("failed", "shutdown", 503)


# What is made of it.


def with_sorted_labels(sample: str) -> str:
    name, brace, labels = sample.rstrip("}").partition("{")
    return f"{name}{{{','.join(sorted(labels.split(',')))}}}" if brace else name


class Books:
    """An accountant, and what it has written."""

    def __init__(self, path: Path, level: str = "info") -> None:
        self._path = path
        self._file = path.open("w")
        self._cells = Cells()
        self.accountant = Accountant(Metrics(self._cells), Log("json", level, self._file))

    def close(self, account: Account) -> None:
        account.method = account.method or "POST"
        account.path, account.client, account.request_id = b"/x", "1.2.3.4", "id1"
        self.accountant.close(account)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._path.read_text().splitlines()]

    def samples(self) -> dict[str, float]:
        """All samples that are not zero, buckets left out."""
        text = exposition(one_process(self._cells)).decode()
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {
            with_sorted_labels(name.removeprefix("upload_gateway_")): float(value)
            for name, value in pairs
            if "_bucket" not in name and float(value)
        }

    def end(self) -> None:
        self._file.close()


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path / "log")
    yield books
    books.end()


def test_a_request_is_in_flight_until_its_account_is_closed(books: Books) -> None:
    account = books.accountant.open()
    another = books.accountant.open()
    assert books.samples()["requests_in_flight"] == 2
    books.close(account)
    books.close(another)
    assert "requests_in_flight" not in books.samples()


def test_an_upload(books: Books, clock: Clock) -> None:
    books.accountant.open()
    account = Account(clock)
    account.endpoint = "files"
    account.status = 201
    account.user_id = "u1"
    account.bytes_received = 1234
    account.enter(Stage.FORWARD)
    clock.now += 0.25
    account.files += [
        FileAccount("a.png", 1000, "image/png", None, "images", Outcome.ACCEPTED, "none"),
        FileAccount("b.exe", None, "x/y", None, "executables", Outcome.REFUSED, "type_denied"),
    ]
    books.close(account)
    (line,) = books.lines()
    del line["time"]
    assert line == {
        "level": "info",
        "event": "request",
        "request_id": "id1",
        "trace_id": "",
        "client": "1.2.3.4",
        "method": "POST",
        "path": "/x",
        "endpoint": "files",
        "status": 201,
        "outcome": "accepted",
        "reason": "none",
        "duration": 0.25,
        "user_id": "u1",
        "bytes_received": 1234,
        "files": [
            {"name": "a.png", "type": "image/png", "size": 1000, "outcome": "accepted",
             "reason": "none"},
            {"name": "b.exe", "type": "x/y", "size": None, "outcome": "refused",
             "reason": "type_denied"},
        ],
        "stages": {"forward": 0.25},
    }  # fmt: skip
    labels = 'endpoint="files",method="POST",outcome="accepted",reason="none",status="201"'
    assert books.samples() == {
        f"requests_total{{{labels}}}": 1,
        'request_duration_seconds_count{endpoint="files",outcome="accepted"}': 1,
        'request_duration_seconds_sum{endpoint="files",outcome="accepted"}': 0.25,
        'stage_duration_seconds_count{stage="forward"}': 1,
        'stage_duration_seconds_sum{stage="forward"}': 0.25,
        'files_total{group="images",outcome="accepted",reason="none"}': 1,
        'files_total{group="executables",outcome="refused",reason="type_denied"}': 1,
        "stored_file_size_bytes_count": 1,
        "stored_file_size_bytes_sum": 1000,
        "stored_bytes_total": 1000,
        "received_bytes_total": 1234,
    }


def test_stages_follow_each_other(books: Books, account: Account, clock: Clock) -> None:
    """One ends where the next one begins, and may come again."""
    clock.now += 1  # before the first stage nothing is counted
    for stage, seconds in [
        (Stage.IDENTIFY, 2),
        (Stage.RECEIVE, 4),
        (Stage.INSPECT, 8),
        (Stage.RECEIVE, 16),
        (Stage.FORWARD, 32),
    ]:
        account.enter(stage)
        clock.now += seconds
    books.close(account)
    expected = {"identify": 2, "receive": 20, "inspect": 8, "forward": 32}
    samples = books.samples()
    sums = "stage_duration_seconds_sum"
    assert {k: v for k, v in samples.items() if k.startswith(sums)} == {
        f'{sums}{{stage="{stage}"}}': seconds for stage, seconds in expected.items()
    }
    assert samples['stage_duration_seconds_count{stage="receive"}'] == 1
    (line,) = books.lines()
    assert (line["stages"], line["duration"]) == (expected, 63)


def test_a_websocket_is_open_between_its_handshake_and_its_end(
    books: Books, account: Account, clock: Clock
) -> None:
    books.accountant.metrics.begin_request()
    account.endpoint = "websocket"
    account.status = 101
    clock.now += 0.25
    websocket = books.accountant.open_websocket(account)
    assert books.samples() == {"websockets_open": 1}
    clock.now += 3600
    websocket.received, websocket.sent = 10, 0
    books.close(account)
    (line,) = books.lines()
    assert (line["duration"], line["bytes_received"], line["bytes_sent"]) == (3600.25, 10, 0)
    labels = 'endpoint="websocket",method="POST",outcome="accepted",reason="none",status="101"'
    assert books.samples() == {
        f"requests_total{{{labels}}}": 1,
        'request_duration_seconds_count{endpoint="websocket",outcome="accepted"}': 1,
        'request_duration_seconds_sum{endpoint="websocket",outcome="accepted"}': 0.25,
    }


def test_what_is_not_known_is_left_out(books: Books) -> None:
    books.close(books.accountant.open())
    (line,) = books.lines()
    assert not {"user_id", "bytes_received", "files", "stages", "detail"} & set(line)


@pytest.mark.parametrize(
    ("outcome", "level"),
    [("accepted", "info"), ("refused", "info"), ("aborted", "info"), ("failed", "warning")],
)
def test_a_failure_is_a_warning(outcome: str, level: str, books: Books) -> None:
    account = books.accountant.open()
    account.outcome = Outcome(outcome)
    account.detail = "why"
    books.close(account)
    (line,) = books.lines()
    assert (line["level"], line["detail"]) == (level, "why")


def test_a_quiet_log_counts_all_the_same(tmp_path: Path) -> None:
    books = Books(tmp_path / "log", "warning")
    books.close(books.accountant.open())
    assert books.lines() == []
    assert sum(v for k, v in books.samples().items() if k.startswith("requests_total")) == 1
    books.end()


def test_a_method_that_nobody_knows_is_no_label_of_its_own(books: Books) -> None:
    for number in range(3):
        account = books.accountant.open()
        account.method = f"M{number}"
        books.close(account)
    names = [name for name in books.samples() if name.startswith("requests_total")]
    assert len(names) == 1
    assert 'method="other"' in names[0]


def test_scans(books: Books) -> None:
    metrics = books.accountant.metrics
    metrics.scan("clean", 0.25)
    metrics.scan("clean", 0.5)
    metrics.scan("unreachable", 5)
    assert books.samples() == {
        'scans_total{result="clean"}': 2,
        'scans_total{result="unreachable"}': 1,
        'scan_duration_seconds_count{result="clean"}': 2,
        'scan_duration_seconds_sum{result="clean"}': 0.75,
        'scan_duration_seconds_count{result="unreachable"}': 1,
        'scan_duration_seconds_sum{result="unreachable"}': 5,
    }


# Several at once.


def test_what_ends_while_others_come_and_go_is_seen_to_together(tmp_path: Path) -> None:
    path, rounds = tmp_path / "log", list[Callable[[], None]]()

    def lines_after(count: int) -> int:
        """Of the log, when as many rounds of the event loop have gone by."""
        for _ in range(count):
            if rounds:
                rounds.pop(0)()
        return len(path.read_text().splitlines())

    with path.open("w") as file:
        log = Log("json", "info", file)
        accountant = Accountant(Metrics(Cells()), log, call_soon=rounds.append)
        accountant.close(accountant.open())
        assert lines_after(0) == 0
        assert lines_after(1) == 1  # nobody else is there
        path.write_text("")
        accountant.open()
        accountant.close(accountant.open())
        assert lines_after(3) == 0
        accountant.close(accountant.open())
        assert lines_after(8) == 0
        assert lines_after(1) == 2  # nobody came any more
        assert not rounds
        for _ in range(63):
            accountant.close(accountant.open())
            accountant.open()
            assert lines_after(1) == 2
        accountant.close(accountant.open())
        assert lines_after(1) == 66
        accountant.close(accountant.open())
        accountant.flush()
        assert lines_after(0) == 67


def test_one_that_cannot_be_counted_does_not_hide_the_others(tmp_path: Path) -> None:
    path, rounds = tmp_path / "log", list[Callable[[], None]]()
    with path.open("w") as file:
        accountant = Accountant(
            Metrics(Cells()), Log("json", "info", file), call_soon=rounds.append
        )
        broken, whole = accountant.open(), accountant.open()
        broken.spent = []
        accountant.close(broken)
        accountant.close(whole)
        accountant.flush()
    told = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    assert sorted(told) == ["request", "unaccounted"]


def test_a_scrape_has_all_that_ended_before_it(tmp_path: Path) -> None:
    cells, rounds = Cells(), list[Callable[[], None]]()
    with (tmp_path / "log").open("w") as file:
        log = Log("json", "info", file)
        accountant = Accountant(Metrics(cells), log, call_soon=rounds.append)
        accountant.open()
        accountant.close(accountant.open())
        assert b"upload_gateway_requests_total{" not in exposition(one_process(cells))
        read = one_process(cells, accountant.flush)
        assert b"upload_gateway_requests_total{" in exposition(read)
