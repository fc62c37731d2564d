"""What a run can be told: the shape of a config file, and the rules of its values.

The `description` of a field is what a message says was expected. Scalars of YAML, environment and
`--set` arrive as the text that was written, so the field decides what they are: `1e-3` is a number
in `fee_pct`, and `ON` is a name in `symbols`.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WrapValidator, model_validator

from backtestkit_cli.config.exchanges import A_COUNT, NAME_TAG, Count, Described, NamedOrDescribed, Part, Text
from backtestkit_cli.config.risks import Account, Groups, ProfileNames, RiskProfiles
from backtestkit_cli.config.sizings import SizingConfig
from backtestkit_cli.config.stores import StoreConfig, made_store
from backtestkit_cli.config.values import alert_values, instant, numbers, refuse, strategies, symbols, yes_or_no
from backtestkit_cli.domain.alerts import AlertsOptions, RedisOptions, TelegramOptions, WebhookOptions
from backtestkit_cli.domain.interval import to_datetime, utc_text
from backtestkit_cli.domain.portfolio import Portfolio
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.trading import PaperOptions, TradingOptions

Instant: TypeAlias = Annotated[int, BeforeValidator(instant)]
Symbols: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(symbols)]
Strategies: TypeAlias = Annotated[list[str] | None, BeforeValidator(strategies)]
Flag: TypeAlias = Annotated[bool, BeforeValidator(yes_or_no)]


class FrameConfig(Part):
    """A history window `[from, to)`, in Unix milliseconds."""

    start_ms: Instant = Field(alias="from", description="a date such as 2025-05-04 or 2025-05-04T12:00")
    end_ms: Instant = Field(alias="to", description="a date such as 2025-05-04 or 2025-05-04T12:00")

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> Self:
        if self.start_ms >= self.end_ms:
            texts = utc_text(self.start_ms), utc_text(self.end_ms)
            refuse(((), f"expected from to be before to, found from {texts[0]} to {texts[1]}"))
        return self

    @property
    def name(self) -> str:
        """Return how ids and reports call a window that has no name, `2025-05-10_2025-06-03`."""
        return "_".join(
            to_datetime(at_ms).strftime("%Y-%m-%dT%H%M").removesuffix("T0000") for at_ms in (self.start_ms, self.end_ms)
        )


VALUES: Mapping[str, type] = {
    "settings": Settings,
    "portfolio": Portfolio,
    "trading": TradingOptions,
    "paper": PaperOptions,
    "alerts": AlertsOptions,
}
"""The sections that are values of the domain, by their key: what their keys are, and what each may be."""


ALERT_PLACES: Mapping[str, type] = {"webhook": WebhookOptions, "telegram": TelegramOptions, "redis": RedisOptions}
"""The parts of the section `alerts`, by their key."""


def _knows_its_urls(alerts: AlertsOptions) -> AlertsOptions:
    for name, place in (("webhook", alerts.webhook), ("redis", alerts.redis)):
        if place is not None and (place.url is None) == (place.url_env is None):
            refuse(((name,), f"expected either url or url_env, found {'neither' if place.url is None else 'both'}"))
    return alerts


def settings_names() -> tuple[str, ...]:
    """Return the names of the engine settings, in their order."""
    return tuple(field.name for field in fields(Settings))


def _frame_tag(value: object) -> str:
    return NAME_TAG if isinstance(value, str) else "window"


_Named: TypeAlias = Annotated[Text, Tag(NAME_TAG)]


class RunConfig(Part):
    """Everything one run is told; what names stand for is looked up once the strategy module is loaded.

    `strategy` is a list of names, None where the module's only one is meant; `settings` are complete.
    Every signal must pass the profiles of `risk`, besides those of its strategy.
    A file path in `entry` or `path` is as it has to be opened.
    """

    entry: Text | None = Field(
        default=None, description="a strategy file, a dotted module or the name of an entry point"
    )
    strategy: Strategies = None
    symbols: Symbols = ()
    exchange: NamedOrDescribed = Field(default="demo", description="the name of an exchange, or a mapping with kind")
    frame: Annotated[_Named | Annotated[FrameConfig, Tag("window")], Discriminator(_frame_tag)] | None = Field(
        default=None, description="the name of a frame, or a mapping with from and to"
    )
    settings: Annotated[Settings, BeforeValidator(numbers)] = Field(
        default=Settings(), description="a mapping of settings"
    )
    out: Text = Field(default="dump", description="a folder")
    data: Text = Field(default=".btk/data", description="a folder")
    cache: Flag = Field(default=True, description="true or false")
    offline: Flag = Field(default=False, description="true or false")
    max_concurrent: Count | None = Field(default=None, description=f"{A_COUNT} or null")
    workers: Count = Field(default=1, description=A_COUNT)
    exchanges: dict[str, Described] = Field(default={}, description="a mapping from names to exchanges")
    frames: dict[str, FrameConfig] = Field(default={}, description="a mapping from names to frames")
    sizings: dict[str, SizingConfig] = Field(default={}, description="a mapping from names to sizings")
    sizing: Text | None = Field(default=None, description="the name of a sizing")
    risk: ProfileNames = Field(default=(), description="the name of a risk profile, or a list of them")
    risks: RiskProfiles = Field(default={}, description="a mapping from names to risk profiles")
    groups: Groups = Field(default={}, description="a mapping from names to lists of symbols")
    portfolio: Account | None = Field(default=None, description="a mapping with balance, or null")
    trading: Annotated[TradingOptions, BeforeValidator(numbers)] = Field(
        default=TradingOptions(), description="a mapping of what trading on the wall clock asks for"
    )
    paper: Annotated[PaperOptions, BeforeValidator(numbers)] = Field(
        default=PaperOptions(), description="a mapping of what the simulated venue is like"
    )
    alerts: Annotated[AlertsOptions, BeforeValidator(alert_values), AfterValidator(_knows_its_urls)] = Field(
        default=AlertsOptions(), description="a mapping with webhook or telegram"
    )
    store: Annotated[StoreConfig, WrapValidator(made_store)] = Field(
        default=StoreConfig(), description="a mapping with kind"
    )
