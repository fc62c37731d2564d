"""What an endpoint of the venue is asked, and how it refuses."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

KLINES = "/api/v3/klines"
EXCHANGE_INFO = "/api/v3/exchangeInfo"


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `params` are those of the query and of the body, `payload` is their text as it came."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    payload: str = ""


Endpoint: TypeAlias = Callable[[Call], Awaitable[object]]
"""Returns what becomes the JSON of the answer, or raises a `Refusal`."""

Endpoints: TypeAlias = Mapping[tuple[str, str], Endpoint]
"""Endpoints by method and path."""


class Refusal(Exception):  # noqa: N818 - the word of the domain
    """The venue understood, and says no in Binance's words."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "msg": message}
