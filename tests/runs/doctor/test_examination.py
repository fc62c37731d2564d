import asyncio
import os
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backtestkit_cli.config.loader import LoadedConfig, load_config
from backtestkit_cli.errors import ConfigError, VenueError
from backtestkit_cli.exchange import clients
from backtestkit_cli.exchange.broker.permissions import Permissions
from backtestkit_cli.persistence.account_lock import AccountLock
from backtestkit_cli.runs.doctor.examination import Premises, examine
from backtestkit_cli.runs.doctor.findings import Finding, Level, exit_code, failed, fine
from backtestkit_cli.runs.doctor.venue import KeyHolder
from backtestkit_cli.runs.doctor.waiting import bounded, in_thread
from tests.data.candle_files import a_market
from tests.servers.redis import RedisServer
from tests.venue.driver import venue as exchange_of
from tests.venue.keys import READER_KEY, READER_SECRET
from tests.venue.market import VenueMarket, real_now_ms
from tests.venue.server import Venue
from tests.venue.symbols import facts_of
from tests.venue.tapes import held

KEYS = {"VENUE_API_KEY": "the-key-itself", "VENUE_API_SECRET": "the-secret-itself"}
CANDLES = a_market(5)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(clients, "_VENUES", {})
    monkeypatch.setattr(clients, "_CLIENTS", {})
    return tmp_path


def loaded(*sets: str) -> LoadedConfig:
    return load_config(None, flags={}, sets=sets, environ={}, dotenv=None, required=())


def at_venue(url: str, *sets: str) -> LoadedConfig:
    described = ("kind=ccxt", "name=venue", "id=binance", f"url={url}")
    return loaded(*(f"exchange.{one}" for one in described), "symbols=BTCUSDT", *sets)


def a_venue(*, ahead_ms: int = 0) -> Venue:
    return Venue(VenueMarket(held({"BTCUSDT": CANDLES}), now_ms=lambda: real_now_ms() + ahead_ms))


async def found(config: LoadedConfig, **premises: Any) -> dict[str, list[Finding]]:
    by_check: dict[str, list[Finding]] = {}
    for finding in await examine(Premises(**{"load": lambda: config, "environ": {}, **premises})):
        by_check.setdefault(finding.check, []).append(finding)
    return by_check


def levels(by_check: Mapping[str, Sequence[Finding]]) -> dict[str, set[str]]:
    return {check: {one.level.value for one in several} for check, several in by_check.items()}


async def test_the_demo_market_needs_no_network_and_all_is_well(here: Path) -> None:
    told = await found(loaded())
    assert set(levels(told)) == {
        "packages", "config", "data folder", "out folder", "state folder", "cache", "store", "venue", "alerts",
    }  # fmt: skip
    assert all(level == {"ok"} for level in levels(told).values())
    assert platform.python_version() in told["packages"][0].text
    assert "ms to write a record" in told["data folder"][0].text
    assert list(here.iterdir()) == []  # nothing is made


async def test_every_mistake_in_a_config_is_a_finding_with_its_place(here: Path) -> None:
    (here / "run.yaml").write_text("symbol: BTC\nworkers: -1\n")

    def load() -> LoadedConfig:
        return load_config(Path("run.yaml"), flags={}, sets=(), environ={}, dotenv=None, required=())

    findings = await examine(Premises(load=load))
    assert [one.text.partition(" ")[0] for one in findings if one.check == "config"] == ["run.yaml:1:", "run.yaml:2:"]
    assert exit_code(findings) == 2


async def test_a_strategy_file_that_does_not_load_is_named_and_the_rest_is_examined(here: Path) -> None:
    (here / "broken.py").write_text("import nowhere_to_be_found\n")
    told = await found(loaded("entry=broken.py"))
    (entry,) = told["entry"]
    assert (entry.level, entry.exit_code) == (Level.FAILED, 2)
    assert "broken.py" in entry.text
    assert levels(told)["store"] == {"ok"}


async def test_a_strategy_file_that_never_ends_is_given_up(here: Path) -> None:
    (here / "endless.py").write_text("import time\nwhile True: time.sleep(0.01)\n")
    told = await found(loaded("entry=endless.py"), seconds=0.1)
    assert told["entry"][0].text == "no answer within 0.1 s"


async def test_a_folder_that_cannot_be_written_fails_with_the_code_of_what_is_kept_there(here: Path) -> None:
    (here / "file").write_text("in the way")
    told = await found(loaded("data=file/data", "out=file/out", "store.folder=file/state"))
    assert [told[f"{name} folder"][0].exit_code for name in ("data", "out", "state")] == [1, 1, 3]
    assert told["out folder"][0].text == "file/out: cannot be written: Not a directory"


async def test_a_disk_that_is_nearly_full_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert levels(await found(loaded()))["data folder"] == {"warning"}


async def test_a_venue_that_answers_is_timed_and_its_clock_and_symbols_are_looked_at(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with a_venue() as venue:
        told = await found(at_venue(venue.url), environ=KEYS, broker=lambda *_: Desk(Permissions(True, False)))
    assert [told[check][0].level.value for check in ("venue", "clock", "symbols", "keys")] == ["ok"] * 4
    assert told["symbols"][0].text == "venue trades BTCUSDT"
    assert told["keys"][0].text == "VENUE_API_KEY and VENUE_API_SECRET are set"
    assert not [word for word in KEYS.values() if word in f"{told}{caplog.text}"]


@pytest.mark.parametrize(("ahead_ms", "limit", "code"), [(3_600_000, 1.0, 5), (-5_000, 1.0, 5), (-5_000, 30.0, 0)])
async def test_a_clock_too_far_from_that_of_the_venue_fails_and_both_times_are_named(
    ahead_ms: int, limit: float, code: int
) -> None:
    async with a_venue(ahead_ms=ahead_ms) as venue:
        (clock,) = (await found(at_venue(venue.url, f"trading.max_clock_skew_seconds={limit}")))["clock"]
    assert clock.exit_code == code
    assert ("it is " in clock.text and " here (UTC)" in clock.text) == bool(code)


async def test_symbols_that_are_unknown_or_not_traded_are_named() -> None:
    halted = replace(facts_of("ETHUSDT", CANDLES), status="BREAK")
    candles = {"BTCUSDT": CANDLES, "ETHUSDT": CANDLES}
    async with Venue(VenueMarket(held(candles), now_ms=real_now_ms, facts={"ETHUSDT": halted})) as venue:
        told = await found(at_venue(venue.url, "symbols=NOPE,BTCUSDT,ETHUSDT"))
    assert [(one.exit_code, one.text) for one in told["symbols"]] == [
        (2, "venue: no symbol 'NOPE'; known: BTCUSDT, ETHUSDT"),
        (5, "venue: ETHUSDT (ETH/USDT) is not traded now"),
    ]


async def test_a_venue_out_of_reach_fails_within_its_time_and_the_rest_is_examined() -> None:
    told = await found(at_venue("http://127.0.0.1:9"))
    assert told["venue"][0].exit_code == 5
    assert levels(told)["store"] == {"ok"}


async def test_offline_asks_nobody() -> None:
    told = await found(at_venue("http://127.0.0.1:9", "offline=true"))
    assert told["venue"] == [fine("venue", "venue: offline: not asked")]


async def test_half_a_key_is_a_warning_and_none_is_not() -> None:
    async with a_venue() as venue:
        half = await found(at_venue(venue.url), environ={"VENUE_API_KEY": "x"})
        none = await found(at_venue(venue.url))
    assert (half["keys"][0].level, half["keys"][0].text) == (
        Level.WARNING,
        "VENUE_API_KEY is set, VENUE_API_SECRET is not",
    )
    assert none["keys"][0].level is Level.OK


class Desk:
    """What asks about keys, as a broker does."""

    def __init__(self, answer: Permissions | VenueError) -> None:
        self.answer = answer
        self.is_connected = True

    async def permissions(self) -> Permissions:
        if isinstance(self.answer, VenueError):
            raise self.answer
        return self.answer

    async def disconnect(self) -> None:
        self.is_connected = False


@pytest.mark.parametrize(
    ("answer", "level", "code"),
    [
        (Permissions(True, False), "ok", 0),
        (Permissions(None, None), "ok", 0),
        (Permissions(True, True), "warning", 0),
        (Permissions(False, False), "failed", 5),
        (VenueError("venue: the venue refused the credentials"), "failed", 5),
    ],
)
async def test_it_is_told_what_the_keys_may_do(answer: Permissions | VenueError, level: str, code: int) -> None:
    desk = Desk(answer)
    async with a_venue() as venue:
        (told,) = (await found(at_venue(venue.url), environ=KEYS, broker=lambda *_: desk))["permissions"]
    assert (told.level.value, told.exit_code, desk.is_connected) == (level, code, False)


async def test_keys_of_a_real_exchange_that_only_read_fail() -> None:
    environ = {"VENUE_API_KEY": READER_KEY, "VENUE_API_SECRET": READER_SECRET}
    async with exchange_of({"BTCUSDT": CANDLES}) as there:
        told = await found(at_venue(there.url), environ=environ)
    assert told["permissions"][0].text == "venue: the keys may not trade"


async def test_a_market_that_cannot_be_traded_is_a_warning_only() -> None:
    def refuses(*_: object) -> KeyHolder:
        raise ConfigError("venue: live trades the spot market only, found market swap")

    async with a_venue() as venue:
        told = await found(at_venue(venue.url), environ=KEYS, broker=refuses)
        swaps = await found(at_venue(venue.url, "exchange.market=swap", "symbols=A"), environ=KEYS)
    assert levels(told)["permissions"] == levels(swaps)["permissions"] == {"warning"}


async def test_saved_state_is_counted_and_what_is_damaged_or_newer_fails(here: Path) -> None:
    folder = here / "state"
    folder.mkdir()
    (folder / "a.json").write_text('{"version": 1, "record": {}}')
    config = loaded("store.folder=state")
    with AccountLock(folder, "live", "binance", "x"):
        told = await found(config)
    assert told["store"][0].text == "state: 1 record, version 1"
    who = f"pid {os.getpid()} on {platform.node()}"
    assert told["lock"][0].text.startswith(f"live on binance, account x: in use by {who} since ")
    (folder / "a.json.corrupt-1").write_text("")
    assert levels(await found(config))["store"] == {"warning"}
    (folder / "b.json").write_text("{")
    assert (await found(config))["store"][0].exit_code == 3
    (folder / "c.json").write_text('{"version": 9}')
    assert "a newer btk wrote it" in (await found(config))["store"][0].text


async def test_places_that_are_told_must_be_complete_and_are_reached_only_when_asked_for() -> None:
    config = loaded("alerts.webhook.url_env=HOOK", "alerts.telegram.url=http://127.0.0.1:9")
    async with Venue(VenueMarket({})) as server:
        environ = {"HOOK": f"{server.url}/secret-path", "BTK_TELEGRAM_TOKEN": "t" * 9, "BTK_TELEGRAM_CHAT": "1"}
        (missing,) = (await found(config, environ={**environ, "HOOK": ""}))["alerts"]
        (dry,) = (await found(config, environ=environ))["alerts"]
        wet = (await found(config, environ=environ, reaches_alerts=True))["alerts"]
        assert server.requests == []  # no message was sent
    assert missing.exit_code == 2
    assert "HOOK" in missing.text
    assert dry.level is Level.OK
    assert [one.level.value for one in wet] == ["ok", "failed"]
    assert "secret-path" not in str([missing, dry, *wet])


async def test_a_channel_of_redis_is_reached_like_the_others(redis_server: RedisServer) -> None:
    (told,) = (await found(loaded(f"alerts.redis.url={redis_server.url}"), reaches_alerts=True))["alerts"]
    assert told.level is Level.OK
    assert told.text.startswith("redis: 127.0.0.1 answers in ")


def test_the_first_check_that_failed_decides_the_exit_code() -> None:
    assert exit_code([fine("a", ""), failed("b", "", "", 5), failed("c", "", "", 2)]) == 5
    assert exit_code([fine("a", "")]) == 0


async def test_checks_run_side_by_side_and_what_hangs_holds_up_nobody() -> None:
    started = time.perf_counter()

    def hangs() -> list[Finding]:
        time.sleep(5)
        return []

    slow = [bounded(name, in_thread(hangs), 0.2, 3) for name in "abc"]
    told = await asyncio.gather(*slow)
    assert [one[0].exit_code for one in told] == [3, 3, 3]
    assert time.perf_counter() - started < 2
