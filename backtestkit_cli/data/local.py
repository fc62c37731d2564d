"""What sources without a venue have in common."""

from backtestkit_cli.domain.grid import FREE, price_text, quantity_text


def plain_cache_name(symbol: str) -> str:
    """Return `BTCUSDT` for `BTC/USDT`: the name in the cache of a symbol whose venue has no rules for spelling it."""
    return symbol.replace("/", "")


class LocalSource:
    """A source that holds no connection and knows no steps: numbers are written with up to eight decimals."""

    def format_price(self, symbol: str, price: float) -> str:  # noqa: ARG002 - any symbol is written alike
        """Return *price* with up to eight decimals."""
        return price_text(FREE, price)

    def format_quantity(self, symbol: str, quantity: float) -> str:  # noqa: ARG002
        """Return *quantity* with up to eight decimals, cut rather than rounded."""
        return quantity_text(FREE, quantity)

    async def close(self) -> None:
        """Do nothing."""
