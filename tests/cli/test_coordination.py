"""What `btk backtest` says of an account, of refused signals, of partial levels, and of a run that is stopped."""

import json
from pathlib import Path

import pytest

from tests.cli.program import RUN, TINY, Ended, a_strategy, called

TWO_WEEKS = (
    *("backtest", "--set", "frame.to=2025-05-14", "--set", "partial_basis=progress"),
    *("--config", str(Path(__file__).parents[2] / "configs" / "portfolio.yaml")),
)
STOPPED = (*TWO_WEEKS, "--set", "portfolio.max_drawdown_pct=4")


def lines_of(text: str, begin: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(begin)]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Return a run that its portfolio ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("stopped"))
        return called(*STOPPED)


def test_a_portfolio_stop_is_told_with_its_numbers_and_ends_with_6(stopped: Ended) -> None:
    assert stopped.code == 6
    (error,) = stopped.errors
    assert error == (
        "error: the portfolio stopped the run: max_drawdown at 2025-05-13 22:55, equity 962.05, limit 962.16;"
        " positions were closed and entries blocked for good"
    )


def test_the_account_and_refusals_by_rule_are_below_the_table(stopped: Ended) -> None:
    (account,) = lines_of(stopped.out, "account: ")
    assert account == "account: 1,000.00 to 962.05 (-3.79 %), max drawdown 4.01 % by the minute, reserve 100.00"
    (refused,) = lines_of(stopped.out, "refused: ")
    assert refused == (
        "refused: 59 by careful.max_open, 3 by careful.min_win_rate, 1 by careful.max_open_per_group_side"
    )


def test_refused_signals_are_noted_with_the_first_and_its_reason(stopped: Ended) -> None:
    (note,) = lines_of(stopped.err, "note: 63 refused signals; ")
    reason = "careful.max_open: at most 3 may be open, found 3"
    assert note.endswith(f"; the first, BTCUSDT at 2025-05-01 01:15: {reason}")


def test_the_reports_of_partials_and_risk_are_named_among_the_files(stopped: Ended) -> None:
    files = [line.removeprefix("wrote ") for line in lines_of(stopped.err, "wrote ")]
    assert {"dump/backtest/sma_cross.md", "dump/partial/sma_cross.md", "dump/risk/sma_cross.md"} < set(files)


@pytest.mark.usefixtures("folder")
def test_json_has_account_refusals_and_partials() -> None:
    ended = called(*STOPPED, "--json")
    document = json.loads(ended.out)
    assert ended.code == document["exit_code"] == 6
    account = document["account"]
    assert (account["balance"], account["reserve"]) == (1000, 100)
    assert account["equity"] == pytest.approx(1000 + document["total"]["net_quote"])
    assert (account["stopped"]["rule"], account["stopped"]["until"]) == ("max_drawdown", None)
    assert account["stops"] == [account["stopped"]]
    assert document["refusals"]["total"] == sum(rule["total"] for rule in document["refusals"]["rules"]) == 63
    assert document["refusals"]["rules"][0] == {
        "profile": "careful",
        "rule": "max_open",
        "appears": 59,
        "opens": 0,
        "total": 59,
    }
    assert document["partials"]["total_events"] == 755
    assert sum(document["partials"]["loss_levels"].values()) == document["partials"]["loss_events"] == 478
    assert document["errors"][0].startswith("the portfolio stopped the run: max_drawdown")


@pytest.mark.usefixtures("folder")
def test_a_stop_for_a_day_is_a_note_and_no_failure() -> None:
    ended = called(*TWO_WEEKS, "--set", "portfolio.max_daily_loss_pct=1")
    assert (ended.code, ended.errors) == (0, [])
    (note,) = (line for line in lines_of(ended.err, "note: ") if "of the portfolio for a day" in line)
    stop = "max_daily_loss at 2025-05-08 23:53, equity 981.73, limit 981.74"
    assert note.endswith(f"; the first: {stop}; entries were blocked until 2025-05-09 00:00")


@pytest.mark.usefixtures("folder")
def test_bounds_tell_the_account_of_each_fill_model() -> None:
    ended = called(*STOPPED, "--bounds")
    assert ended.code == 6
    assert [
        line.partition(" ")[0] for line in lines_of(ended.out, "vwap: acc") + lines_of(ended.out, "candle: acc")
    ] == [
        "vwap:",
        "candle:",
    ]
    assert [line.split()[1] for line in ended.errors] == ["vwap:", "candle:"]


@pytest.mark.usefixtures("folder")
def test_a_run_that_shares_nothing_says_nothing_of_it() -> None:
    ended = called(*RUN)
    assert not lines_of(ended.out, "account") + lines_of(ended.out, "refused")
    document = json.loads(called(*RUN, "--json").out)
    assert document["account"] is None
    assert document["refusals"] == {"total": 0, "rules": [], "invalid_signals": 0, "problems": []}
    assert document["partials"]["total_events"] == 0


def test_a_veto_of_the_author_is_counted_in_json_and_in_the_report(folder: Path) -> None:
    veto = "def no_evenings(signal, price):\n    return 'too late' if now().hour > 18 else None\n\nadd_strategy("
    text = TINY.replace("\nadd_strategy(", f"\n{veto}").replace(", note=", ", validate=no_evenings, note=")
    a_strategy(folder, text.replace("import Signal", "import Signal, now"))
    document = json.loads(called(*RUN, "--json").out)
    (problem,) = document["refusals"]["problems"]
    assert problem["problem"] == "no_evenings: too late"
    assert problem["signals"] == document["refusals"]["invalid_signals"] > 0
    report = Path(document["paths"][0]).read_text()
    assert f"| no_evenings: too late | {problem['signals']:>7} |" in report


def test_help_lists_the_exit_code_of_a_portfolio_stop() -> None:
    text = " ".join(called("backtest", "--help").out.split())
    assert "6 a portfolio rule stopped the run" in text
