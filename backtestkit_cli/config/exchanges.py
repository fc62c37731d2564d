"""The kinds of exchange that a config can describe: a model each, told apart by `kind`."""

from typing import Annotated, Any, Literal, TypeAlias, get_args

from annotated_types import Ge, Gt, MinLen
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from backtestkit_cli.config.values import number, one_line, one_symbol

Text: TypeAlias = Annotated[str, MinLen(1), BeforeValidator(one_line)]
Symbol: TypeAlias = Annotated[str, BeforeValidator(one_symbol)]
Count: TypeAlias = Annotated[int, Ge(1), BeforeValidator(number)]
Seconds: TypeAlias = Annotated[float, Gt(0), BeforeValidator(number)]
Market: TypeAlias = Literal["spot", "swap", "future", "margin"]

A_COUNT = "a whole number of at least 1"
A_NAME = "a name"
A_PATH = "a path"
A_SYMBOL = "a symbol"
A_URL = "a URL such as http://127.0.0.1:8700 or sqlite:///candles.db"
AN_INTERVAL = "an interval such as 1m"
SECONDS = "a number of seconds above 0"


class Part(BaseModel):
    """A part of a config: frozen, and nothing but its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DemoExchange(Part):
    """The built-in synthetic market; the same seed makes the same candles."""

    kind: Literal["demo"]
    name: Text | None = Field(default=None, description=A_NAME)
    seed: Annotated[int, Ge(0), BeforeValidator(number)] = Field(default=7, description="a whole number of at least 0")


class CcxtExchange(Part):
    """A venue that ccxt knows, by its id; `url` leads every request to another host, such as a loopback venue."""

    kind: Literal["ccxt"]
    name: Text | None = Field(default=None, description=A_NAME)
    id: Text = Field(description="the id of an exchange of ccxt, such as binance")
    market: Market = Field(default="spot", description="spot, swap, future or margin")
    url: Text | None = Field(default=None, description=A_URL)
    attempts: Count = Field(default=8, description=A_COUNT)
    first_wait_seconds: Seconds = Field(default=0.5, description=SECONDS)
    max_wait_seconds: Seconds = Field(default=60.0, description=SECONDS)
    timeout_seconds: Seconds = Field(default=10.0, description=SECONDS)


class ParquetExchange(Part):
    """A Parquet file of one symbol, or a folder of them; `symbol` and `interval` are what a single file holds."""

    kind: Literal["parquet"]
    name: Text | None = Field(default=None, description=A_NAME)
    path: Text = Field(description=A_PATH)
    symbol: Symbol | None = Field(default=None, description=A_SYMBOL)
    interval: Text | None = Field(default=None, description=AN_INTERVAL)


class CsvExchange(Part):
    """A CSV file of one symbol, or a folder of them; `symbol` and `interval` are what a single file holds."""

    kind: Literal["csv"]
    name: Text | None = Field(default=None, description=A_NAME)
    path: Text = Field(description=A_PATH)
    symbol: Symbol | None = Field(default=None, description=A_SYMBOL)
    interval: Text | None = Field(default=None, description=AN_INTERVAL)


class SqlExchange(Part):
    """A table of a database by its URL; `symbol` and `interval` are what a table without such columns holds."""

    kind: Literal["sql"]
    name: Text | None = Field(default=None, description=A_NAME)
    url: Text = Field(description=A_URL)
    table: Text = Field(description="the name of a table")
    columns: dict[str, Text] = Field(default={}, description="a mapping from our columns to those of the table")
    symbol: Symbol | None = Field(default=None, description=A_SYMBOL)
    interval: Text | None = Field(default=None, description=AN_INTERVAL)
    precision_table: Text | None = Field(default=None, description="the name of a table")


class CacheExchange(Part):
    """Candles that `btk cache import` or an earlier warm-up put into the data folder, and nothing else."""

    kind: Literal["cache"]
    name: Text = Field(description=A_NAME)


ExchangeConfig: TypeAlias = DemoExchange | CcxtExchange | ParquetExchange | CsvExchange | SqlExchange | CacheExchange
EXCHANGES: dict[str, type[ExchangeConfig]] = {
    get_args(model.model_fields["kind"].annotation)[0]: model for model in get_args(ExchangeConfig)
}
NAME_TAG = "name"


def _tag(value: Any) -> str | None:  # noqa: ANN401 - raw input
    """Return which form *value* has: a name, or a mapping of one kind."""
    if isinstance(value, str):
        return NAME_TAG
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if isinstance(kind, str) and kind in EXCHANGES else None


_Demo: TypeAlias = Annotated[DemoExchange, Tag("demo")]
_Ccxt: TypeAlias = Annotated[CcxtExchange, Tag("ccxt")]
_Parquet: TypeAlias = Annotated[ParquetExchange, Tag("parquet")]
_Csv: TypeAlias = Annotated[CsvExchange, Tag("csv")]
_Sql: TypeAlias = Annotated[SqlExchange, Tag("sql")]
_Cache: TypeAlias = Annotated[CacheExchange, Tag("cache")]
Described: TypeAlias = Annotated[_Demo | _Ccxt | _Parquet | _Csv | _Sql | _Cache, Discriminator(_tag)]
"""An exchange spelled out."""
NamedOrDescribed: TypeAlias = Annotated[
    Annotated[Text, Tag(NAME_TAG)] | _Demo | _Ccxt | _Parquet | _Csv | _Sql | _Cache, Discriminator(_tag)
]
"""An exchange spelled out, or the name of one."""
