"""The outbox with real servers on the loopback interface and a store of files."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from backtestkit_cli.alerts.courier import Limits
from backtestkit_cli.alerts.levels import Interest
from backtestkit_cli.alerts.outbox import Outbox, listener
from backtestkit_cli.alerts.posting import Poster
from backtestkit_cli.alerts.sinks import Sink
from backtestkit_cli.alerts.telegram import Telegram
from backtestkit_cli.alerts.webhook import Webhook
from backtestkit_cli.domain.alerts import AlertLevel
from backtestkit_cli.events.bus import Bus
from backtestkit_cli.events.facts import Event
from backtestkit_cli.ports import Json, Key
from tests.alerts.folder_store import FolderStore
from tests.alerts.happenings import NOW_MS, STRATEGY, closed, failed, lost, opened
from tests.alerts.receiver import Answer, Receiver, listening, until

TOKEN = "123456:telegram-token"  # noqa: S105 - what the loopback server is told
SECRET = "a secret to sign with"  # noqa: S105 - as above
PATH_KEY = "T0123456789abcdef"
QUICK = Limits(first_wait_seconds=0.001, max_wait_seconds=0.004, rest_seconds=0.005)
DEAD = Answer(500)


class Naps:
    """Sleeps hardly at all, and keeps how long it was asked to."""

    def __init__(self, *, forever: bool = False) -> None:
        self.asked: list[float] = []
        self.forever = forever

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        await asyncio.sleep(60 if self.forever else 0.001)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "state")


def webhook(receiver: Receiver, interest: Interest = Interest(), seconds: float = 2.0) -> Webhook:  # noqa: B008
    return Webhook(f"{receiver.url}/{PATH_KEY}", SECRET, interest, Poster(seconds, lambda: NOW_MS))


def telegram(receiver: Receiver, interest: Interest = Interest()) -> Telegram:  # noqa: B008
    return Telegram(receiver.url, TOKEN, "-100", interest, Poster(2.0, lambda: NOW_MS), lambda: NOW_MS)


def outbox_of(
    store: FolderStore, *sinks: Sink, naps: Naps | None = None, limits: Limits = QUICK, secrets: Sequence[str] = ()
) -> Outbox:
    return Outbox(
        store,
        "live",
        "binance",
        sinks,
        now_ms=lambda: NOW_MS,
        sleep=(naps or Naps()).sleep,
        rng=random.Random(7),
        limits=limits,
        secrets=secrets,
    )


def named(count: int) -> list[str]:
    return [f"S{number}USDT" for number in range(count)]


async def post_all(outbox: Outbox, events: Sequence[Event]) -> None:
    for event in events:
        await outbox.post(event)


def saved(store: FolderStore) -> list[Path]:
    return [*store.folder.rglob("*.json")]


async def test_messages_arrive_everywhere_in_order_and_their_records_go(store: FolderStore) -> None:
    hook, chat = Receiver(), Receiver()
    async with listening(hook, chat):
        outbox = outbox_of(store, webhook(hook), telegram(chat))
        await outbox.start()
        await post_all(outbox, [opened(symbol) for symbol in named(12)])
        await until(lambda: not saved(store))
        await outbox.close(1.0)
    assert hook.symbols == named(12)
    assert [text.split()[0] for text in chat.texts] == named(12)
    assert outbox.waiting == {"webhook": 0, "telegram": 0}


async def test_a_message_is_saved_before_it_is_sent(store: FolderStore) -> None:
    hook, is_written = Receiver(), asyncio.Event()

    class Slow(FolderStore):
        async def write(self, key: Key, record: Json) -> None:
            await is_written.wait()
            await super().write(key, record)

    async with listening(hook):
        outbox = outbox_of(Slow(store.folder), webhook(hook))
        await outbox.start()
        posting = asyncio.create_task(outbox.post(opened()))
        await asyncio.sleep(0.03)
        assert not hook.tried
        is_written.set()
        await posting
        await until(lambda: bool(hook.taken))
        await outbox.close(1.0)


async def test_a_bus_tells_the_outbox_of_every_event(store: FolderStore) -> None:
    hook = Receiver()
    async with listening(hook):
        outbox = outbox_of(store, webhook(hook))
        await outbox.start()
        bus = Bus()
        bus.subscribe(listener(outbox))
        for event in (opened(), lost(), closed()):
            for handler in bus.handlers_for(type(event), STRATEGY, "BTCUSDT", "live"):
                await handler(event)
        await until(lambda: len(hook.taken) == 3)
        await outbox.close(1.0)
    assert [one["event"] for one in hook.taken] == ["position_opened", "connection_lost", "position_closed"]


async def test_each_place_hears_what_it_asked_for(store: FolderStore) -> None:
    hook, chat = Receiver(), Receiver()
    async with listening(hook, chat):
        grave = Interest(AlertLevel.ERROR)
        outbox = outbox_of(store, webhook(hook, Interest(events=frozenset({"position_closed"}))), telegram(chat, grave))
        await outbox.start()
        await post_all(outbox, [opened(), closed(), failed()])
        await until(lambda: bool(hook.taken and chat.taken))
        await outbox.close(1.0)
    assert [one["event"] for one in hook.taken] == ["position_closed"]
    assert [text.split(":")[0] for text in chat.texts] == ["Error"]


@pytest.mark.parametrize(
    "script",
    [
        [Answer(500), Answer(502)],
        [Answer(delay_seconds=0.15), Answer(delay_seconds=0.15)],
        [Answer(429), Answer(408), Answer(404)],
        [DEAD] * 15,  # longer than one round of attempts
    ],
    ids=["errors", "timeouts", "limits", "a long time"],
)
async def test_what_fails_is_tried_again_and_order_is_kept(store: FolderStore, script: list[Answer]) -> None:
    hook, naps = Receiver(*script), Naps()
    async with listening(hook):
        outbox = outbox_of(store, webhook(hook, seconds=0.05), naps=naps)
        await outbox.start()
        await post_all(outbox, [opened(symbol) for symbol in named(3)])
        await until(lambda: outbox.waiting == {"webhook": 0})
        await outbox.close(1.0)
    assert list(dict.fromkeys(hook.symbols)) == named(3)
    assert len(naps.asked) == len(script)


async def test_waits_double_with_jitter_then_the_place_is_left_alone_and_tried_again(store: FolderStore) -> None:
    hook, naps = Receiver(*[DEAD] * 8), Naps()
    limits = Limits(attempts=4, first_wait_seconds=1.0, max_wait_seconds=3.0, rest_seconds=100.0)
    async with listening(hook):
        outbox = outbox_of(store, webhook(hook), naps=naps, limits=limits)
        await outbox.start()
        await outbox.post(opened())
        await until(lambda: bool(hook.taken))
        await outbox.close(1.0)
    due = [1.0, 2.0, 3.0, 100.0] * 2
    assert all(full / 2 <= asked <= full for asked, full in zip(naps.asked, due, strict=True))
    assert len({asked / full for asked, full in zip(naps.asked, due, strict=True)}) > 4


@pytest.mark.parametrize(
    "answer", [Answer(429, headers={"Retry-After": "17"}), Answer(503, headers={"Retry-After": "17"})]
)
async def test_a_place_that_asks_for_time_gets_it(store: FolderStore, answer: Answer) -> None:
    hook, naps = Receiver(answer), Naps()
    async with listening(hook):
        outbox = outbox_of(store, webhook(hook), naps=naps)
        await outbox.start()
        await outbox.post(opened())
        await until(lambda: bool(hook.taken))
        await outbox.close(1.0)
    assert naps.asked == [17.0]


async def test_telegram_that_asks_for_time_gets_it(store: FolderStore) -> None:
    chat = Receiver(Answer(429, {"ok": False, "description": "later", "parameters": {"retry_after": 5}}))
    naps = Naps()
    async with listening(chat):
        outbox = outbox_of(store, telegram(chat), naps=naps)
        await outbox.start()
        await outbox.post(opened())
        await until(lambda: bool(chat.taken))
        await outbox.close(1.0)
    assert naps.asked == [5.0]


async def stopped(outbox: Outbox) -> None:
    await outbox.close(0.2)


async def killed(outbox: Outbox) -> None:
    """Leave all as it is, as a process that is killed does."""
    for courier in outbox._couriers:
        assert courier._task
        courier._task.cancel()
        await asyncio.gather(courier._task, return_exceptions=True)
        await courier.sink.close()


@pytest.mark.parametrize("end", [stopped, killed])
async def test_what_was_not_delivered_is_sent_after_a_restart_before_what_is_new(
    store: FolderStore, end: Callable[[Outbox], Awaitable[None]]
) -> None:
    hook = Receiver(then=DEAD)
    async with listening(hook):
        first = outbox_of(store, webhook(hook))
        await first.start()
        await post_all(first, [opened(symbol) for symbol in named(11)])
        await end(first)
        assert len(saved(store)) == 11
        hook.then = Answer()
        second = outbox_of(store, webhook(hook))
        await second.post(closed("NEWUSDT"))
        await second.start()
        await until(lambda: len(hook.taken) == 12)
        await second.close(1.0)
    assert hook.symbols == [*named(11), "NEWUSDT"]
    assert not saved(store)


async def test_a_message_that_comes_twice_has_the_same_id_and_others_have_others(store: FolderStore) -> None:
    hook = Receiver(Answer(delay_seconds=0.1))  # takes it, and is not waited for long enough to say so
    async with listening(hook):
        outbox = outbox_of(store, webhook(hook, seconds=0.03))
        await outbox.start()
        await post_all(outbox, [opened(), opened(at_ms=NOW_MS)])
        await until(lambda: len(hook.tried) == 3)
        await outbox.close(1.0)
    first, again, other = (one["id"] for one in hook.tried)
    assert first == again != other


async def test_a_damaged_record_of_an_earlier_run_does_not_stop_the_others(
    store: FolderStore, caplog: pytest.LogCaptureFixture
) -> None:
    hook = Receiver(then=DEAD)
    async with listening(hook):
        first = outbox_of(store, webhook(hook))
        await post_all(first, [opened(symbol) for symbol in named(3)])
        await first.close(0.2)
        damaged, foreign, _ = sorted(saved(store))
        damaged.write_text("{")
        foreign.write_text("{}")
        hook.then = Answer()
        second = outbox_of(store, webhook(hook))
        await second.start()
        await until(lambda: bool(hook.taken))
        await second.close(1.0)
    assert hook.symbols == named(3)[2:]
    assert sum("one of an earlier run cannot be read" in record.message for record in caplog.records) == 2


async def test_a_dead_place_holds_up_neither_trading_nor_the_other_place(store: FolderStore) -> None:
    hook, chat = Receiver(then=Answer(delay_seconds=1.0)), Receiver()
    async with listening(hook, chat):
        outbox = outbox_of(store, webhook(hook), telegram(chat))
        await outbox.start()
        took = []
        for symbol in named(60):
            begun = time.perf_counter()
            await outbox.post(opened(symbol))
            took.append(time.perf_counter() - begun)
        assert store.writes == 120  # which is all that a post waits for
        await until(lambda: len(chat.taken) == 60)
        assert not hook.taken
        begun = time.perf_counter()
        await outbox.close(0.05)
        assert time.perf_counter() - begun < 0.5
    assert sorted(took)[30] < 0.005
    assert outbox.waiting["webhook"] == 60


async def test_a_full_disk_is_told_once_and_messages_are_sent_from_memory(
    store: FolderStore, caplog: pytest.LogCaptureFixture
) -> None:
    hook = Receiver()
    store.is_full = True
    async with listening(hook):
        outbox = outbox_of(store, webhook(hook))
        await outbox.start()
        await post_all(outbox, [opened(symbol) for symbol in named(5)])
        await until(lambda: len(hook.taken) == 5)
        await outbox.close(1.0)
    assert [record.message for record in caplog.records if record.name == "btk.alerts"] == [
        f"alerts to webhook: they cannot be saved, and are sent from memory: {store.name}: no space left"
    ]


async def test_too_many_waiting_lose_the_oldest_informational_ones_and_the_next_says_so(store: FolderStore) -> None:
    hook, naps = Receiver(then=DEAD), Naps(forever=True)
    limits = Limits(max_waiting=6)
    async with listening(hook):
        first = outbox_of(store, webhook(hook), naps=naps, limits=limits)
        await first.start()
        await post_all(first, [failed("ERR"), closed("END"), lost("NET"), *map(opened, named(10))])
        await until(lambda: bool(naps.asked))
        assert first.waiting == {"webhook": 6}
        await first.close(0.5)
        assert len(saved(store)) == 6
        hook.then = Answer()
        second = outbox_of(store, webhook(hook), limits=limits)
        await second.start()
        await until(lambda: len(hook.taken) == 6)
        await second.close(1.0)
    assert hook.symbols == ["ERR", "END", "NET", *named(10)[7:]]
    assert [one["dropped"] for one in hook.taken] == [0, 0, 0, 7, 0, 0]
    assert hook.texts[3].endswith("(7 messages before this were dropped)")


async def test_a_message_on_its_way_is_not_dropped(store: FolderStore) -> None:
    hook = Receiver(Answer(delay_seconds=0.1))
    async with listening(hook):
        outbox = outbox_of(store, webhook(hook), limits=Limits(max_waiting=2))
        await outbox.start()
        await outbox.post(opened("FIRST"))
        await until(lambda: bool(hook.tried))
        await post_all(outbox, [opened(symbol) for symbol in named(3)])
        await until(lambda: outbox.waiting == {"webhook": 0})
        await outbox.close(1.0)
    assert [(one["symbol"], one["dropped"]) for one in hook.taken] == [("FIRST", 0), ("S2USDT", 2)]
    assert not saved(store)


async def test_a_message_that_is_refused_is_dropped_and_the_next_says_so(
    store: FolderStore, caplog: pytest.LogCaptureFixture
) -> None:
    hook = Receiver(Answer(422))
    async with listening(hook):
        outbox = outbox_of(store, webhook(hook))
        await outbox.start()
        await outbox.post(opened("BAD"))
        await until(lambda: outbox.waiting == {"webhook": 0})
        await outbox.post(opened("GOOD"))
        await until(lambda: bool(hook.taken))
        await outbox.close(1.0)
    assert [(one["symbol"], one["dropped"]) for one in hook.taken] == [("GOOD", 1)]
    assert "position_opened is not taken and was dropped: answered with status 422" in caplog.text
    assert not saved(store)


async def test_closing_sends_what_waits_for_its_next_attempt_and_leaves_no_task(store: FolderStore) -> None:
    hook, naps = Receiver(DEAD), Naps(forever=True)
    async with listening(hook):
        before = asyncio.all_tasks()
        outbox = outbox_of(store, webhook(hook), naps=naps)
        await outbox.start()
        await post_all(outbox, [opened(symbol) for symbol in named(3)])
        await until(lambda: bool(naps.asked))
        await outbox.close(1.0)
        assert hook.symbols == named(3)
        assert {task for task in asyncio.all_tasks() - before if "alerts" in task.get_name()} == set()
        await outbox.post(opened("LATE"))
        await outbox.close(1.0)
    assert len(saved(store)) == 1
    assert hook.symbols == named(3)


async def test_closing_does_not_press_a_place_that_asked_for_time(store: FolderStore) -> None:
    hook, naps = Receiver(Answer(429, headers={"Retry-After": "60"})), Naps(forever=True)
    async with listening(hook):
        outbox = outbox_of(store, webhook(hook), naps=naps)
        await outbox.start()
        await outbox.post(opened())
        await until(lambda: bool(naps.asked))
        await outbox.close(1.0)
    assert len(hook.tried) == 1
    assert len(saved(store)) == 1


async def test_a_task_that_cannot_go_on_says_so(store: FolderStore, caplog: pytest.LogCaptureFixture) -> None:
    hook, naps = Receiver(DEAD), Naps()

    async def broken(seconds: float) -> None:
        raise RuntimeError("no such clock")

    naps.sleep = broken  # type: ignore[method-assign]
    async with listening(hook):
        outbox = outbox_of(store, webhook(hook), naps=naps)
        await outbox.start()
        await outbox.post(opened())
        await until(lambda: "nothing more is sent" in caplog.text)
        await outbox.close(1.0)
    assert "alerts to webhook: nothing more is sent before a restart, RuntimeError: no such clock" in caplog.text


async def test_what_cannot_be_told_is_logged_once_and_never_raised(
    store: FolderStore, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = outbox_of(store, webhook(Receiver()))
    for _ in range(2):
        await outbox.post(Event(NOW_MS, STRATEGY, "BTCUSDT"))
    await outbox.close(0.1)
    assert [record.message for record in caplog.records] == [
        "alerts: Event could not be told: TypeError: no row is defined for Event"
    ]


async def test_secrets_are_in_no_record_no_log_and_no_message(
    store: FolderStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api_key = "an-api-key-of-the-venue"
    hook = Receiver(then=DEAD)
    chat = Receiver(Answer(401, {"ok": False, "description": f"no bot has {TOKEN}"}), then=DEAD)
    async with listening(hook, chat):
        sinks = webhook(hook), telegram(chat)
        outbox = outbox_of(store, *sinks, secrets=[api_key])
        await outbox.start()
        leaky = f"{sinks[0].secrets[0]} and {SECRET} and {TOKEN} and {api_key}"
        await post_all(outbox, [failed(error=leaky), lost(reason=leaky)])
        await until(lambda: len(hook.tried) > 2 < len(chat.tried))
        store.is_full = True
        store.name = leaky
        await outbox.post(opened())
        await outbox.close(0.2)
    secrets = (SECRET, TOKEN, TOKEN.replace(":", "%3A"), PATH_KEY, api_key, sinks[0].secrets[0])
    written = [path.read_text() for path in saved(store)]
    logged = [f"{record.getMessage()} {vars(record)}" for record in caplog.records if record.name != "aiohttp.access"]
    sent = [body.decode() for body in (*hook.bodies, *chat.bodies)]
    assert len(written) == 4
    assert "no bot has ***" in caplog.text
    assert [one for one in (*written, *logged, *sent) for secret in secrets if secret in one] == []
