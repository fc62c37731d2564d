"""`btk size`: how much an entry would buy, as a calculator."""

from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.console import Heading
from backtestkit_cli.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backtestkit_cli.config.sizings import OurSizing
    from backtestkit_cli.policies.sizing.clamps import Clamp


def _flag(name: str, help_text: str) -> Any:  # noqa: ANN401 - typer keeps these types to itself
    return typer.Option(name, metavar="NUMBER", help=help_text)


# Numbers stay the text that was typed, as they do for every other command: the config checks them.
Balance: TypeAlias = Annotated[str, _flag("--balance", "Money to size by, in the quote asset.")]
Entry: TypeAlias = Annotated[str, _flag("--entry", "Price of the entry.")]
Stop: TypeAlias = Annotated[str, _flag("--stop", "Price of the stop; above the entry for a short.")]
StopIfAny: TypeAlias = Annotated[str | None, _flag("--stop", "Price of the stop, to show what is lost there.")]
RiskPct: TypeAlias = Annotated[str, _flag("--risk-pct", "Percent of the balance to lose at the stop.")]
WinRate: TypeAlias = Annotated[str, _flag("--win-rate", "Share of winning trades, from 0 to 1.")]
RewardRatio: TypeAlias = Annotated[str, _flag("--reward-ratio", "Mean win divided by mean loss.")]
KellyMultiplier: TypeAlias = Annotated[
    str | None, _flag("--kelly-multiplier", "Part of the Kelly fraction to put in; 0.25 by default.")
]
Atr: TypeAlias = Annotated[str, _flag("--atr", "Average true range, in the quote asset.")]
AtrMultiplier: TypeAlias = Annotated[
    str | None, _flag("--atr-multiplier", "Ranges between entry and stop; 2 by default.")
]
MaxPositionPct: TypeAlias = Annotated[
    str | None, _flag("--max-position-pct", "Most that the position may cost, percent of the balance.")
]
MinCost: TypeAlias = Annotated[
    str | None, _flag("--min-cost", "Least that it is to cost, quote money; never lifts it above a cap.")
]
MaxCost: TypeAlias = Annotated[str | None, _flag("--max-cost", "Most that it may cost, quote money.")]


class Sized(NamedTuple):
    """A size and how it came about; costs are quote money, None is not known.

    `wanted` is the quantity by the method alone, `loss` what is lost at the stop before fees and slippage.
    """

    method: str
    balance: float
    price: float
    wanted: float
    clamps: "tuple[Clamp, ...]"
    reason: str
    loss_per_unit: float | None

    @property
    def cost(self) -> float:
        """Return what the position costs."""
        if self.reason:
            return 0.0
        return self.clamps[-1].cost if self.clamps else self.wanted * self.price

    @property
    def quantity(self) -> float:
        """Return what the position buys."""
        return self.cost / self.price

    @property
    def loss(self) -> float | None:
        """Return what is lost at the stop."""
        return None if self.loss_per_unit is None else self.quantity * self.loss_per_unit


def size_fixed(
    *,
    balance: Balance,
    entry: Entry,
    stop: Stop,
    risk_pct: RiskPct,
    max_position_pct: MaxPositionPct = None,
    min_cost: MinCost = None,
    max_cost: MaxCost = None,
    json: options.Json = False,
) -> None:
    """Size an entry so that its stop loses a fixed percentage of the balance.

    The quantity is balance × risk % / |entry - stop|. Exit codes: 0 done, 2 wrong input.
    """
    from backtestkit_cli.policies.sizing.formulas import fixed_pct_quantity
    from backtestkit_cli.policies.sizing.methods import FixedPct

    values = {"balance": balance, "risk_pct": risk_pct, **_bounds(max_position_pct, min_cost, max_cost)}
    sizing, prices = _read("fixed_pct", values, {"entry": entry, "stop": stop})
    price, stop_loss = prices["entry"], prices["stop"]
    assert isinstance(sizing, FixedPct)  # noqa: S101 - its method was given
    wanted = fixed_pct_quantity(_money(sizing), sizing.risk_pct, price, stop_loss)
    why_none = "the stop is at the entry" if price == stop_loss else ""
    _show(_sized("fixed_pct", sizing, price, wanted, abs(price - stop_loss), why_none), json=json)


def size_kelly(
    *,
    balance: Balance,
    entry: Entry,
    win_rate: WinRate,
    reward_ratio: RewardRatio,
    kelly_multiplier: KellyMultiplier = None,
    stop: StopIfAny = None,
    max_position_pct: MaxPositionPct = None,
    min_cost: MinCost = None,
    max_cost: MaxCost = None,
    json: options.Json = False,
) -> None:
    """Size an entry by a part of the Kelly fraction of the balance.

    With win rate W and reward ratio R the money is balance × (W·R - (1-W)) / R × multiplier, and nothing
    where that is below 0. Exit codes: 0 done, 2 wrong input.
    """
    from backtestkit_cli.policies.sizing.formulas import kelly_quantity
    from backtestkit_cli.policies.sizing.methods import Kelly, no_edge

    values = {
        "balance": balance,
        "win_rate": win_rate,
        "reward_ratio": reward_ratio,
        "kelly_multiplier": kelly_multiplier,
        **_bounds(max_position_pct, min_cost, max_cost),
    }
    sizing, prices = _read("kelly", values, {"entry": entry, "stop": stop})
    assert isinstance(sizing, Kelly)  # noqa: S101 - its method was given
    price = prices["entry"]
    wanted = kelly_quantity(_money(sizing), price, sizing.win_rate, sizing.reward_ratio, sizing.kelly_multiplier)
    distance = abs(price - prices["stop"]) if "stop" in prices else None
    _show(_sized("kelly", sizing, price, wanted, distance, no_edge(sizing) if wanted <= 0 else ""), json=json)


def size_atr(
    *,
    balance: Balance,
    entry: Entry,
    risk_pct: RiskPct,
    atr: Atr,
    atr_multiplier: AtrMultiplier = None,
    stop: StopIfAny = None,
    max_position_pct: MaxPositionPct = None,
    min_cost: MinCost = None,
    max_cost: MaxCost = None,
    json: options.Json = False,
) -> None:
    """Size an entry so that a move of some average true ranges loses a percentage of the balance.

    The quantity is balance × risk % / (ATR × multiplier), and the stop is taken to be that far away where
    none is given. Exit codes: 0 done, 2 wrong input.
    """
    from backtestkit_cli.policies.sizing import methods
    from backtestkit_cli.policies.sizing.formulas import atr_quantity

    values = {
        "balance": balance,
        "risk_pct": risk_pct,
        "atr_multiplier": atr_multiplier,
        **_bounds(max_position_pct, min_cost, max_cost),
    }
    sizing, prices = _read("atr", values, {"entry": entry, "atr": atr, "stop": stop})
    assert isinstance(sizing, methods.Atr)  # noqa: S101 - its method was given
    price = prices["entry"]
    wanted = atr_quantity(_money(sizing), sizing.risk_pct, prices["atr"], sizing.atr_multiplier)
    distance = abs(price - prices["stop"]) if "stop" in prices else prices["atr"] * sizing.atr_multiplier
    _show(_sized("atr", sizing, price, wanted, distance, ""), json=json)


def _bounds(max_position_pct: str | None, min_cost: str | None, max_cost: str | None) -> dict[str, str | None]:
    return {"max_position_pct": max_position_pct, "min_cost": min_cost, "max_cost": max_cost}


def _read(
    method: str, values: "Mapping[str, str | None]", prices: "Mapping[str, str | None]"
) -> "tuple[OurSizing, dict[str, float]]":
    """Return the sizing of *method* that *values* describe, and those of *prices* that were given.

    Raises:
        ConfigError: a number is none, or is out of bounds; all of them are named.
    """
    from backtestkit_cli.config.described import sizing_from

    problems: list[str] = []
    amounts = {name: _amount(name, text, problems) for name, text in prices.items() if text is not None}
    given = {name: text for name, text in values.items() if text is not None}
    try:
        sizing = sizing_from({"method": method, **given}, where="btk size")
    except ConfigError as error:
        # What a config may leave open is given here.
        problems += [problem.replace(" or null,", ",") for problem in error.problems]
        raise ConfigError(problems) from None
    if problems:
        raise ConfigError(problems)
    return sizing, amounts


def _amount(name: str, text: str, problems: list[str]) -> float:
    from backtestkit_cli.config.wording import found

    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (isfinite(value) and value > 0):
        problems.append(f"btk size: {name}: expected a number above 0, found {found(text)}")
    return value


def _money(sizing: "OurSizing") -> float:
    assert sizing.balance is not None  # noqa: S101 - its flag is required
    return sizing.balance


def _sized(
    method: str, sizing: "OurSizing", price: float, wanted: float, loss_per_unit: float | None, why_none: str
) -> Sized:
    """Return *wanted* clamped by *sizing*; *why_none* is said instead where the method gives nothing."""
    from backtestkit_cli.policies.sizing.clamps import clamps

    cost, balance = wanted * price, _money(sizing)
    reason = why_none or ("" if isfinite(cost) and cost > 0 else "the numbers are too large or too small")
    steps = () if reason else tuple(clamps(cost, balance, sizing))
    return Sized(method, balance, price, wanted, steps, reason, loss_per_unit)


def _show(sized: Sized, *, json: bool) -> None:
    if json:
        console.out(console.json_text(_document(sized)))
        return
    headings = [Heading("Step"), *(Heading(title, is_number=True) for title in ("Quantity", "Cost", "Of balance"))]
    headings.append(Heading("Does"))
    wanted = 0.0 if sized.reason else sized.wanted * sized.price
    steps = [_row(sized, sized.method, wanted, sized.reason)]
    steps += [_row(sized, clamp.name, clamp.cost, _effect(clamp)) for clamp in sized.clamps]
    console.show_table(headings, [steps, [_row(sized, "size", sized.cost, "")]])
    if sized.loss is not None:
        share = sized.loss / sized.balance * 100
        console.out(f"Loss at the stop: {sized.loss:,.2f}, {share:.2f} % of the balance; fees and slippage come on top")


def _row(sized: Sized, name: str, cost: float, effect: str) -> list[str]:
    return [name, f"{cost / sized.price:.10g}", f"{cost:,.2f}", f"{cost / sized.balance * 100:,.2f} %", effect]


def _effect(clamp: "Clamp") -> str:
    if not clamp.changed:
        return "nothing"
    return "lifts" if clamp.name.startswith("min") else "cuts"


def _document(sized: Sized) -> dict[str, Any]:
    numbers = {
        "balance": sized.balance,
        "price": sized.price,
        "raw_quantity": sized.wanted,
        "quantity": sized.quantity,
        "cost": sized.cost,
        "balance_pct": sized.cost / sized.balance * 100,
        "loss_at_stop": sized.loss,
    }
    return {
        "method": sized.method,
        **_finite(numbers),
        "clamps": [_finite(clamp._asdict()) for clamp in sized.clamps],
        "limited_by": sized.reason or "; ".join(clamp.name for clamp in sized.clamps if clamp.changed),
    }


def _finite(values: "Mapping[str, Any]") -> dict[str, Any]:
    """Return *values* with null for numbers that JSON cannot write."""
    return {name: None if isinstance(value, float) and not isfinite(value) else value for name, value in values.items()}
