"""A worker process: ``python -m gateway.worker DESCRIPTOR FOLDER``, started by the supervisor."""

import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    # Until it listens to it: what there is to read by then is read at start.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from gateway.configuration import checked_settings
    from gateway.serving import run_worker

    run_worker(checked_settings(), int(sys.argv[1]), Path(sys.argv[2]))
