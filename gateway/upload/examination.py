"""What needs a file whole before its verdict: whatever its head does not tell."""

from gateway.body.spool import Whole
from gateway.upload.incoming import IncomingFile
from gateway.upload.judging import Judge
from gateway.upload.receive import Held


class Examiner:
    """Examines whole files, as far as the policies that judge them ask for it."""

    def wants(self, judge: Judge) -> bool:
        """Whether the file has to be received whole first."""
        return False

    async def examine(self, file: IncomingFile, whole: Whole, judge: Judge, held: Held) -> Whole:
        """What may be sent of ``whole``, until ``held`` is closed. Raises Refused."""
        return whole
