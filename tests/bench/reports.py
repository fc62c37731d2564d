"""Write everything of a saved run anew, and print wall clock (s) and peak memory (MB) as JSON.

python tests/bench/reports.py RUN_FOLDER
"""

import json
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from backtestkit_cli.reports.saved.run_reading import load_run
from backtestkit_cli.reports.saving import save_run


def main() -> None:
    """Load, write, print; loading is not counted."""
    record = load_run(Path(sys.argv[1]))
    with TemporaryDirectory() as out:
        started = time.perf_counter()
        for _ in save_run(record, Path(out)):
            pass
        wall_s = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([wall_s, used / (1024 if sys.platform != "darwin" else 1024**2)]))


if __name__ == "__main__":
    main()
