"""Files judged as the gateway judges them, without a gateway."""

import asyncio
import io
from pathlib import Path
from tempfile import gettempdir

from gateway.body.spool import SpoolArea
from gateway.checking.files import Checked, check_file
from gateway.inspection.detector import Detector
from gateway.policy.rules import Policy
from gateway.policy.ruleset import Decision
from gateway.upload.examination import Examiner
from gateway.upload.reception import Reception


def judged(policy: Policy, name: str, content: bytes, declared: str | None = None) -> Checked:
    """What ``policy`` says to a file, received whole where it wants it so."""

    async def check() -> Checked:
        spools = SpoolArea(Path(gettempdir()), 2**30)
        examiner = Examiner(spools=spools, scanner=None, count_scan=lambda result, seconds: None)
        reception = Reception(detector=Detector(), examiner=examiner, spools=spools)
        try:
            file = io.BytesIO(content)
            decision = Decision(policy)
            return await check_file(name, file, len(content), decision, reception, declared)
        finally:
            spools.close()
            examiner.close()

    return asyncio.run(check())
