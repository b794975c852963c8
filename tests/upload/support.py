"""A delivery with one policy, for tests of its steps."""

from gateway.body.spool import SpoolArea
from gateway.identity.places import Places
from gateway.inspection.detector import Detector
from gateway.ledger.sqlite import SQLiteLedger
from gateway.policy.rules import Agreement, Policy
from gateway.policy.ruleset import Rulebook, Ruleset
from gateway.policy.selectors import EVERYTHING, NOTHING
from gateway.upload.booking import Booking
from gateway.upload.delivery import Delivery
from gateway.upload.examination import Examiner
from gateway.upload.reception import Reception
from gateway.upload.rulings import Rulings
from gateway.upstream.mattermost import Mattermost


def permissive(largest: int) -> Policy:
    """Anything of ``largest`` bytes or less."""
    return Policy(largest, EVERYTHING, NOTHING, frozenset(), Agreement.OFF)


def delivery(mattermost: Mattermost, largest: int, spools: SpoolArea) -> Delivery:
    """Of anything of ``largest`` bytes or less, with no quotas."""
    asks = mattermost.channel, mattermost.team, mattermost.administers
    places = Places(*asks, ttl=1, negative_ttl=1, size=1)
    examiner = Examiner(spools=spools, scanner=None, count_scan=lambda result, seconds: None)
    rules = Ruleset({"files": permissive(largest)})
    rulings = Rulings(Rulebook(rules), places, lambda credential: None)
    return Delivery(
        endpoint="files",
        mattermost=mattermost,
        rulings=rulings,
        reception=Reception(detector=Detector(), examiner=examiner, spools=spools),
        booking=Booking(SQLiteLedger(spools.directory / "unused"), rulings.place),
        count_exchange=lambda result: None,
    )
