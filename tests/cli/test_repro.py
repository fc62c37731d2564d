"""`btk repro`: a saved run once more; equal trades are proved, and an input that changed is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import DAY, RUN, TINY, a_strategy, called, started
from tests.data.candle_files import a_market, changed, without, write_parquet

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.stem for path in (ROOT / "strategies").glob("*.py"))
SYMBOLS_OF = {"btc_eth_ratio": "BTCUSDT,ETHUSDT"}
MORE_OF = {"ab_variants": ("--strategy", "breakout_near,breakout_far")}
THREE_DAYS = ("--from", "2025-03-10", "--to", "2025-03-13")
WITH_HELPER = TINY.replace("\ndef", "from levels import FAR\n\ndef").replace("price * 1.01", "price * FAR")
LARGE = """
from backtestkit_cli import Signal, add_strategy

def get_signal(symbol, when, price):
    return Signal(position="long", take_profit=price * 1.1, stop_loss=price * 0.9, minutes=30)

add_strategy("tiny", interval="1h", get_signal=get_signal)
"""
CONFIG = """
entry: tiny.py
symbols: [BTCUSDT]
exchange: {kind: demo, seed: 7}
frame: {from: 2025-05-04, to: 2025-05-05}
settings:
  fee_pct: 0.1
"""
PARQUET = ("-e", "tiny.py", "-s", "AAA,BBB", "--from", "2025-01-01T01:00", "--to", "2025-01-01T12:00")


def repeated(run: str = "latest", *more: str) -> dict[str, Any]:
    """Return what `btk repro --json` says, with its exit code checked to be that of the process."""
    ended = called("repro", run, "--json", "-q", *more)
    found: dict[str, Any] = json.loads(ended.out)
    assert found["exit_code"] == ended.code
    assert len(ended.errors) == len(found["errors"])
    return found


def changes(found: dict[str, Any]) -> dict[str, str]:
    """Return what became of each input that changed."""
    return {f"{one['kind']} {one['name']}": one["change"] for one in found["inputs"] if one["change"] is not None}


def saved(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted((folder / "dump").rglob("*")) if path.is_file()}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_run_of_each_example_is_proved(folder: Path, example: str) -> None:
    entry = str(ROOT / "strategies" / f"{example}.py")
    symbols = SYMBOLS_OF.get(example, "BTCUSDT,XRPUSDT")
    more = MORE_OF.get(example, ())
    assert called("backtest", "-q", "-e", entry, "-s", symbols, "--exchange", "demo", *THREE_DAYS, *more).code == 0
    found = repeated()
    assert (found["equal"], found["exit_code"], changes(found)) == (True, 0, {})
    assert found["trades"]["saved"] == found["trades"]["now"] >= 1
    assert {one["kind"] for one in found["inputs"]} == {"strategy file", "version", "candles"}


def test_the_verdict_is_the_last_line_below_a_table_of_the_inputs_and_nothing_is_written(folder: Path) -> None:
    assert called(*RUN, "-q").code == 0
    before = saved(folder)
    ended = called("repro", "latest", "-q")
    assert (ended.code, ended.err) == (0, "")
    rows = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert rows[0] == "Input Name Since then"
    assert rows[2:] == [
        "strategy file tiny.py unchanged",
        "version btk, numpy, polars, python unchanged",
        "candles BTCUSDT unchanged",
        "18 of 18 trades equal",
    ]
    assert saved(folder) == before


def test_a_run_is_named_by_its_id_the_beginning_of_it_or_its_folder(folder: Path) -> None:
    assert called(*RUN, "-q", "--out", "elsewhere").code == 0
    (run,) = (folder / "elsewhere" / "runs").iterdir()
    for name, more in ((run.name, ("--out", "elsewhere")), ("tiny", ("-o", "elsewhere")), (str(run), ())):
        assert repeated(name, *more)["run_id"] == run.name
    assert called("repro", "tiny").code == 2


def test_a_changed_strategy_file_is_named_with_the_first_trade_that_differs(folder: Path) -> None:
    assert called(*RUN, "-q").code == 0
    a_strategy(folder, TINY.replace("0.99", "0.9875"))
    found = repeated()
    assert (found["equal"], found["exit_code"]) == (False, 1)
    assert changes(found).keys() == {"strategy file tiny.py"}
    assert (found["difference"]["trade"], found["difference"]["column"]) == (1, "stop_loss")
    assert found["difference"]["saved"] > found["difference"]["now"]
    ended = called("repro", "latest", "-q")
    assert ended.out.splitlines()[-1].startswith("trades differ: trade 1 (tiny on BTCUSDT, opened 2025-05-04 ")
    assert ended.out.splitlines()[-1].endswith("; 18 trades saved, 16 now")


def test_a_changed_file_that_changes_no_trade_is_named_and_the_trades_are_equal_all_the_same(folder: Path) -> None:
    assert called(*RUN, "-q").code == 0
    a_strategy(folder, f"{TINY}\n# a comment\n")
    ended = called("repro", "latest", "-q")
    assert ended.code == 0
    assert ended.out.splitlines()[-1] == "18 of 18 trades equal, although 1 input changed"
    assert "strategy file  tiny.py" in ended.out


def test_a_changed_helper_module_is_named(folder: Path) -> None:
    a_strategy(folder, WITH_HELPER)
    a_strategy(folder, "FAR = 1.01\n", "levels.py")
    assert called(*RUN, "-q").code == 0
    assert repeated()["equal"]
    a_strategy(folder, "FAR = 1.0125  # farther\n", "levels.py")
    found = repeated()
    assert found["exit_code"] == 1
    assert changes(found).keys() == {"strategy file levels.py"}
    assert found["difference"]["column"] == "take_profit"


def test_another_helper_module_makes_another_run(folder: Path) -> None:
    a_strategy(folder, WITH_HELPER.replace("levels", "other_levels"))
    for far in ("1.01", "1.0125"):
        a_strategy(folder, f"FAR = {far}\n", "other_levels.py")
        assert called(*RUN, "-q").code == 0
    assert len(list((folder / "dump" / "runs").iterdir())) == 2


def test_a_strategy_file_that_is_gone_is_named(folder: Path) -> None:
    assert called(*RUN, "-q").code == 0
    (folder / "tiny.py").unlink()
    found = repeated()
    assert (found["exit_code"], found["trades"]["now"]) == (2, None)
    assert changes(found) == {"strategy file tiny.py": "was there, is not now"}
    assert ": tiny.py: expected a strategy file, found nothing" in found["errors"][0]
    assert called("repro", "latest", "-q").out.splitlines()[-1].endswith(" cannot be repeated")


def test_a_changed_config_value_is_named_and_the_run_keeps_its_own(folder: Path) -> None:
    (folder / "run.yaml").write_text(CONFIG)
    assert called("backtest", "-c", "run.yaml", "-q", "--set", "slippage_pct=0.2").code == 0
    assert repeated()["equal"]
    text = CONFIG.replace("fee_pct: 0.1", "fee_pct: 0.25\n  slippage_pct: 0.5").replace("seed: 7", "seed: 8")
    (folder / "run.yaml").write_text(text)
    found = repeated()
    assert found["equal"]
    assert changes(found) == {
        "config exchange.seed": "7 then, 8 now",
        "config settings.fee_pct": "0.1 then, 0.25 now",
    }
    (folder / "run.yaml").unlink()
    found = repeated()
    assert found["equal"]
    assert changes(found) == {"config run.yaml": "run.yaml: expected a config file, found none"}


def test_variables_of_today_say_nothing_about_a_run_of_then(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC_FEE_PCT", "0.2")
    assert called(*RUN, "-q").code == 0
    monkeypatch.setenv("CC_FEE_PCT", "0.3")
    found = repeated()
    assert (found["equal"], changes(found)) == (True, {})


def candle_files(folder: Path) -> None:
    a_strategy(folder, LARGE)
    (folder / "run.yaml").write_text("exchange: {kind: parquet, path: candles}\n")
    for seed, symbol in enumerate(("AAA", "BBB")):
        write_parquet(folder / "candles" / symbol / "1m.parquet", a_market(1440, seed=seed))
    assert called("backtest", "-c", "run.yaml", *PARQUET, "-q").code == 0


def test_a_changed_candle_is_named_with_its_minute(folder: Path) -> None:
    candle_files(folder)
    assert repeated()["equal"]
    market = a_market(1440, seed=1)
    other = changed(market, 299, close=market.close[299] * 1.0001)
    write_parquet(folder / "candles" / "BBB" / "1m.parquet", other)
    found = repeated()
    assert found["exit_code"] == 1
    assert changes(found).keys() == {"candles BBB"}
    assert changes(found)["candles BBB"].endswith("; the first to differ is that of 2025-01-01 04:59")
    assert "BBB" in found["difference"]["of"]


def test_a_candle_that_is_gone_is_named_with_the_counts(folder: Path) -> None:
    candle_files(folder)
    write_parquet(folder / "candles" / "BBB" / "1m.parquet", without(a_market(1440, seed=1), 300))
    (folder / "run.yaml").write_text("exchange: {kind: parquet, path: candles}\n")
    assert changes(repeated()).keys() == {"candles BBB"}


def test_candles_that_cannot_be_had_are_named(folder: Path) -> None:
    candle_files(folder)
    (folder / "candles" / "BBB" / "1m.parquet").unlink()
    found = repeated()
    assert found["exit_code"] == 3
    assert changes(found).keys() == {"candles BBB"}
    assert len(found["errors"]) == 1
    assert "BBB" in found["errors"][0]


def test_candles_that_were_missing_then_as_they_are_now_change_nothing(folder: Path) -> None:
    candle_files(folder)
    assert called("backtest", "-c", "run.yaml", *PARQUET, "-q", "-s", "CCC").code == 4
    found = repeated()
    assert (found["equal"], found["exit_code"], changes(found)) == (True, 0, {})


def test_candles_that_a_strategy_reads_beside_its_symbols_are_compared(folder: Path) -> None:
    reading = '    from backtestkit_cli import get_candles\n    get_candles("BBB", "1m", 3)\n    return'
    beside = LARGE.replace("    return", reading)
    candle_files(folder)
    a_strategy(folder, beside)
    span = PARQUET[4:]
    assert called("backtest", "-c", "run.yaml", "-e", "tiny.py", "-s", "AAA", *span, "-q").code == 0
    assert repeated()["equal"]
    market = a_market(1440, seed=1)
    write_parquet(folder / "candles" / "BBB" / "1m.parquet", changed(market, 300, close=market.close[300] * 1.0001))
    found = repeated()
    assert (found["equal"], list(changes(found))) == (True, ["candles BBB"])


def test_each_run_of_bounds_is_repeated_with_its_own_fill_model(folder: Path) -> None:
    assert called(*RUN, "-q", "--bounds").code == 0
    runs = sorted((folder / "dump" / "runs").iterdir())
    told = [json.loads((run / "manifest.json").read_text()) for run in runs]
    models = [one["settings"]["tiny"]["fill_model"] for one in told]
    assert sorted(models) == ["candle", "vwap"]
    assert [one["config"]["settings"]["fill_model"] for one in told] == models
    assert all(repeated(run.name)["equal"] for run in runs)


def test_a_run_of_several_processes_is_proved_in_several(folder: Path) -> None:
    frame = ("--from", "2025-05-04", "--to", "2025-05-05")
    assert called("backtest", "-e", "tiny.py", "-s", "AAA,BBB", *frame, "--workers", "2", "-q").code == 0
    found = repeated()
    assert (found["equal"], found["trades"]["now"]) == (True, 34)


def test_a_process_with_other_hashes_of_texts_trades_the_same(folder: Path) -> None:
    """D9."""
    assert called(*RUN, "-q").code == 0
    ended = started("repro", "latest", "-q", folder=folder, PYTHONHASHSEED="2")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1] == "18 of 18 trades equal"


def test_another_version_is_named(folder: Path) -> None:
    assert called(*RUN, "-q").code == 0
    (run,) = (folder / "dump" / "runs").iterdir()
    told = json.loads((run / "manifest.json").read_text())
    told["versions"]["numpy"] = "1.0.0"
    (run / "manifest.json").write_text(json.dumps(told))
    found = repeated()
    assert found["equal"]
    assert changes(found)["version numpy"].startswith("1.0.0 then, ")


def test_a_password_in_the_address_of_candles_is_not_written_and_has_to_be_there_again(folder: Path) -> None:
    config = CONFIG.replace("exchange: {kind: demo, seed: 7}", 'exchange: {kind: sql, url: "URL", table: candles}')
    (folder / "run.yaml").write_text(config.replace("URL", "postgresql://me:pa55@127.0.0.1:1/x"))
    called("backtest", "-c", "run.yaml", "-q", *DAY)
    (run,) = (folder / "dump" / "runs").iterdir()
    assert b"pa55" not in (run / "manifest.json").read_bytes()
    assert repeated()["equal"], "the file still has it"
    (folder / "run.yaml").unlink()
    ended = called("repro", "latest", "-q")
    assert ended.code == 2
    assert ended.errors == [
        f"error: run {run.name}: config.exchange.url: expected a password, found it hidden; write it as ${{NAME}}"
    ]


def test_a_strategy_that_asks_more_than_it_is_given_is_found_out(folder: Path) -> None:
    text = "import os\n" + TINY.replace("price * 0.99", 'price * float(os.environ["FAR"])')
    a_strategy(folder, text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAR", "0.99")
        assert called(*RUN, "-q").code == 0
        patch.setenv("FAR", "0.98")
        ended = called("repro", "latest", "-q")
        assert ended.code == 1
        assert ended.out.splitlines()[-1].endswith(
            "; no input changed that is known: does the strategy ask the clock, chance, the network or a file?"
        )
    found = repeated()
    assert (found["exit_code"], found["trades"]["now"]) == (1, 0)
    assert "KeyError" in found["errors"][0]


@pytest.mark.parametrize(
    ("changed_keys", "said"),
    [
        ({"mode": "paper"}, "cannot be repeated: expected a backtest, found mode paper"),
        ({"config": None}, "cannot be repeated: its manifest does not hold a whole config"),
        ({"config_settings_given": ["fee"]}, "cannot be repeated: its manifest does not hold a whole config"),
        ({"config": {"symbol": "A"}}, "unknown key 'symbol'; did you mean 'symbols'?"),
    ],
)
def test_a_manifest_that_does_not_say_enough_is_one_line(folder: Path, changed_keys: Any, said: str) -> None:
    assert called(*RUN, "-q").code == 0
    (run,) = (folder / "dump" / "runs").iterdir()
    told = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(told | changed_keys))
    ended = called("repro", "latest", "-q")
    assert (ended.code, ended.out) == (2, "")
    assert ended.errors == [f"error: run {run.name}: {said}"]
