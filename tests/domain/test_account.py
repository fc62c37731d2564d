"""What positions are worth, one by one and many at once."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backtestkit_cli.domain.account import cash_effect, net_lines, valuation
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import Side
from tests.builders import a_position

PRICES = st.floats(1e-6, 1e6)
POSITIONS = st.lists(
    st.builds(
        lambda side, price, cost, sold: a_position(
            side=side, price_open=price, cost=cost, steps=[("sell", 1, price * 1.01, sold)] if sold else ()
        ),
        st.sampled_from(Side),
        PRICES,
        PRICES,
        st.sampled_from((0.0, 33.3)),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40)
@given(POSITIONS, st.floats(0, 0.05), st.floats(0, 0.05))
def test_many_positions_at_once_are_worth_what_each_is_to_the_last_bit(
    positions: list[Position], fee_rate: float, slippage_rate: float
) -> None:
    costs = Costs(fee_rate, slippage_rate)
    columns = zip(
        *((one.side.sign, one.realised.net, one.cost_left, one.price_effective) for one in positions), strict=True
    )
    sign, net, left, effective = (np.array(column, np.float64) for column in columns)
    fixed, per_price = net_lines(sign, net, left, effective, costs)
    expected = [valuation(one, costs) for one in positions]
    assert per_price.tolist() == [value.per_price for value in expected]
    assert fixed.tolist() == [
        cash_effect(one, costs) + value.fixed for one, value in zip(positions, expected, strict=True)
    ]
