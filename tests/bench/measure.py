"""Run a command and print its wall clock (s) and peak memory (MB) as JSON.

A process of its own, because a child counts the memory of whoever forked it until it starts its program.
"""

import json
import os
import sys
import time


def main() -> int:
    """Run what is on the command line; its output goes nowhere."""
    started = time.perf_counter()
    silence = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=silence)
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.perf_counter() - started
    print(json.dumps([wall_s, usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)]))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
