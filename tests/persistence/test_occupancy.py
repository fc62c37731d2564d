"""Who trades by what is in several places at once."""

import time
from pathlib import Path

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind, StoreOptions
from backtestkit_cli.persistence.account_lock import AccountLock
from backtestkit_cli.persistence.occupancy import holders_in
from backtestkit_cli.persistence.places import Places
from backtestkit_cli.persistence.tenants import this_process


async def test_a_process_that_holds_a_folder_and_a_server_is_told_once(tmp_path: Path) -> None:
    server = PlaceOptions(kind=StoreKind.CUSTOM, factory="tests.persistence.test_custom_places:Named", url="mine://x")
    places = Places(StoreOptions(place=PlaceOptions(folder=str(tmp_path)), kinds={"run": server}), {})
    ((_, shelf),) = places.servers
    now_ms = time.time_ns() // 1_000_000
    with AccountLock(tmp_path, "paper", "demo", "simulated"):
        await shelf.take(("paper", "demo"), this_process("simulated", now_ms - 60_000), 60)
        (holder,) = await holders_in(places)
        assert holder.since_ms == now_ms - 60_000
        await shelf.take(("live", "demo"), this_process("simulated", now_ms), 60)
        assert [one.mode for one in await holders_in(places)] == ["live", "paper"]
