"""The process of one attempt: an ordinary run of a plan with one job.

Its standard input is a pipe from its worker. Each line there is one more interrupt; its end, too:
when the worker is gone the run ends in good order, and nobody takes the job twice.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

STOP = b"stop\n"
OUTPUT = "output.log"


def main() -> int:
    """Run the plan in the file named on the command line, with results below the directory."""
    plan_file, reports = Path(sys.argv[1]), sys.argv[2]
    # pytest puts something else in the place of descriptor 0.
    watch(os.dup(0))
    kept = say_into(plan_file.with_name(OUTPUT))
    from harness.flight.plan import from_json
    from harness.plugin.launch import run_flight

    plan = from_json(plan_file.read_text(encoding="utf-8"))
    code = run_flight(plan, workers=1, keeping=["--store", "none", "--reports", reports])
    os.close(kept)
    return code


def say_into(log: Path) -> int:
    """From now on what is said goes into *log*; standard output as it was, to be kept open.

    Its end tells the worker of ours. Nothing is written there: when the worker is gone, that would
    end us before our clean-up.
    """
    kept = os.dup(1)
    to = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for descriptor in (1, 2):
        os.dup2(to, descriptor)
    os.close(to)
    return kept


def watch(descriptor: int) -> threading.Thread:
    """Interrupt this process for each line that comes there, and at the end of it."""

    def look() -> None:
        while line := os.read(descriptor, len(STOP)):
            if line.endswith(b"\n"):
                os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=look, name="worker's word", daemon=True)
    thread.start()
    return thread


if __name__ == "__main__":
    sys.exit(main())
