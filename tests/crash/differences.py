"""What sets the end of a bot that was killed apart from that of one that was not."""

import json
import re
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from tests.crash.child import EVENTS, STATE
from tests.crash.lives import Ending

_OF_THE_LIFE = {"revision", "sent_ms", "attempts", "run_id", "started_at_ms", "source", "legs", "price_expected"}
_OF_THE_LIFE |= {"candles"}  # which candle the paper venue has seen last; the last of all may come after the last tick
_ENDED = {"CANCELED", "EXPIRED", "REJECTED"}
_OF_AN_ORDER = ("symbol", "kind", "is_buy", "status", "quantity", "filled", "price", "price_stop")
_LEG_NUMBER = re.compile(r"(-[a-z])\d+")
_MEASURED = {"peak_equity": 1.0, "day_base": 1.0, "deepest_pct": 0.02}
"""By how much what the guard of the portfolio measured may differ: a life that was broken off measures when the orders
of its tick were not filled yet, which is worth their fees."""


def differences(killed: Ending, whole: Ending) -> list[str]:
    """Return a line for all that is not as it would have been; nothing is fine."""
    return [
        *_records(killed.folder / STATE, whole.folder / STATE),
        *_book(killed.book, whole.book),
        *_orders_twice(killed.book),
        *_events(killed.folder / EVENTS, whole.folder / EVENTS, killed.killed_at),
    ]


def _records(killed: Path, whole: Path) -> Iterator[str]:
    found, expected = _saved(killed), _saved(whole)
    for name in sorted(found.keys() | expected.keys()):
        if not _is_same(found.get(name), expected.get(name)):
            yield f"record {name}: expected {expected.get(name)}, found {found.get(name)}"


def _is_same(found: Any, expected: Any) -> bool:
    """Say whether two records are the same, but for how exactly something in them was measured."""
    if not isinstance(found, dict) or not isinstance(expected, dict) or found.keys() != expected.keys():
        return bool(found == expected)
    return all(
        abs(found[name] - one) <= _MEASURED[name] if name in _MEASURED else _is_same(found[name], one)
        for name, one in expected.items()
    )


def _saved(folder: Path) -> dict[str, Any]:
    files = sorted(folder.rglob("*.json*"))
    return {str(file.relative_to(folder)): _lasting(json.loads(file.read_text())) for file in files}


def _lasting(value: Any) -> Any:
    """Return *value* without what is of one life: numbers of revisions and legs, and real times."""
    if isinstance(value, dict):
        return {name: _part(name, part) for name, part in value.items() if name not in _OF_THE_LIFE}
    if isinstance(value, list):
        parts = [_lasting(part) for part in value]
        is_orders = all(isinstance(part, dict) and "order" in part for part in parts)
        # which of two symbols is first within a tick is chance
        return sorted(parts, key=lambda part: part["order"]["client_id"]) if is_orders else parts
    return _LEG_NUMBER.sub(r"\1", value) if isinstance(value, str) else value


def _part(name: str, value: Any) -> Any:
    if name == "admitted":  # in the order of sessions within a tick, which is chance, until it is read again
        return sorted(value, key=lambda one: (one["at_ms"], one["strategy"], one["symbol"]))
    return _lasting(value)


def _book(killed: dict[str, Any], whole: dict[str, Any]) -> Iterator[str]:
    for asset in sorted(killed["balances"].keys() | whole["balances"].keys()):
        found, expected = killed["balances"].get(asset), whole["balances"].get(asset)
        if found != expected:
            yield f"balance of {asset}: expected {expected}, found {found}"
    found, expected = _orders(killed), _orders(whole)
    for order in (expected - found).elements():
        yield f"venue: no order {order}"
    for order in (found - expected).elements():
        yield f"venue: order too many {order}"


def _orders(book: dict[str, Any]) -> "Counter[tuple[str, ...]]":
    """Return what was filled or still rests; an order that never arrived has left its number to nobody."""
    known = [order for order in book["orders"] if float(order["filled"]) or order["status"] not in _ENDED]
    return Counter(
        (_LEG_NUMBER.sub(r"\1", order["client_id"]), *(str(order[name]) for name in _OF_AN_ORDER)) for order in known
    )


def _orders_twice(book: dict[str, Any]) -> Iterator[str]:
    for client_id, count in Counter(order["client_id"] for order in book["orders"]).items():
        if count > 1:
            yield f"venue: {count} orders of id {client_id}"


def _events(killed: Path, whole: Path, killed_at: Container[int]) -> Iterator[str]:
    """Yield events that were told twice, and those that were lost.

    What was saved and not told when its tick was broken off is not told again: the next life says what it took up. A
    fill that was asked for in the next life is told, also where it is to the last bit what was expected.
    """
    found, expected = _told(killed), _told(whole)
    for event in (expected - found).elements():
        if json.loads(event)["at"] not in killed_at:
            yield f"event lost: {event}"
    for event in (found - expected).elements():
        row = json.loads(event)
        if not (row["event"] == "order_filled" and row["at"] in killed_at):
            yield f"event too many: {event}"


def _told(file: Path) -> "Counter[str]":
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return Counter(
        _LEG_NUMBER.sub(r"\1", json.dumps(_lasting(row)))
        for row in rows
        if not row.pop("restored") and row["event"] not in _MARKS
    )


_MARKS = {"position_restored", "session_restarted", "connection_lost", "connection_restored"}
