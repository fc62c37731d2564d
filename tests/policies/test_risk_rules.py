"""Every built-in risk rule at its boundary, and the laws that hold for all of them."""

import re
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli import (
    AllowSymbols,
    BlockSymbols,
    CoolDown,
    MaxExposurePct,
    MaxGroupExposurePct,
    MaxOpen,
    MaxOpenPerGroup,
    MaxOpenPerGroupSide,
    MaxOpenPerSide,
    MaxOpenPerStrategy,
    MaxOpenPerSymbol,
    MaxPositionPct,
    MaxSignals,
    MaxSymbolExposurePct,
    MinWinRate,
    Side,
    TradingHours,
)
from backtestkit_cli.domain.risk import Admitted, ClosedTrade, OpenPosition, RiskCheck, Rule, Stage
from backtestkit_cli.policies.risk.catalogue import RULES, spelled
from tests.policies.risk_checks import a_check, account, admitted, held, minute, trades

BTC, ETH, DOGE = "BTCUSDT", "ETHUSDT", "DOGEUSDT"
GROUPS = {"majors": (BTC, "ETH/USDT"), "memes": (DOGE, "SHIBUSDT"), "fiat-backed": (BTC, DOGE)}


# Counts


def test_max_open_allows_the_third_of_three_and_refuses_the_fourth() -> None:
    rule = MaxOpen(3)
    assert rule.refusal(a_check(positions=[held()] * 2)) is None
    assert rule.refusal(a_check(positions=[held()] * 3)) == "at most 3 may be open, found 3"
    assert rule.refusal(a_check(positions=[held()] * 4)) == "at most 3 may be open, found 4"


def test_of_five_that_want_to_open_at_once_the_first_three_open() -> None:
    opened: list[OpenPosition] = []
    for symbol in ("A", "B", "C", "D", "E"):
        if MaxOpen(3).refusal(a_check(symbol, positions=opened)) is None:
            opened.append(held(symbol))
    assert [position.symbol for position in opened] == ["A", "B", "C"]


def test_two_positions_per_strategy_and_one_per_symbol() -> None:
    per_strategy, per_symbol = MaxOpenPerStrategy(2), MaxOpenPerSymbol(1)
    positions = [held(BTC, strategy="a"), held(ETH, strategy="b"), held(DOGE, strategy="b")]
    check = a_check("XRPUSDT", strategy="a", positions=positions)
    assert per_strategy.refusal(check) is None
    assert per_strategy.refusal(replace(check, strategy="b")) == "at most 2 may be open of strategy b, found 2"
    assert per_symbol.refusal(check) is None
    assert per_symbol.refusal(replace(check, symbol=ETH)) == "at most 1 may be open of ETHUSDT, found 1"
    assert per_symbol.refusal(replace(check, symbol="ETH/USDT")) is not None


def test_a_side_is_counted_alone() -> None:
    rule, positions = MaxOpenPerSide(2), [held(side=Side.SHORT), held(side=Side.SHORT), held()]
    assert rule.refusal(a_check(positions=positions)) is None
    assert rule.refusal(a_check(positions=[*positions, held()])) == "at most 2 may be open on the long side, found 2"
    assert rule.refusal(a_check(positions=positions, side=Side.SHORT)) is not None


def test_two_longs_per_group_do_not_hinder_a_short_nor_another_group() -> None:
    rule, positions = MaxOpenPerGroupSide(2), [held(BTC), held(ETH)]
    assert rule.refusal(a_check(ETH, positions=positions[:1], groups=GROUPS)) is None
    refused = "at most 2 may be open of group majors on the long side, found 2"
    assert rule.refusal(a_check(ETH, positions=positions, groups=GROUPS)) == refused
    assert rule.refusal(a_check(ETH, positions=positions, groups=GROUPS, side=Side.SHORT)) is None
    assert rule.refusal(a_check(DOGE, positions=positions, groups=GROUPS)) is None


def test_a_symbol_of_several_groups_must_pass_each_and_one_of_none_passes() -> None:
    rule = MaxOpenPerGroup(1)
    positions = [held(DOGE)]
    refused = "at most 1 may be open of group fiat-backed, found 1"
    assert rule.refusal(a_check(BTC, positions=positions, groups=GROUPS)) == refused
    assert rule.refusal(a_check(ETH, positions=positions, groups=GROUPS)) is None
    assert rule.refusal(a_check("XRPUSDT", positions=[*positions, held("XRPUSDT")], groups=GROUPS)) is None


# Symbols and hours


@pytest.mark.parametrize(("symbol", "listed"), [(DOGE, True), ("DOGE/USDT", True), (BTC, False), ("dogeusdt", False)])
@pytest.mark.parametrize("spelling", [DOGE, "DOGE/USDT"])
def test_a_listed_symbol_is_blocked_or_alone_allowed_however_it_is_spelled(
    symbol: str, listed: bool, spelling: str
) -> None:
    blocked = BlockSymbols((spelling,)).refusal(a_check(symbol))
    alone = AllowSymbols((spelling,)).refusal(a_check(symbol))
    assert blocked == (f"{spelling} may not open, found {symbol}" if listed else None)
    assert alone == (None if listed else f"only {spelling} may open, found {symbol}")


def test_of_five_known_symbols_the_first_three_are_active() -> None:
    known = ["A", "B", "C", "D", "E"]
    rule = AllowSymbols(tuple(known[:3]))
    assert [symbol for symbol in known if rule.refusal(a_check(symbol)) is None] == ["A", "B", "C"]


def at(text: str) -> RiskCheck:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return replace(a_check(), at_ms=round(moment.timestamp() * 1000))


def test_trading_hours_are_half_open() -> None:
    rule = TradingHours.from_text("09:00-17:00")
    assert rule.refusal(at("2025-05-05T08:59")) == "positions open 09:00-17:00 UTC, found 08:59"
    assert rule.refusal(at("2025-05-05T09:00")) is None
    assert rule.refusal(at("2025-05-05T16:59")) is None
    assert rule.refusal(at("2025-05-05T17:00")) == "positions open 09:00-17:00 UTC, found 17:00"


def test_trading_hours_on_weekdays_name_the_day() -> None:
    rule = TradingHours.from_text("mon-fri 09:00-17:00")
    assert rule.refusal(at("2025-05-09T12:00")) is None
    assert rule.refusal(at("2025-05-10T12:00")) == "positions open mon-fri 09:00-17:00 UTC, found sat 12:00"


def test_hours_past_midnight_belong_to_the_day_on_which_they_start() -> None:
    rule = TradingHours.from_text("fri 22:00-02:00")
    times = [
        "2025-05-09T01:00",  # a Friday
        "2025-05-09T21:59",
        "2025-05-09T22:00",
        "2025-05-10T01:59",
        "2025-05-10T02:00",
        "2025-05-10T23:00",
    ]
    assert [time for time in times if rule.refusal(at(time)) is None] == times[2:4]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("9:00-17:00", "09:00-17:00"),
        (" 00:00 - 24:00 ", "00:00-24:00"),
        ("Mon-Fri 09:00-17:00", "mon-fri 09:00-17:00"),
        ("sun,sat 22:00-00:00", "sat,sun 22:00-00:00"),
        ("fri-mon 09:00-17:00", "mon,fri,sat,sun 09:00-17:00"),
        ("mon-sun 09:00-17:00", "09:00-17:00"),
    ],
)
def test_hours_are_shown_as_they_can_be_written(text: str, shown: str) -> None:
    rule = TradingHours.from_text(text)
    assert str(rule) == spelled(rule) == shown
    assert TradingHours.from_text(shown) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9-17",
        "09:00",
        "09:60-17:00",
        "24:00-01:00",
        "09:00-24:01",
        "09:00-09:00",
        "day 09:00-17:00",
        "a-b-c 1:00-2:00",
    ],
)
def test_hours_that_are_none_say_how_they_are_written(text: str) -> None:
    with pytest.raises(ValueError, match="expected hours in UTC such as 09:00-17:00, mon-fri 09:00-17:00 or") as caught:
        TradingHours.from_text(text)
    assert str(caught.value).endswith(f"found {text!r}")


@given(start=st.integers(0, 1439), end=st.integers(0, 1440), now=st.integers(0, 1439))
def test_a_minute_is_within_a_window_or_within_its_complement(start: int, end: int, now: int) -> None:
    if start == end or (start, end) == (0, 1440) or end in {0, 1440}:
        return
    inside = TradingHours(start_minute=start, end_minute=end).refusal(a_check(at=now)) is None
    outside = TradingHours(start_minute=end, end_minute=start).refusal(a_check(at=now)) is None
    assert inside != outside


# Exposure


def test_twenty_percent_of_the_equity_in_a_symbol_is_allowed_and_a_cent_more_is_not() -> None:
    rule = MaxSymbolExposurePct(20.0)
    positions = [held(BTC), held(ETH, cost=500.0)]
    assert rule.refusal(a_check(positions=positions, cost=100.0)) is None
    assert rule.refusal(a_check(positions=positions, cost=100.01)) == (
        "at most 20 % of the equity may be in BTCUSDT, found 20 % (200.01 of 1000.00)"
    )
    assert rule.refusal(a_check("BTC/USDT", positions=positions, cost=100.01)) is not None


def test_fifty_percent_of_the_equity_in_a_group() -> None:
    rule = MaxGroupExposurePct(50.0)
    positions = [held(BTC, cost=150.0), held(ETH, cost=250.0), held(DOGE, cost=100.0)]
    assert rule.refusal(a_check(ETH, positions=positions, cost=100.0, groups=GROUPS)) is None
    assert rule.refusal(a_check(ETH, positions=positions, cost=150.0, groups=GROUPS)) == (
        "at most 50 % of the equity may be in group majors, found 55 % (550.00 of 1000.00)"
    )
    assert rule.refusal(a_check("XRPUSDT", positions=positions, cost=900.0, groups=GROUPS)) is None


def test_total_exposure_and_fifty_percent_in_one_position() -> None:
    positions = [held(ETH, cost=300.0)]
    assert MaxExposurePct(80.0).refusal(a_check(positions=positions, cost=500.0)) is None
    assert MaxExposurePct(80.0).refusal(a_check(positions=positions, cost=510.0)) == (
        "at most 80 % of the equity may be in positions, found 81 % (810.00 of 1000.00)"
    )
    assert MaxPositionPct(50.0).refusal(a_check(positions=positions, cost=500.0)) is None
    assert MaxPositionPct(50.0).refusal(a_check(positions=positions, cost=501.0)) == (
        "at most 50 % of the equity may be in one position, found 50.1 % (501.00 of 1000.00)"
    )


def test_the_share_is_of_the_equity_of_now_and_an_account_that_is_gone_allows_nothing() -> None:
    rule = MaxPositionPct(10.0)
    assert rule.refusal(a_check(account=account(1000.0))) is None
    assert rule.refusal(a_check(account=account(999.0))) is not None
    for equity in (0.0, -5.0):
        assert rule.refusal(a_check(account=account(equity))) is not None
    assert rule.refusal(a_check(account=None)) == "max_position_pct is measured by the account, and the run has none"


@given(equity=st.floats(1e-3, 1e12), pct=st.floats(1e-3, 100))
def test_a_cost_computed_as_the_share_that_is_allowed_is_allowed(equity: float, pct: float) -> None:
    rule = MaxPositionPct(pct)
    assert rule.refusal(a_check(cost=equity * pct / 100, account=account(equity))) is None
    assert rule.refusal(a_check(cost=equity * (pct / 100), account=account(equity))) is None
    assert rule.refusal(a_check(cost=equity * pct / 100 * 1.000001, account=account(equity))) is not None


# Signals within a window


def test_three_signals_in_fifteen_minutes() -> None:
    rule = MaxSignals(count=3, minutes=15)
    assert rule.refusal(a_check(at=14, admitted=admitted(0, 5))) is None
    refused = "at most 3 signals in 15 minutes, found 3"
    assert rule.refusal(a_check(at=14, admitted=admitted(0, 5, 14))) == refused
    assert rule.refusal(a_check(at=15, admitted=admitted(0, 5, 14))) is None  # the first is 15 minutes old


@pytest.mark.parametrize(("scope", "words"), [("all", ""), ("strategy", " of strategy a"), ("symbol", " of BTCUSDT")])
def test_signals_are_counted_within_their_scope(scope: str, words: str) -> None:
    rule = MaxSignals(count=2, minutes=10, scope=scope)  # type: ignore[arg-type]
    own = [*admitted(1), *admitted(2)]
    others = [*admitted(3, strategy="b", symbol=ETH)] * 5
    assert rule.refusal(a_check(at=4, admitted=own)) == f"at most 2 signals{words} in 10 minutes, found 2"
    assert (rule.refusal(a_check(at=4, admitted=[*own[:1], *others])) is None) == (scope != "all")


def test_a_signal_that_waited_was_counted_when_it_appeared() -> None:
    rule = MaxSignals(count=1, minutes=60)
    check = a_check(at=5, admitted=admitted(1))
    assert rule.refusal(check) is not None
    assert rule.refusal(replace(check, stage=Stage.OPENS)) is None


# Losses


def test_three_losses_in_an_hour_stop_entries_for_the_cool_down() -> None:
    rule = CoolDown(losses=3, within_minutes=60, minutes=30)
    losses = trades(-1, 5, -1, -1, every=10)  # the third loss at minute 40
    assert rule.refusal(a_check(at=39, trades=losses[:3])) is None
    refused = "3 losses in 60 minutes, nothing opens until 2025-05-04 01:10"
    assert rule.refusal(a_check(at=40, trades=losses)) == refused
    assert rule.refusal(a_check(at=69, trades=losses)) == refused
    assert rule.refusal(a_check(at=70, trades=losses)) is None


def test_losses_as_far_apart_as_the_window_is_long_are_not_within_it() -> None:
    rule = CoolDown(losses=2, within_minutes=10, minutes=30)
    assert rule.refusal(a_check(at=20, trades=trades(-1, -1, every=10))) is None
    assert rule.refusal(a_check(at=20, trades=trades(-1, -1, every=9.5))) is not None


def test_a_further_loss_during_the_cool_down_starts_it_anew() -> None:
    rule = CoolDown(losses=2, within_minutes=10, minutes=30)
    losses = trades(-1, -1, -1, every=5)
    refused = rule.refusal(a_check(at=40, trades=losses))
    assert refused == "2 losses in 10 minutes, nothing opens until 2025-05-04 00:45"


def test_a_trade_without_result_is_no_loss() -> None:
    assert CoolDown(losses=1, within_minutes=10, minutes=30).refusal(a_check(at=2, trades=trades(0.0, 1.0))) is None


@pytest.mark.parametrize(("scope", "others_count"), [("all", True), ("strategy", False), ("symbol", False)])
def test_losses_are_counted_within_their_scope(scope: str, others_count: bool) -> None:
    rule = CoolDown(losses=2, within_minutes=10, minutes=30, scope=scope)  # type: ignore[arg-type]
    others = trades(-1, -1, symbol=ETH, strategy="b")
    assert (rule.refusal(a_check(at=3, trades=others)) is not None) == others_count
    assert rule.refusal(a_check(at=3, trades=[*others, *trades(-1, -1)])) is not None


FOUR_OF_ELEVEN = (1, -1, 1, -1, -1, 1, -1, -1, 1, -1, -1)


def test_four_wins_of_eleven_disable_a_symbol_and_four_of_ten_do_not() -> None:
    rule = MinWinRate(percent=40, trades=10)
    ten, eleven = trades(*FOUR_OF_ELEVEN[:10]), trades(*FOUR_OF_ELEVEN)
    assert rule.refusal(a_check(at=11, trades=ten)) is None
    refused = "at least 40 % of the trades of BTCUSDT must win, found 4 of 11"
    assert rule.refusal(a_check(at=11, trades=eleven)) == refused
    assert rule.refusal(a_check("BTC/USDT", at=11, trades=eleven)) is not None
    assert rule.refusal(a_check(ETH, at=11, trades=eleven)) is None


def test_nine_lost_trades_are_too_few_to_judge_by() -> None:
    rule = MinWinRate(percent=40, trades=10)
    assert rule.refusal(a_check(at=9, trades=trades(*[-1] * 9))) is None
    assert rule.refusal(a_check(at=10, trades=trades(*[-1] * 10))) is not None


def test_without_a_pause_a_symbol_stays_disabled_even_if_others_win_on_it() -> None:
    rule = MinWinRate(percent=40, trades=10)
    later = trades(*FOUR_OF_ELEVEN, *[1] * 50)
    assert rule.refusal(a_check(at=1000, trades=later)) is not None


def test_a_symbol_is_enabled_again_after_its_pause_and_judged_by_what_closes_after_it() -> None:
    rule = MinWinRate(percent=50, trades=2, again_after_minutes=10)
    lost = trades(-1, -1)  # disabled at minute 2
    refused = "at least 50 % of the trades of BTCUSDT must win, found 0 of 2; it opens again from 2025-05-04 00:12"
    assert rule.refusal(a_check(at=11, trades=lost)) == refused
    assert rule.refusal(a_check(at=12, trades=lost)) is None
    pause = [*lost, *(ClosedTrade(minute(at), "b", BTC, -1.0) for at in (5, 12))]  # count for nothing
    assert rule.refusal(a_check(at=13, trades=[*pause, ClosedTrade(minute(13), "a", BTC, -1.0)])) is None
    again = [*pause, *(ClosedTrade(minute(at), "a", BTC, -1.0) for at in (13, 14))]
    assert rule.refusal(a_check(at=23, trades=again)) is not None
    assert rule.refusal(a_check(at=24, trades=again)) is None


# What holds for every rule

RULE_VALUES: list[Rule] = [
    AllowSymbols((BTC, ETH)),
    BlockSymbols((DOGE,)),
    TradingHours.from_text("mon-fri 09:00-17:00"),
    MaxOpen(2),
    MaxOpenPerStrategy(2),
    MaxOpenPerSymbol(1),
    MaxOpenPerSide(2),
    MaxOpenPerGroup(2),
    MaxOpenPerGroupSide(1),
    MaxPositionPct(10.0),
    MaxSymbolExposurePct(20.0),
    MaxGroupExposurePct(30.0),
    MaxExposurePct(50.0),
    MaxSignals(count=2, minutes=15, scope="strategy"),
    CoolDown(losses=2, within_minutes=30, minutes=10),
    MinWinRate(percent=40, trades=3, again_after_minutes=60),
]
symbol_names = st.sampled_from([BTC, ETH, DOGE, "XRPUSDT"])
strategy_names = st.sampled_from(["a", "b"])
open_positions = st.lists(
    st.builds(
        OpenPosition,
        strategy_names,
        symbol_names,
        st.sampled_from(list(Side)),
        st.floats(1, 500),
        st.just(minute(0)),
    ),
    max_size=6,
)
candidates = st.tuples(symbol_names, strategy_names, st.sampled_from(list(Side)), st.booleans())
minutes_past = st.lists(st.integers(0, 120).map(minute), max_size=8).map(sorted)


def a_random_check(data: st.DataObject) -> RiskCheck:
    times = data.draw(minutes_past)
    return a_check(
        data.draw(symbol_names),
        at=120,
        strategy=data.draw(strategy_names),
        side=data.draw(st.sampled_from(list(Side))),
        positions=data.draw(open_positions),
        trades=[
            ClosedTrade(
                t, data.draw(strategy_names), data.draw(symbol_names), data.draw(st.sampled_from([-1.0, 0.0, 1.0]))
            )
            for t in times
        ],
        admitted=[Admitted(t, data.draw(strategy_names), data.draw(symbol_names)) for t in times],
        groups=GROUPS,
    )


def test_the_catalogue_has_every_rule_by_its_name_and_each_is_tested_here() -> None:
    assert {rule.name: type(rule) for rule in RULE_VALUES} == dict(RULES)


@given(data=st.data())
def test_the_same_check_gets_the_same_line_of_text_in_whatever_order_positions_are(data: st.DataObject) -> None:
    check = a_random_check(data)
    shuffled = replace(check, positions=data.draw(st.permutations(check.positions)))
    for rule in RULE_VALUES:
        refused = rule.refusal(check)
        assert rule.refusal(shuffled) == rule.refusal(check) == refused
        assert refused is None or (refused.strip() == refused != "" and len(refused.splitlines()) == 1)


@given(limit=st.integers(1, 4), wanted=st.lists(candidates, max_size=20))
def test_what_is_let_through_one_by_one_never_exceeds_the_limit(
    limit: int, wanted: list[tuple[str, str, Side, bool]]
) -> None:
    rules: list[Rule] = [MaxOpen(limit + 1), MaxOpenPerSymbol(limit), MaxOpenPerSide(limit), MaxOpenPerGroup(limit)]
    opened: list[OpenPosition] = []
    for symbol, strategy, side, may_close in wanted:
        check = a_check(symbol, strategy=strategy, side=side, positions=tuple(opened), groups=GROUPS)
        if all(rule.refusal(check) is None for rule in rules):
            opened.append(held(symbol, strategy=strategy, side=side))
        elif may_close and opened:
            opened.pop(0)
        assert len(opened) <= limit + 1
        assert all(sum(one.symbol == name for one in opened) <= limit for name, *_ in wanted)
        assert all(sum(one.side is side for one in opened) <= limit for side in Side)
        assert sum(one.symbol in {BTC, DOGE} for one in opened) <= limit


@given(count=st.integers(1, 4), gaps=st.lists(st.integers(0, 6), max_size=30))
def test_no_window_holds_more_signals_than_it_may(count: int, gaps: list[int]) -> None:
    rule, through, now = MaxSignals(count=count, minutes=10), list[int](), 0
    for gap in gaps:
        now += gap
        if rule.refusal(a_check(at=now, admitted=admitted(*through))) is None:
            through.append(now)
    assert all(sum(at < one <= at + 10 for one in through) <= count for at in range(-1, now + 1))


@given(
    nets=st.lists(st.sampled_from([-1.0, 1.0]), max_size=12),
    gap=st.integers(1, 7),
    losses=st.integers(1, 3),
    wait=st.integers(0, 40),
)
def test_a_cool_down_is_what_its_definition_says(nets: list[float], gap: int, losses: int, wait: int) -> None:
    rule = CoolDown(losses=losses, within_minutes=15, minutes=20)
    times = [(i + 1) * gap for i, net in enumerate(nets) if net < 0]
    now = len(nets) * gap + wait
    completed = [at for at in times if sum(at - 15 < other <= at for other in times) >= losses]
    expected = any(at <= now < at + 20 for at in completed)
    assert (rule.refusal(a_check(at=now, trades=trades(*nets, every=gap))) is not None) == expected


@pytest.mark.parametrize(
    ("rule", "parts", "message"),
    [
        (MaxOpen, {"limit": 0}, "max_open: limit must be a whole number, at least 1, was 0"),
        (MaxOpen, {"limit": True}, "max_open: limit must be a whole number, at least 1, was True"),
        (MaxOpen, {"limit": 2.5}, "max_open: limit must be a whole number, at least 1, was 2.5"),
        (MaxExposurePct, {"limit_pct": float("nan")}, "limit_pct must be a number, above 0, at most 100, was nan"),
        (MaxExposurePct, {"limit_pct": 100.5}, "limit_pct must be a number, above 0, at most 100, was 100.5"),
        (BlockSymbols, {"symbols": []}, "block_symbols: symbols must be a list of texts, 1 or more, was ()"),
        (BlockSymbols, {"symbols": DOGE}, "block_symbols: symbols must be a list of texts"),
        (MaxSignals, {"count": 1, "minutes": 1, "scope": "both"}, "must be 'all' or 'strategy' or 'symbol', was"),
        (MinWinRate, {"percent": 40, "trades": 10, "again_after_minutes": 0}, "at least 1 or None, was 0"),
        (TradingHours, {"start_minute": 60, "end_minute": 60}, "must differ, were both 60"),
        (TradingHours, {"start_minute": 60, "end_minute": 61, "weekdays": (1, 0)}, "distinct, 0 to 6 in order"),
        (TradingHours, {"start_minute": 60, "end_minute": 61, "weekdays": (7,)}, "distinct, 0 to 6 in order"),
    ],
)
def test_a_rule_beyond_its_limits_cannot_be_made(rule: type[Any], parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        rule(**parts)


def test_a_rule_is_a_value() -> None:
    rule = BlockSymbols([DOGE, BTC])  # type: ignore[arg-type]
    assert rule == BlockSymbols((DOGE, BTC))
    assert len({rule, BlockSymbols((DOGE, BTC)), MaxOpen(1), MaxOpen(1)}) == 2
    with pytest.raises(FrozenInstanceError):
        MaxOpen(1).limit = 2  # type: ignore[misc]
