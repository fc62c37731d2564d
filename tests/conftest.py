"""What all tests share: Hypothesis without deadlines, which a busy machine would miss, and no waits for disks.

Each law is tried on 25 examples that differ from run to run; BTK_ALL_LAWS, which `make laws` sets, on a hundred.
"""

import gc
import os

from hypothesis import settings

from tests.laws import ALL_LAWS

pytest_plugins = ["backtestkit_cli.testing.plugin", "tests.servers.fixtures"]

# Each core has a worker of its own: threads of libraries, also in what is started, would only wait for each other.
for pool in ("POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(pool, "1")

os.fsync = lambda _: None  # type: ignore[assignment]  # what a dead process wrote, the system still has

settings.register_profile(
    "btk",
    deadline=None,
    derandomize=False,
    print_blob=True,
    max_examples=100 if ALL_LAWS else 25,
)
settings.load_profile("btk")


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what lives until the end: all modules and the seven thousand tests."""
    gc.collect()
    gc.freeze()
