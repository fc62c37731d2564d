"""What is told about one event, and the record it is kept as until it has arrived."""

from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from typing import Any

import orjson

from backtestkit_cli.alerts.levels import alert_level
from backtestkit_cli.alerts.scrubbing import Scrubber
from backtestkit_cli.alerts.wording import dropped_text, sentence
from backtestkit_cli.domain.alerts import AlertLevel
from backtestkit_cli.errors import StoreError
from backtestkit_cli.events.facts import Event, PositionClosed
from backtestkit_cli.events.kinds import event_kind
from backtestkit_cli.events.plain_values import clean_text
from backtestkit_cli.events.rows import event_row
from backtestkit_cli.ports import Json

_CLOSED = event_kind(PositionClosed)
_HEAD = ("event", "at", "strategy", "symbol")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event, told: `at_ms` is its tick, `posted_ms` when it was told, by the wall clock.

    `id` is derived from the event, so the same message has the same id wherever and how often it arrives.
    `facts` is what its row in `events.jsonl` holds, and `dropped` how many messages before it were given up.
    `number` is its place in the order of those that wait for the same place.
    """

    id: str
    at_ms: int
    posted_ms: int
    level: AlertLevel
    mode: str
    exchange: str
    strategy: str
    symbol: str
    event: str
    text: str
    facts: dict[str, Any]
    dropped: int = 0
    number: int = 0

    @property
    def is_precious(self) -> bool:
        """Say whether it is never given up for want of room: an error, or the end of a position."""
        return self.level is AlertLevel.ERROR or self.event == _CLOSED

    @property
    def full_text(self) -> str:
        """Return the text with a notice of what was dropped before it."""
        return f"{self.text} {dropped_text(self.dropped)}" if self.dropped else self.text

    def scrubbed(self, scrubber: Scrubber) -> "Message":
        """Return the message without secrets: the text of an error may hold anything."""
        return replace(self, text=scrubber.text(self.text), facts=scrubber.value(self.facts))


def body_of(message: Message) -> bytes:
    """Return *message* as JSON for programs; `at` is Unix milliseconds, as in `events.jsonl`."""
    return orjson.dumps(
        {
            "id": message.id,
            "at": message.at_ms,
            "level": message.level.value,
            "mode": message.mode,
            "exchange": message.exchange,
            "strategy": message.strategy,
            "symbol": message.symbol,
            "event": message.event,
            "text": message.full_text,
            "facts": message.facts,
            "dropped": message.dropped,
        }
    )


def message_of(event: Event, mode: str, exchange: str, posted_ms: int) -> Message:
    """Return what is told about *event*."""
    row = event_row(event)
    return Message(
        id=sha256(orjson.dumps((mode, exchange, row))).hexdigest()[:16],
        at_ms=event.at_ms,
        posted_ms=posted_ms,
        level=alert_level(event),
        mode=mode,
        exchange=exchange,
        strategy=row["strategy"],
        symbol=row["symbol"],
        event=row["event"],
        text=clean_text(sentence(event, mode, exchange)),
        facts={name: value for name, value in row.items() if name not in _HEAD},
    )


def record_of(message: Message) -> Json:
    """Return *message* as JSON can hold it."""
    return asdict(message) | {"level": message.level.value}


def message_from(record: Json) -> Message:
    """Return what `record_of` was given.

    Raises:
        StoreError: the record is none of a message.
    """
    try:
        known = {field.name: record[field.name] for field in fields(Message)}
        return Message(**known | {"level": AlertLevel(record["level"])})
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"expected a message that waits to be sent, found a record without it: {error!r}") from None
