"""API keys: who may do what, and whether a request is really theirs."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import NamedTuple

from tests.venue.calls import Call, Refusal
from tests.venue.market import VenueMarket, real_now_ms
from tests.venue.matching.rules import missing

_SIGNATURE = re.compile(r"(^|&)signature=[^&]*")
_MAX_WINDOW_MS = 60_000
_AHEAD_MS = 1_000


class Key(NamedTuple):
    """One key of the account."""

    secret: str
    can_trade: bool = True
    can_withdraw: bool = False


LOOPBACK_KEY, LOOPBACK_SECRET = "loopback-key", "loopback-secret"
READER_KEY, READER_SECRET = "reader-key", "reader-secret"
LOOPBACK_KEYS: Mapping[str, Key] = {
    LOOPBACK_KEY: Key(LOOPBACK_SECRET),
    READER_KEY: Key(READER_SECRET, can_trade=False),
}


class Keys:
    """Checks key, time and signature of private requests, in the order in which Binance does.

    A client may sign by the market's clock or by real time, for the market of a test is often in the past; a skew
    of the venue moves both. Where `checks_time` is off any time will do.
    """

    def __init__(
        self, market: VenueMarket, keys: Mapping[str, Key] = LOOPBACK_KEYS, *, checks_time: bool = True
    ) -> None:
        self.keys = dict(keys)
        self.checks_time = checks_time
        self._market = market

    def check(self, call: Call, *, trades: bool = False) -> Key:
        """Return the key of *call*, or refuse."""
        name = next((value for header, value in call.headers.items() if header.upper() == "X-MBX-APIKEY"), "")
        return self.check_signed(name, call.params, _SIGNATURE.sub("", call.payload).lstrip("&"), trades=trades)

    def check_signed(self, name: str, params: Mapping[str, str], payload: str, *, trades: bool = False) -> Key:
        """Return the key of that *name* where *params* hold a good time, and the signature of *payload*."""
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise Refusal(-2014, "API-key format invalid.", 401)
        key = self.keys.get(name)
        if key is None or (trades and not key.can_trade):
            raise Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        self._check_time(params)
        signature = hmac.new(key.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signature, params.get("signature", "")):
            raise Refusal(-1022, "Signature for this request is not valid.")
        return key

    def _check_time(self, params: Mapping[str, str]) -> None:
        sent, window = params.get("timestamp", ""), params.get("recvWindow", "5000")
        if not sent.isdigit():
            raise missing("timestamp")
        if not self.checks_time:
            return
        window_ms = min(int(float(window)), _MAX_WINDOW_MS)
        ages_ms = [now_ms - int(sent) for now_ms in (self._market.server_ms, real_now_ms() + self._market.skew_ms)]
        if any(-_AHEAD_MS < age_ms <= window_ms for age_ms in ages_ms):
            return
        if all(age_ms <= -_AHEAD_MS for age_ms in ages_ms):
            raise Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
