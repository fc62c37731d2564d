"""What befalls a store at times of the venue, whose clock waits for it."""

import contextlib
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Act(NamedTuple):
    """What is done before the clock of the venue goes beyond `at_ms`."""

    at_ms: int
    do: Callable[[], object]


@dataclass(slots=True)
class Fate:
    """Where lives ask before they move the clock, and what went wrong meanwhile."""

    address: str
    failures: list[BaseException]


@contextmanager
def fate_of(acts: Sequence[Act]) -> Iterator[Fate]:
    """Do *acts*, oldest first, each once and before time goes on beyond it, also for the life after the next.

    Raises:
        BaseException: what an act raised, at the end of the block.
    """
    left = sorted(acts, key=lambda act: act.at_ms)
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as door:
        fate = Fate(str(Path(folder) / "fate"), [])
        door.bind(fate.address)
        door.listen()
        turn = threading.Lock()

        def serve(link: socket.socket) -> None:
            with contextlib.suppress(OSError), link, link.makefile("rb") as lines:
                for line in lines:
                    with turn:
                        while left and left[0].at_ms < int(line):
                            try:
                                left.pop(0).do()
                            except BaseException as error:  # noqa: BLE001 - raised where the trial ends
                                fate.failures.append(error)
                    link.sendall(b"\n")

        def welcome() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()

        threading.Thread(target=welcome, daemon=True).start()
        try:
            yield fate
        finally:
            door.shutdown(socket.SHUT_RDWR)
        for failure in fate.failures:
            raise failure
