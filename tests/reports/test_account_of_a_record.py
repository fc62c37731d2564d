"""The account of a saved run: what it begins with, its daily equity, and its figures over all symbols."""

from pathlib import Path

import pytest

from backtestkit_cli.analytics.account_figures import AccountFigures, account_figures
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.reports.account import balance, daily_curve
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_folder import write_run
from backtestkit_cli.reports.saved.run_reading import load_run
from tests.builders import START_MS, a_record, a_session, a_trade, trades_of
from tests.coordinated_run import coordinated_record

FREE = Costs(0.0, 0.0)
WITHOUT_COSTS = Settings(fee_pct=0.0, slippage_pct=0.0)
DAYS = 14


def account_of(record: RunRecord, strategy: str | None = None) -> AccountFigures:
    return account_figures(daily_curve(record, strategy))


def held(symbol: str, from_hour: int, to_hour: int, price_close: float, strategy: str = "sma_cross") -> Trade:
    """Return a trade of 100 quote money, bought at 100, without costs."""
    opened_at_ms, minutes = START_MS + from_hour * HOUR_MS, (to_hour - from_hour) * 60
    return a_trade(
        symbol=symbol,
        strategy=strategy,
        opened_at_ms=opened_at_ms,
        minutes=minutes,
        price_close=price_close,
        costs=FREE,
    )


def overlapping() -> RunRecord:
    """Return 14 days in which ETH loses 5 on the first day while BTC stands at 0, and BTC wins 10 on the second."""
    btc = a_session(held("BTCUSDT", 0, 36, 110.0), symbol="BTCUSDT", days=DAYS)
    eth = a_session(held("ETHUSDT", 12, 24, 95.0), symbol="ETHUSDT", days=DAYS)
    return a_record(btc, eth, end_ms=START_MS + DAYS * DAY_MS, settings={"sma_cross": WITHOUT_COSTS})


def test_figures_over_two_symbols_with_overlapping_trades_are_those_computed_by_hand() -> None:
    """A161: 200 -> 195 -> 205 and twelve days without trades; both positions together needed 200."""
    record = overlapping()
    assert daily_curve(record).values.tolist() == pytest.approx([200, 195, *[205] * 13])
    figures = account_of(record)
    assert figures.days == DAYS
    assert figures.return_pct == pytest.approx(2.5)
    assert figures.net_quote == pytest.approx(5)
    assert figures.max_drawdown_pct == pytest.approx(2.5)
    assert figures.recovery_factor == pytest.approx(1.0)
    assert figures.sharpe_daily_annualized == pytest.approx(2.284025, abs=1e-6)
    assert figures.sortino_annualized == pytest.approx(5.367866, abs=1e-6)
    assert figures.cagr_pct == pytest.approx(90.3647, abs=1e-4)
    assert figures.calmar == pytest.approx(36.1459, abs=1e-4)


def test_an_account_without_a_portfolio_begins_with_what_its_entries_needed() -> None:
    one_after_the_other = a_session(*trades_of(-10.0, 5.0))
    record = a_record(one_after_the_other, settings={"sma_cross": WITHOUT_COSTS})
    assert balance(record) == pytest.approx(110)
    assert balance(overlapping()) == pytest.approx(200)
    assert balance(overlapping().only(["ETHUSDT"])) == pytest.approx(100)


def test_an_account_with_a_portfolio_is_the_run_s_own() -> None:
    record = coordinated_record()
    portfolio = record.facts.coordination["portfolio"]
    assert balance(record) == portfolio["balance"]
    assert record.account is not None
    assert daily_curve(record).equity_quote[-1] == pytest.approx(record.account["equity"])
    assert account_of(record).return_pct == pytest.approx(record.account["return_pct"])
    part = daily_curve(record.only(record.facts.symbols[:1]))
    assert part.balance_quote == portfolio["balance"]
    assert part.equity_quote[-1] != pytest.approx(record.account["equity"])


def test_strategies_have_their_own_figures() -> None:
    won = a_session(held("BTCUSDT", 0, 36, 110.0, "a"), strategy="a")
    lost = a_session(held("BTCUSDT", 0, 12, 95.0, "b"), strategy="b")
    record = a_record(won, lost, settings={"a": WITHOUT_COSTS, "b": WITHOUT_COSTS})
    assert [account_of(record, name).net_quote for name in ("a", "b", None)] == [
        pytest.approx(net) for net in (10, -5, 5)
    ]
    assert [balance(record, name) for name in ("a", "b", None)] == [pytest.approx(money) for money in (100, 100, 200)]


def test_a_run_without_trades_has_days_and_no_ratios() -> None:
    figures = account_of(a_record(a_session()))
    assert (figures.days, figures.net_quote, figures.return_pct, figures.sharpe_daily_annualized) == (2, 0, None, None)
    assert account_of(a_record()) == AccountFigures()


def test_a_saved_run_has_the_account_of_the_run_itself(tmp_path: Path) -> None:
    record = coordinated_record()
    assert account_of(load_run(write_run(record, tmp_path))) == account_of(record)
