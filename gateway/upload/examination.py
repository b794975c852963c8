"""What needs a file whole before its verdict: whatever its head does not tell."""

from gateway.body.spool import Spool
from gateway.upload.incoming import IncomingFile
from gateway.upload.judging import Judge
from gateway.upload.receive import Held


class Examiner:
    """Examines whole files, as far as the policies that judge them ask for it."""

    def wants(self, judge: Judge) -> bool:
        """Whether the file has to be received whole first."""
        return False

    async def examine(self, file: IncomingFile, spool: Spool, judge: Judge, held: Held) -> Spool:
        """What may be sent of ``spool``, until ``held`` is closed. Raises Refused."""
        return spool
