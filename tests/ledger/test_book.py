from gateway.ledger.book import Book, Settled, slot_of
from gateway.ledger.quotas import Reservation, Usage

from .support import claim

SLOT = slot_of(claim(0))


def nothing(_: object) -> Usage:
    return Usage(0, 0)


def test_the_book_knows_what_the_file_has_not_been_told() -> None:
    book = Book()
    assert not book.changed
    reservation = book.grant([claim(600)], nothing, due=False)
    assert isinstance(reservation, Reservation)
    assert (book.changed, book.held(), book.owed()) == (True, [(SLOT, 600)], [])
    book.written()
    assert (book.changed, book.held(), book.owed()) == (False, [], [])
    assert book.settle(reservation, 500, 1) is Settled.TO_WRITE
    assert (book.changed, book.held(), book.owed()) == (True, [(SLOT, 0)], [(SLOT, 500)])
    book.written()
    assert (book.changed, book.held(), book.owed()) == (False, [], [])


def test_to_hold_again_is_to_tell_all_that_is_held() -> None:
    book = Book()
    book.grant([claim(600)], nothing, due=False)
    book.grant([claim(100)], nothing, due=False)
    book.written()
    book.hold_again()
    assert book.held() == [(SLOT, 700)]


def test_a_refused_claim_changes_nothing() -> None:
    book = Book()
    book.grant([claim(1, user="bob"), claim(1001)], nothing, due=False)
    assert not book.changed


def test_what_is_handed_over_is_held_no_more_unless_it_is_taken_back() -> None:
    book = Book()
    reservation = book.grant([claim(600)], nothing, due=False)
    assert isinstance(reservation, Reservation)
    book.written()
    assert book.holds(reservation)
    assert book.hand_over(reservation)
    assert not book.holds(reservation)
    assert not book.hand_over(reservation)
    assert book.settle(reservation, 600, 1) is Settled.BEFORE
    assert (book.changed, book.held(), book.owed()) == (True, [(SLOT, 0)], [])
    book.take_back(reservation)
    assert book.held() == [(SLOT, 600)]
    assert book.settle(reservation, 500, 1) is Settled.TO_WRITE


def test_the_first_end_of_a_session_is_owed_until_it_is_written() -> None:
    book = Book()
    book.end_session("s", 0, 0)
    assert (book.changed, book.owing) == (True, False)
    book.end_session("s", 600, 1)
    book.end_session("t", 500, 1)
    assert book.owing
    assert book.ended() == [("s", 0, 0), ("t", 500, 1)]
    book.written()
    assert (book.changed, book.owing, book.ended()) == (False, False, [])
