"""Where a trading run is kept, and what keeps others from it: the stores of its config, their leases and locks."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.persistence.account_lock import AccountLock
from backtestkit_cli.persistence.guarded_shelf import guarded
from backtestkit_cli.persistence.places import Places, patient
from backtestkit_cli.persistence.shelf import LeasingShelf, Shelf
from backtestkit_cli.persistence.tenants import this_process
from backtestkit_cli.persistence.tenure import Tenure
from backtestkit_cli.ports import Store
from backtestkit_cli.runs.trading.plan import LIVE, TradingPlan
from backtestkit_cli.runs.trading.time import SystemTime, steady_s


class Kept(NamedTuple):
    """The store of a run, the locks it holds on this machine, and its leases where other machines know the store."""

    store: Store
    lock: AbstractContextManager[Any]
    tenure: Tenure | None


def kept_by(plan: TradingPlan, account: str, environ: Mapping[str, str]) -> Kept:
    """Return where the run of *plan* is kept, which trades *account*; nothing is opened or locked.

    Raises:
        ConfigError: a store cannot be made, or must not keep what real orders are sent by.
    """
    run, places = plan.run, Places(plan.store, environ)
    whole = places.store()
    if run.mode == LIVE and not whole.is_atomic:
        raise ConfigError(f"{whole.name}: expected a store whose writes happen in whole or not at all, found another")
    if run.mode == LIVE and any(place.kind is StoreKind.CUSTOM for place in places.unleased):
        raise ConfigError(f"{whole.name}: expected a LeasingShelf, as machines may share it, found another")
    folders = [*places.folders, *([_folder_of_user(environ)] if run.mode == LIVE else [])]
    lock = _Locks([AccountLock(folder, run.mode, run.exchange, account) for folder in folders])
    if not places.servers:
        return Kept(places.store(), lock, None)
    tenure = Tenure(
        [patient(shelf, place) for place, shelf in places.servers],
        (run.mode, run.exchange),
        this_process(account, SystemTime().now_ms()),
        plan.store.lease_seconds,
        steady_s=steady_s,
    )
    return Kept(places.store(partial(_under, tenure)), lock, tenure)


def _under(tenure: Tenure, shelf: LeasingShelf, place: PlaceOptions) -> Shelf:
    """Return *shelf* as *tenure* has it; each attempt is made under a lease that holds."""
    return patient(guarded(shelf, tenure), place)


class _Locks:
    """All of some locks, or none: who did not get them may try again."""

    def __init__(self, locks: Sequence[AbstractContextManager[Any]]) -> None:
        self._locks = locks
        self._held = ExitStack()

    def __enter__(self) -> None:
        with ExitStack() as stack:
            for lock in self._locks:
                stack.enter_context(lock)
            self._held = stack.pop_all()

    def __exit__(self, *_: object) -> None:
        self._held.close()


def _folder_of_user(environ: Mapping[str, str]) -> Path:
    """Return where all runs of a user find each other, wherever their state is."""
    base = environ.get("XDG_STATE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state") / "btk"
