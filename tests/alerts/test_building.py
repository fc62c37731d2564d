import pytest

from backtestkit_cli.alerts.building import sinks_of
from backtestkit_cli.alerts.levels import Interest
from backtestkit_cli.domain.alerts import AlertLevel, AlertsOptions, RedisOptions, TelegramOptions, WebhookOptions
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.events.kinds import kind_names
from tests.alerts.happenings import NOW_MS

URL = "https://hooks.example/abcdefghijklmnop"
SIGNED_BY, SHORT = "SIGN", "SHORT"
ENVIRON = {"HOOK": URL, SIGNED_BY: "long enough", "BTK_TELEGRAM_TOKEN": "1:token", "BTK_TELEGRAM_CHAT": "-100"}


def problems(options: AlertsOptions, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        sinks_of(options, ENVIRON if environ is None else environ, lambda: NOW_MS)
    return tuple(caught.value.problems)


def test_a_config_without_alerts_names_no_place() -> None:
    assert sinks_of(AlertsOptions(), {}, lambda: NOW_MS) == ()
    assert not AlertsOptions().is_on


def test_both_places_are_made_from_options_and_environment() -> None:
    webhook = WebhookOptions(url_env="HOOK", secret_env=SIGNED_BY, min_level=AlertLevel.WARNING)
    telegram = TelegramOptions(events=("position_opened",))
    sinks = sinks_of(AlertsOptions(webhook=webhook, telegram=telegram), ENVIRON, lambda: NOW_MS)
    assert [sink.name for sink in sinks] == ["webhook", "telegram"]
    assert [sink.interest for sink in sinks] == [
        Interest(AlertLevel.WARNING),
        Interest(AlertLevel.INFO, frozenset({"position_opened"})),
    ]
    assert {URL, "long enough", "1:token"} <= {secret for sink in sinks for secret in sink.secrets}


def test_all_that_is_missing_is_named_at_once() -> None:
    options = AlertsOptions(webhook=WebhookOptions(url_env="HOOK"), telegram=TelegramOptions())
    missing = {
        "webhook.url_env": "HOOK",
        "telegram.token_env": "BTK_TELEGRAM_TOKEN",
        "telegram.chat_env": "BTK_TELEGRAM_CHAT",
    }
    assert problems(options, {}) == tuple(
        f"alerts.{key}: expected the environment variable {name} to be set, found nothing in it"
        for key, name in missing.items()
    )


def test_an_unknown_kind_of_event_is_named_with_the_nearest() -> None:
    options = AlertsOptions(telegram=TelegramOptions(events=("position_open", "order_filled")))
    (problem,) = problems(options)
    assert problem.startswith("alerts.telegram.events: unknown kind of event 'position_open'; did you mean ")
    assert "'position_opened'" in problem


@pytest.mark.parametrize(
    ("webhook", "problem"),
    [
        (WebhookOptions(), "alerts.webhook: expected either url or url_env, found neither"),
        (WebhookOptions(url=URL, url_env="HOOK"), "alerts.webhook: expected either url or url_env, found both"),
        (
            WebhookOptions(url="ftp://secret-place"),
            "alerts.webhook.url: expected a URL that starts with https:// or http://, found something else",
        ),
        (
            WebhookOptions(url="http://[secret"),
            "alerts.webhook.url: expected a URL that starts with https:// or http://, found something else",
        ),
        (
            WebhookOptions(url=URL, secret_env=SHORT),
            "alerts.webhook.secret_env: expected a secret of at least 8 characters, found 5",
        ),
    ],
)
def test_what_is_wrong_with_a_webhook_is_said_without_what_is_secret(webhook: WebhookOptions, problem: str) -> None:
    assert problems(AlertsOptions(webhook=webhook), ENVIRON | {SHORT: "short"}) == (problem,)


def test_a_url_is_in_no_repr() -> None:
    assert URL not in repr(AlertsOptions(webhook=WebhookOptions(url=URL)))


REDIS = "redis://me:hush-hush@127.0.0.1:6379/0"


def test_a204_a_channel_of_redis_hears_of_all_kinds_unless_some_are_named() -> None:
    (sink,) = sinks_of(AlertsOptions(redis=RedisOptions(url_env="PLACE")), {"PLACE": REDIS}, lambda: NOW_MS)
    assert sink.name == "redis"
    assert all(sink.interest.includes(kind, AlertLevel.INFO) for kind in kind_names())
    assert {REDIS, "hush-hush"} <= set(sink.secrets)
    named = RedisOptions(url=REDIS, events=("position_closed",), min_level=AlertLevel.ERROR)
    (sink,) = sinks_of(AlertsOptions(redis=named), {}, lambda: NOW_MS)
    assert sink.interest == Interest(AlertLevel.ERROR, frozenset({"position_closed"}))


@pytest.mark.parametrize(
    ("redis", "problem"),
    [
        (RedisOptions(), ": expected either url or url_env, found neither"),
        (
            RedisOptions(url_env="NONE"),
            ".url_env: expected the environment variable NONE to be set, found nothing in it",
        ),
        (
            RedisOptions(url="http://:hush-hush@host"),
            ".url: expected a URL that begins with redis://, rediss:// or unix://, found http:// for kind redis",
        ),
        (RedisOptions(url=f"{REDIS}?socket_timeout=hush"), ": expected a URL of Redis, found something else"),
    ],
)
def test_what_is_wrong_with_a_channel_of_redis_is_said_without_what_is_secret(
    redis: RedisOptions, problem: str
) -> None:
    assert problems(AlertsOptions(redis=redis), {}) == (f"alerts.redis{problem}",)
