"""Messages to a chat of Telegram, by `sendMessage` of its Bot API."""

from collections.abc import Callable
from typing import Any

import orjson

from backtestkit_cli.alerts.levels import Interest
from backtestkit_cli.alerts.message import Message
from backtestkit_cli.alerts.posting import Poster, Reply
from backtestkit_cli.alerts.sinks import Delivered, Refused, Unreached, Verdict
from backtestkit_cli.domain.alerts import AlertLevel
from backtestkit_cli.domain.interval import MINUTE_MS, utc_text

MAX_UNITS = 4096
"""The most that one message may hold, in units of UTF-16."""

_MARKS = {AlertLevel.INFO: "", AlertLevel.WARNING: "Warning: ", AlertLevel.ERROR: "Error: "}


class Telegram:
    """Writes each message into one chat."""

    name = "telegram"

    def __init__(
        self, url: str, token: str, chat: str, interest: Interest, poster: Poster, now_ms: Callable[[], int]
    ) -> None:
        """Write as the bot of *token* into *chat*, through the API at *url*, what *interest* includes."""
        self.interest = interest
        self.secrets = (token,)
        self._url = f"{url.rstrip('/')}/bot{token}/sendMessage"
        self._chat = chat
        self._poster = poster
        self._now_ms = now_ms

    async def send(self, message: Message) -> Verdict:
        """Write *message* once; one that comes late says when it was meant to come."""
        text = shortened(text_of(message, self._now_ms()))
        reply = await self._poster.post(self._url, orjson.dumps({"chat_id": self._chat, "text": text}), {})
        return _verdict(reply) if isinstance(reply, Reply) else reply

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()


def text_of(message: Message, now_ms: int) -> str:
    """Return what is written into the chat at *now_ms*."""
    is_late = now_ms - message.posted_ms >= MINUTE_MS
    when = f"[{utc_text(message.posted_ms)} UTC] " if is_late else ""
    return f"{when}{_MARKS[message.level]}{message.full_text}"


def shortened(text: str) -> str:
    """Return *text*, cut where Telegram would refuse it; no character is cut in two."""
    units = text.encode("utf-16-le")
    if len(units) <= 2 * MAX_UNITS:
        return text
    return units[: 2 * (MAX_UNITS - 1)].decode("utf-16-le", "ignore") + "…"


def _verdict(reply: Reply) -> Verdict:
    answer = _answer(reply.body)
    verdict = reply.verdict
    if isinstance(verdict, Delivered):
        return verdict if answer.get("ok") is True else Unreached("answered with what is no answer of the Bot API")
    reason = f"{verdict.reason}: {answer.get('description', 'without a description')}"
    if isinstance(verdict, Unreached):
        return Unreached(reason, _asked_wait(answer) or verdict.retry_after_s)
    is_of_the_chat = "chat" in str(answer.get("description", "")).lower()
    return Unreached(reason) if is_of_the_chat else Refused(reason)


def _answer(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _asked_wait(answer: dict[str, Any]) -> float | None:
    parameters = answer.get("parameters")
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return float(seconds) if isinstance(seconds, int | float) and seconds > 0 else None
