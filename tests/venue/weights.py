"""The venue's own limit: each request weighs something, and a minute bears only so much."""

from collections.abc import Mapping

from backtestkit_cli.domain.interval import MINUTE_MS, floor_to
from tests.venue.calls import EXCHANGE_INFO, KLINES
from tests.venue.faults import ErrorAnswer, error_body

BINANCE_WEIGHTS = {
    EXCHANGE_INFO: 20,
    KLINES: 2,
    "/api/v3/ticker/price": 2,
    "/api/v3/ticker/24hr": 2,
    "/api/v3/depth": 5,
    "/api/v3/aggTrades": 4,
    "/api/v3/account": 20,
    "/api/v3/openOrders": 6,
    "/api/v3/allOrders": 20,
    "/api/v3/myTrades": 20,
}


class Weights:
    """Counts the weight of each minute of the venue's clock; a client that will not stop is banned."""

    def __init__(
        self,
        per_minute: int = 6_000,
        by_path: Mapping[str, int] | None = None,
        *,
        refusals_before_ban: int = 10,
        ban_ms: int = 2 * MINUTE_MS,
    ) -> None:
        """Let a minute bear *per_minute*; a path that is not listed in *by_path* weighs 1."""
        self.per_minute = per_minute
        self.used = 0
        self._by_path = BINANCE_WEIGHTS if by_path is None else by_path
        self._refusals_before_ban = refusals_before_ban
        self._ban_ms = ban_ms
        self._minute_ms = 0
        self._refusals = 0
        self._banned_until_ms = 0

    def spend(self, path: str, now_ms: int) -> ErrorAnswer | None:
        """Count a request; return the answer that refuses it where it is one too many."""
        if now_ms < self._banned_until_ms:
            return _refusal(418, f"Way too much request weight used; IP banned until {self._banned_until_ms}.",
                            self._banned_until_ms - now_ms)  # fmt: skip
        minute_ms = floor_to(now_ms, MINUTE_MS)
        if minute_ms != self._minute_ms:
            self._minute_ms, self.used, self._refusals = minute_ms, 0, 0
        self.used += self._by_path.get(path, 1)
        if self.used <= self.per_minute:
            return None
        self._refusals += 1
        if self._refusals > self._refusals_before_ban:
            self._banned_until_ms = now_ms + self._ban_ms
        text = f"Too much request weight used; current limit is {self.per_minute} request weight per 1 MINUTE."
        return _refusal(429, text, minute_ms + MINUTE_MS - now_ms)


def _refusal(status: int, message: str, wait_ms: int) -> ErrorAnswer:
    return ErrorAnswer(f"{status} by weight", status, error_body(-1003, message), retry_after_s=-(-wait_ms // 1000))
