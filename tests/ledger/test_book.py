from gateway.ledger.book import Book, slot_of
from gateway.ledger.quotas import Reservation, Usage

from .support import claim

SLOT = slot_of(claim(0))


def nothing(_: object) -> Usage:
    return Usage(0, 0)


def test_the_book_knows_what_the_file_has_not_been_told() -> None:
    book = Book()
    assert not book.changed
    reservation = book.grant([claim(600)], nothing)
    assert isinstance(reservation, Reservation)
    assert (book.changed, book.held(), book.owed()) == (True, [(SLOT, 600)], [])
    book.written()
    assert (book.changed, book.held(), book.owed()) == (False, [], [])
    assert book.settle(reservation, 500)
    assert (book.changed, book.held(), book.owed()) == (True, [(SLOT, 0)], [(SLOT, 500)])
    book.written()
    assert (book.changed, book.held(), book.owed()) == (False, [], [])


def test_to_hold_again_is_to_tell_all_that_is_held() -> None:
    book = Book()
    book.grant([claim(600)], nothing)
    book.grant([claim(100)], nothing)
    book.written()
    book.hold_again()
    assert book.held() == [(SLOT, 700)]


def test_a_refused_claim_changes_nothing() -> None:
    book = Book()
    book.grant([claim(1, user="bob"), claim(1001)], nothing)
    assert not book.changed
