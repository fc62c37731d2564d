"""Progress where no terminal is."""

import pytest

from backtestkit_cli.cli.progress import Lines
from backtestkit_cli.data.cache.filling import FetchProgress
from backtestkit_cli.runs.backtest import Progress


class Hands:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_short_run_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    hands = Hands()
    report = Lines(hands).run("backtest")
    for done in range(0, 1001, 5):
        hands.now = 100 + done / 1000
        report(Progress(done, 1000))
    assert capsys.readouterr().err == ""


def test_a_long_run_prints_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    hands = Hands()
    report = Lines(hands).run("backtest")
    for done in range(0, 1_000_001, 5_000):
        hands.now = 100 + done / 50_000
        report(Progress(done, 1_000_000))
    assert capsys.readouterr().err.splitlines() == [
        "backtest: 10 % of 1M candles, 50k/s, 0:18 left",
        "backtest: 35 % of 1M candles, 50k/s, 0:13 left",
        "backtest: 60 % of 1M candles, 50k/s, 0:08 left",
        "backtest: 85 % of 1M candles, 50k/s, 0:03 left",
    ]


def test_a_long_fetch_prints_all_series_together_and_the_one_heard_of_last(capsys: pytest.CaptureFixture[str]) -> None:
    hands = Hands()
    lines = Lines(hands)
    for answered in range(1, 201):
        hands.now = 100 + answered / 20
        for symbol in ("BTCUSDT", "ETHUSDT"):
            lines.fetched(FetchProgress(symbol, "1m", answered * 1000, 200_000, answered, 200))
    assert capsys.readouterr().err.splitlines() == [
        "fetching: 81 of 400 requests, 81k candles, 0:08 left; BTCUSDT 1m 20 %",
        "fetching: 281 of 400 requests, 281k candles, 0:03 left; BTCUSDT 1m 70 %",
    ]
