"""Who is told of what happens in a run, and from which level on: what the section `alerts` of a config says."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt, Le, MinLen


class AlertLevel(StrEnum):
    """How grave a message is, the least first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """A URL that takes messages as JSON: `url`, or the environment variable `url_env` that holds it.

    A URL may hold a secret, so it is in no `repr`, and must not be in a manifest. `secret_env` names the environment
    variable with the secret that messages are signed with. `events` are kinds as in `events.jsonl`, None for all but
    the most frequent ones.
    """

    url: Annotated[str, MinLen(1)] | None = field(default=None, repr=False)
    url_env: Annotated[str, MinLen(1)] | None = None
    secret_env: Annotated[str, MinLen(1)] | None = None
    min_level: AlertLevel = AlertLevel.INFO
    events: tuple[str, ...] | None = None
    timeout_seconds: Annotated[float, Gt(0), Le(300)] = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramOptions:
    """A chat of Telegram; `token_env` and `chat_env` name the environment variables with the bot and the chat.

    `url` is where the Bot API is, for those who run their own. `events` are as those of a webhook.
    """

    token_env: Annotated[str, MinLen(1)] = "BTK_TELEGRAM_TOKEN"  # noqa: S105 - the name of a variable
    chat_env: Annotated[str, MinLen(1)] = "BTK_TELEGRAM_CHAT"
    url: Annotated[str, MinLen(1)] = "https://api.telegram.org"
    min_level: AlertLevel = AlertLevel.INFO
    events: tuple[str, ...] | None = None
    timeout_seconds: Annotated[float, Gt(0), Le(300)] = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisOptions:
    """A channel of Redis on which events are published as JSON, for whoever listens: `url`, or `url_env` that holds it.

    A URL may hold a password, so it is in no `repr`, and must not be in a manifest. `events` are kinds as in
    `events.jsonl`, None for all of them.
    """

    url: Annotated[str, MinLen(1)] | None = field(default=None, repr=False)
    url_env: Annotated[str, MinLen(1)] | None = None
    channel: Annotated[str, MinLen(1)] = "btk"
    min_level: AlertLevel = AlertLevel.INFO
    events: tuple[str, ...] | None = None
    timeout_seconds: Annotated[float, Gt(0), Le(300)] = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsOptions:
    """Where messages go, nowhere by default; `max_waiting` bounds how many wait for one place that is down."""

    webhook: WebhookOptions | None = None
    telegram: TelegramOptions | None = None
    redis: RedisOptions | None = None
    max_waiting: Annotated[int, Ge(1), Le(10_000)] = 1000

    @property
    def is_on(self) -> bool:
        """Say whether anybody is told anything."""
        return bool(self.places)

    @property
    def places(self) -> tuple[str, ...]:
        """Return the keys of the places that are told."""
        return tuple(name for name in ("webhook", "telegram", "redis") if getattr(self, name) is not None)
