"""Where percentages are a gain and money a loss, someone who reads one of them alone believes the wrong thing."""

import pytest

from backtestkit_cli.cli.results import notes
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.reports.html.cautions import cautions
from backtestkit_cli.reports.markdown.kinds import report
from tests.builders import a_record, a_session, a_trade

WON = a_trade(price_close=110.0)
LOST = a_trade(price_close=95.0, cost=1_000.0)


@pytest.mark.parametrize(
    ("trades", "is_said"), [((WON, LOST), True), ((WON,), False), ((LOST,), False), ((), False)], ids=str
)
def test_percent_that_gains_and_money_that_loses_are_said_wherever_they_are_shown(
    trades: tuple[Trade, ...], *, is_said: bool
) -> None:
    record = a_record(a_session(*trades))
    opposed = "in percent each trade counts the same"
    assert (opposed in (report.backtest.get_report(record) or "")) is is_said
    assert any(opposed in one.text for one in cautions(record)) is is_said
    assert any(opposed in line for line in notes(record)) is is_said


def test_money_at_work_says_what_it_counts() -> None:
    assert "Money at work is what the positions held at a time had cost" in (
        report.backtest.get_report(a_record()) or ""
    )
