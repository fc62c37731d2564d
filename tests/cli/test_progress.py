"""Progress where no terminal is."""

import pytest

from backtestkit_cli.cli.progress import Lines
from backtestkit_cli.runs.backtest import Progress


class Hands:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_short_run_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    hands = Hands()
    lines = Lines("backtest", hands)
    for done in range(0, 1001, 5):
        hands.now = 100 + done / 1000
        lines(Progress(done, 1000))
    assert capsys.readouterr().err == ""


def test_a_long_run_prints_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    hands = Hands()
    lines = Lines("backtest", hands)
    for done in range(0, 1_000_001, 5_000):
        hands.now = 100 + done / 50_000
        lines(Progress(done, 1_000_000))
    assert capsys.readouterr().err.splitlines() == [
        "backtest: 10 % of 1M candles, 50k/s, 0:18 left",
        "backtest: 35 % of 1M candles, 50k/s, 0:13 left",
        "backtest: 60 % of 1M candles, 50k/s, 0:08 left",
        "backtest: 85 % of 1M candles, 50k/s, 0:03 left",
    ]
