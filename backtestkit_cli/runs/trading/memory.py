"""How much memory the process holds."""

from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_KB_PER_MB = 1024


def resident_mb() -> float:
    """Return the resident memory of the process in MB; the most it ever was where the system tells no more."""
    with suppress(OSError, ValueError, StopIteration):
        lines = _STATUS.read_text("ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / _KB_PER_MB
    return _peak_mb()


def _peak_mb() -> float:
    """Return 0 where nobody tells."""
    try:
        import resource
    except ImportError:
        return 0.0
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _KB_PER_MB / (_KB_PER_MB if sys.platform == "darwin" else 1)
