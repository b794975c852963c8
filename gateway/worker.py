"""``python -m gateway.worker SOCKET FOLDER``: what the supervisor starts; not for people."""

import sys
from pathlib import Path

from gateway.configuration import checked_settings
from gateway.serving import run_worker

if __name__ == "__main__":
    run_worker(checked_settings(with_files=False), int(sys.argv[1]), Path(sys.argv[2]))
