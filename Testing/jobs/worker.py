"""Runs the real worker with :mod:`.operations` added to what it can do."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from StrokeSynthLib.jobs import operations
from StrokeSynthLib.jobs.worker import main

for name in ("modules", "sleep", "child", "die", "segfault", "exhaust", "shout", "echo", "stray"):
    operations.OPERATIONS[name] = ("Testing.jobs.operations", name)

if __name__ == "__main__":
    # As the start-up messages of some launchers do, without an end of line.
    os.write(1, "a launcher says hällo".encode())
    main()
