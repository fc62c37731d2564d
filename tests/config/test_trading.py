"""What a config says of trading: the wall clock, the simulated venue, alerts, and where state is kept."""

import json

import pytest

from backtestkit_cli.config.describe import describe
from backtestkit_cli.config.secrets import without_secrets
from backtestkit_cli.config.snapshot import from_snapshot, snapshot_of
from backtestkit_cli.domain.alerts import AlertLevel, AlertsOptions, RedisOptions, TelegramOptions, WebhookOptions
from backtestkit_cli.domain.trading import ExitsAt, OnStop, PaperOptions, TradingOptions
from tests.config.sources import load, problems

SECTIONS = """
trading:
  on_stop: close
  exits: engine
  attempts: 1e1
paper: {balance: 5e3, latency_ms: 250, max_volume_pct: 10}
store: {kind: file, folder: state}
alerts:
  max_waiting: 50
  webhook: {url_env: HOOK, min_level: warning, events: "position_opened, position_closed"}
  telegram: {}
"""
HOOK = "https://hooks.example.org/services/T0/B1/nobodyknows"


def test_the_sections_are_read() -> None:
    config = load(SECTIONS).config
    assert config.trading == TradingOptions(on_stop=OnStop.CLOSE, exits=ExitsAt.ENGINE, attempts=10)
    assert config.paper == PaperOptions(balance=5000.0, latency_ms=250, max_volume_pct=10.0)
    assert config.store.folder == "state"
    assert config.alerts == AlertsOptions(
        max_waiting=50,
        webhook=WebhookOptions(
            url_env="HOOK", min_level=AlertLevel.WARNING, events=("position_opened", "position_closed")
        ),
        telegram=TelegramOptions(),
    )


def test_what_is_not_said_is_the_default_and_a_section_of_comments_says_nothing() -> None:
    for text in (None, "trading:\npaper:\nalerts:\nstore:\n"):
        config = load(text).config
        assert (config.trading, config.paper, config.alerts) == (TradingOptions(), PaperOptions(), AlertsOptions())
        assert (config.store.kind, config.store.folder) == ("file", ".btk/state")


def test_sets_and_variables_add_to_the_sections_each_with_its_origin() -> None:
    loaded = load(
        SECTIONS,
        sets=["trading.on_stop=keep", "alerts.webhook.min_level=error", "alerts.telegram=null"],
        environ={"CC_PAPER_BALANCE": "700", "CC_STORE_FOLDER": "elsewhere", "CC_TRADING_EXITS": "venue"},
    )
    assert loaded.config.trading == TradingOptions(attempts=10)
    assert loaded.config.paper == PaperOptions(balance=700.0, latency_ms=250, max_volume_pct=10.0)
    assert loaded.config.alerts.webhook is not None
    assert loaded.config.alerts.webhook.min_level is AlertLevel.ERROR
    assert loaded.config.alerts.telegram is None
    rows = {key: (value, origin) for key, value, origin in describe(loaded)}
    assert rows["trading.on_stop"] == ("keep", "flag --set")
    assert rows["trading.exits"] == ("venue", "environment CC_TRADING_EXITS")
    assert rows["trading.attempts"] == ("10", "configs/run.yaml:5")
    assert rows["paper.balance"] == ("700.0", "environment CC_PAPER_BALANCE")
    assert rows["store.folder"] == ("elsewhere", "environment CC_STORE_FOLDER")
    assert rows["alerts.webhook.events"] == ("position_opened, position_closed", "configs/run.yaml:10")


def test_a_home_folder_is_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert load("store: {folder: ~/state}\n").config.store.folder == "/home/somebody/state"


NOT_HERE = "does not belong in a config: put"
KEYS = f"{NOT_HERE} keys into the environment, as <EXCHANGE NAME>_API_KEY and <EXCHANGE NAME>_API_SECRET"
WRONG = {
    "trading: {on_stop: kep}": "trading.on_stop: expected keep or close, found 'kep'; did you mean 'keep'?",
    "trading: {exits: nowhere}": "trading.exits: expected venue or engine, found 'nowhere'",
    "trading: {attempts: 0}": "trading.attempts: expected a whole number from 1 to 20, found 0",
    "trading: {max_lateness_seconds: x}": (
        "trading.max_lateness_seconds: expected a number above 0 and at most 3,600, found 'x'"
    ),
    "trading: {attempt: 1}": "trading.attempt: unknown key; did you mean 'attempts'?",
    "trading: keep": "trading: expected a mapping of what trading on the wall clock asks for, found 'keep'",
    "on_stop: keep": "on_stop: unknown key; it belongs under `trading:`",
    "paper: {balance: 0}": "paper.balance: expected a number above 0 and at most 1,000,000,000,000,000, found 0",
    "paper: {latency_ms: -1}": "paper.latency_ms: expected a whole number from 0 to 3,600,000, found -1",
    "paper: {max_volume_pct: 101}": (
        "paper.max_volume_pct: expected a number above 0 and at most 100 or null, found 101"
    ),
    "store: {folder: ''}": "store.folder: expected a text that is not empty, found ''",
    "alerts: {webhook: {url_env: A, min_level: loud}}": (
        "alerts.webhook.min_level: expected info, warning or error, found 'loud'"
    ),
    "alerts: {redis: {channel: a}}": "alerts.redis: expected either url or url_env, found neither",
    "alerts: {webhook: {events: [a]}}": "alerts.webhook: expected either url or url_env, found neither",
    "alerts: {webhook: {url: http://h/a, url_env: A}}": "alerts.webhook: expected either url or url_env, found both",
    "alerts: {webhook: {url_env: ''}}": "alerts.webhook.url_env: expected a text that is not empty or null, found ''",
    "alerts: {webhook: {url_env: A, events: {a: 1}}}": (
        "alerts.webhook.events: expected a list of names or null, found a mapping"
    ),
    "alerts: {webhook: http://h/a}": "alerts.webhook: expected a mapping or null, found 'http://h/a'",
    "alerts: {webhook: {url_en: A}}": "alerts.webhook.url_en: unknown key; did you mean 'url' or 'url_env'?",
    "alerts: {telegra: {}}": "alerts.telegra: unknown key; did you mean 'telegram'?",
    "alerts: {telegram: }": (
        "alerts.telegram: expected a mapping with token_env, found nothing; to send nothing there leave the key out"
    ),
    "alerts: {max_waiting: 0}": "alerts.max_waiting: expected a whole number from 1 to 10,000, found 0",
    # what nobody may read
    "alerts: {telegram: {token: '1:abc'}}": (
        f"alerts.telegram.token: {NOT_HERE} it into an environment variable, and name that as token_env"
    ),
    "exchange: {kind: ccxt, id: binance, apiKey: abc}": f"exchange.apiKey: {KEYS}",
    "exchange: {kind: ccxt, id: binance, secret: abc}": f"exchange.secret: {KEYS}",
    "exchanges: {a: {kind: ccxt, id: binance, api_key: abc}}": f"exchanges.a.api_key: {KEYS}",
    "trading: {api_secret: abc}": f"trading.api_secret: {KEYS}",
    "api_key: abc": f"api_key: {KEYS}",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_named_with_its_line_and_a_secret_is_not_shown(text: str) -> None:
    """A205: keys in a config are refused, and no line repeats them."""
    assert problems(f"# a comment\n{text}\n") == [f"configs/run.yaml:2: {WRONG[text]}"]
    assert "abc" not in WRONG[text]


def test_a_secret_by_set_is_refused_as_well() -> None:
    assert problems(sets=["exchange.api_key=abc"]) == [f"flag --set: exchange.api_key: {KEYS}"]


def test_a_manifest_has_of_a_channel_of_redis_no_password() -> None:
    url = "redis://me:nobodyknows@redis.example.org:6379/0"
    for loaded in (load(f"alerts:\n  redis: {{url: {url}}}\n"), load(sets=[f"alerts={{redis: {{url: '{url}'}}}}"])):
        assert loaded.config.alerts.redis == RedisOptions(url=url)
        snapshot = snapshot_of(loaded)
        for told in (json.dumps(snapshot), str(describe(loaded)), repr(loaded.config.alerts)):
            assert "nobodyknows" not in told
        assert snapshot["config"]["alerts"]["redis"]["url"] == "redis://me:***@redis.example.org:6379/0"


def test_a_manifest_has_of_a_webhook_the_host_only() -> None:
    text = f"alerts:\n  webhook: {{url: {HOOK}}}\n"
    sets = (f"alerts.webhook.url={HOOK}", f"alerts={{webhook: {{url: {HOOK}}}}}")
    for loaded in (load(text), *(load(sets=[one]) for one in sets)):
        assert loaded.config.alerts.webhook is not None
        assert loaded.config.alerts.webhook.url == HOOK
        snapshot = snapshot_of(loaded)
        for told in (json.dumps(snapshot, ensure_ascii=False), str(describe(loaded)), repr(loaded.config.alerts)):
            assert "nobodyknows" not in told
        assert snapshot["config"]["alerts"]["webhook"]["url"] == "https://hooks.example.org/…"
        assert from_snapshot(snapshot, where="run").config.trading == TradingOptions()


@pytest.mark.parametrize(
    "argument",
    [f"alerts.webhook.url={HOOK}", f"alerts={{webhook: {{url: {HOOK}}}}}", f"alerts.webhook={{url: '{HOOK}'}}"],
)
def test_a_command_line_has_of_a_webhook_the_host_only(argument: str) -> None:
    told = without_secrets(argument)
    assert "hooks.example.org/…" in told
    assert "services" not in told


def test_a_snapshot_gives_the_same_options_again() -> None:
    loaded = load(SECTIONS)
    again = from_snapshot(json.loads(json.dumps(snapshot_of(loaded))), where="run").config
    assert (again.trading, again.paper, again.alerts, again.store) == (
        loaded.config.trading,
        loaded.config.paper,
        loaded.config.alerts,
        loaded.config.store,
    )
