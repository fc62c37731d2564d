"""The webhook and Telegram against a real server, one message at a time."""

import hashlib
import hmac
from dataclasses import replace
from typing import Any

import orjson
import pytest

from backtestkit_cli.alerts.levels import Interest
from backtestkit_cli.alerts.posting import Poster
from backtestkit_cli.alerts.sinks import Delivered, Refused, Unreached, Verdict
from backtestkit_cli.alerts.telegram import Telegram, shortened
from backtestkit_cli.alerts.webhook import Webhook
from tests.alerts.happenings import NOW_MS, failed, opened, told
from tests.alerts.receiver import Answer, Receiver, listening
from tests.builders import START_MS

TOKEN = "123456:telegram-token"  # noqa: S105 - what the loopback server is told
SECRET = "a secret to sign with"  # noqa: S105 - as above


def poster(timeout_seconds: float = 5.0) -> Poster:
    return Poster(timeout_seconds, lambda: NOW_MS)


async def webhook_verdict(receiver: Receiver, *, secret: str = "", timeout_seconds: float = 5.0) -> Verdict:
    async with listening(receiver):
        sink = Webhook(f"{receiver.url}/hook", secret, Interest(), poster(timeout_seconds))
        verdict = await sink.send(told(opened()))
        await sink.close()
    return verdict


async def telegram_verdict(receiver: Receiver, message: Any = None, now_ms: int = NOW_MS) -> Verdict:
    async with listening(receiver):
        sink = Telegram(receiver.url, TOKEN, "-100", Interest(), poster(), lambda: now_ms)
        verdict = await sink.send(message or told(opened()))
        await sink.close()
    return verdict


async def test_a_webhook_gets_json_with_text_and_facts() -> None:
    receiver = Receiver()
    assert await webhook_verdict(receiver) == Delivered()
    (sent,) = receiver.taken
    assert {name: value for name, value in sent.items() if name not in {"id", "facts", "text"}} == {
        "at": START_MS,
        "level": "info",
        "mode": "live",
        "exchange": "binance",
        "strategy": "sma_cross",
        "symbol": "BTCUSDT",
        "event": "position_opened",
        "dropped": 0,
    }
    assert sent["text"].startswith("BTCUSDT long opened at 100 for 100.00")
    assert sent["facts"]["stop_loss"] == 98.0
    assert len(sent["id"]) == 16
    assert receiver.headers[0]["Content-Type"] == "application/json"
    assert "X-Btk-Signature" not in receiver.headers[0]


async def test_a_webhook_with_a_secret_is_signed_over_the_very_bytes() -> None:
    receiver = Receiver()
    await webhook_verdict(receiver, secret=SECRET)
    expected = hmac.new(SECRET.encode(), receiver.bodies[0], hashlib.sha256).hexdigest()
    assert receiver.headers[0]["X-Btk-Signature"] == f"sha256={expected}"


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answer(500), Unreached("answered with status 500")),
        (Answer(503, headers={"Retry-After": "7"}), Unreached("answered with status 503", 7.0)),
        (Answer(429, headers={"Retry-After": "3"}), Unreached("answered with status 429", 3.0)),
        (Answer(403), Unreached("answered with status 403")),
        (Answer(302, headers={"Location": "/elsewhere"}), Unreached("answered with status 302")),
        (Answer(400), Refused("answered with status 400")),
        (Answer(422), Refused("answered with status 422")),
    ],
)
async def test_a_status_speaks_of_the_place_or_of_the_message(answer: Answer, verdict: Verdict) -> None:
    assert await webhook_verdict(Receiver(answer)) == verdict


async def test_a_place_that_does_not_answer_is_not_waited_for_longer_than_allowed() -> None:
    verdict = await webhook_verdict(Receiver(Answer(delay_seconds=0.3)), timeout_seconds=0.05)
    assert verdict == Unreached("no answer in time")


async def test_a_place_that_is_not_there_is_told_without_its_address() -> None:
    sink = Webhook("http://127.0.0.1:1/hook?key=abcdefgh", "", Interest(), poster())
    assert await sink.send(told(opened())) == Unreached("not reached, ClientConnectorError")
    await sink.close()


async def test_telegram_gets_the_chat_and_the_text() -> None:
    receiver = Receiver()
    assert await telegram_verdict(receiver) == Delivered()
    assert receiver.paths == [f"/bot{TOKEN}/sendMessage"]
    assert receiver.taken == [{"chat_id": "-100", "text": told(opened()).text}]


async def test_an_error_is_marked_and_a_late_message_says_when_it_was_meant_to_come() -> None:
    receiver = Receiver()
    await telegram_verdict(receiver, told(failed()), now_ms=NOW_MS + 60_000)
    assert receiver.texts[0].startswith("[2025-05-04 00:01 UTC] Error: BTCUSDT error occurred")


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (
            Answer(429, {"ok": False, "description": "Too Many Requests", "parameters": {"retry_after": 5}}),
            Unreached("answered with status 429: Too Many Requests", 5.0),
        ),
        (Answer(200, {"hello": 1}), Unreached("answered with what is no answer of the Bot API")),
        (
            Answer(400, {"ok": False, "description": "Bad Request: chat not found"}),
            Unreached("answered with status 400: Bad Request: chat not found"),
        ),
        (
            Answer(400, {"ok": False, "description": "Bad Request: message is too long"}),
            Refused("answered with status 400: Bad Request: message is too long"),
        ),
        (
            Answer(401, {"ok": False, "description": "Unauthorized"}),
            Unreached("answered with status 401: Unauthorized"),
        ),
    ],
)
async def test_telegram_says_what_is_wrong(answer: Answer, verdict: Verdict) -> None:
    assert await telegram_verdict(Receiver(answer)) == verdict


async def test_a_long_message_is_cut_to_what_telegram_takes() -> None:
    receiver = Receiver()
    await telegram_verdict(receiver, replace(told(opened()), text="x" * 5000))
    assert receiver.texts == ["x" * 4095 + "…"]


@pytest.mark.parametrize("text", ["🚀" * 2049, "x" + "🚀" * 2048, "🚀" * 5000])
def test_no_character_is_cut_in_two(text: str) -> None:
    cut = shortened(text)
    assert len(cut.encode("utf-16-le")) <= 2 * 4096
    assert cut.endswith("🚀…")
    assert orjson.loads(orjson.dumps(cut)) == cut


def test_a_message_that_just_fits_is_left_alone() -> None:
    assert shortened("🚀" * 2048) == "🚀" * 2048
