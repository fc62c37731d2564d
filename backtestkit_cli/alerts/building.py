"""The places that a config names, with what the environment knows of them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from urllib.parse import urlsplit

from backtestkit_cli.alerts.levels import Interest
from backtestkit_cli.alerts.posting import Poster
from backtestkit_cli.alerts.sinks import Sink
from backtestkit_cli.alerts.telegram import Telegram
from backtestkit_cli.alerts.webhook import Webhook
from backtestkit_cli.domain.alerts import AlertsOptions, RedisOptions, TelegramOptions, WebhookOptions
from backtestkit_cli.domain.stores import StoreKind, url_problem
from backtestkit_cli.errors import ConfigError, suggestion
from backtestkit_cli.events.kinds import kind_names

_MIN_SECRET = 8


def sinks_of(options: AlertsOptions, environ: Mapping[str, str], now_ms: Callable[[], int]) -> tuple[Sink, ...]:
    """Return the places of *options*; URLs, tokens and secrets are in *environ*.

    Raises:
        ConfigError: a variable is not set, a URL is none, or a kind of event is unknown; all problems are named, and
            no secret is.
    """
    problems: list[str] = []
    sinks: list[Sink] = []
    if options.webhook is not None:
        sinks.append(_webhook(options.webhook, _Values("alerts.webhook", environ, problems), now_ms))
    if options.telegram is not None:
        sinks.append(_telegram(options.telegram, _Values("alerts.telegram", environ, problems), now_ms))
    if options.redis is not None:
        sinks += _redis(options.redis, _Values("alerts.redis", environ, problems))
    if problems:
        raise ConfigError(problems)
    return tuple(sinks)


def _http_problem(url: str) -> str:
    """Return what is wrong with *url* as one to post to, nothing if it may be one."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_url = False
    return "" if is_url else "expected a URL that starts with https:// or http://, found something else"


class _Values:
    """Reads what the section *where* needs, and notes in *problems* what is wrong with it."""

    def __init__(self, where: str, environ: Mapping[str, str], problems: list[str]) -> None:
        self._where = where
        self._environ = environ
        self._problems = problems

    def complain(self, problem: str) -> None:
        self._problems.append(f"{self._where}{problem}")

    def variable(self, key: str, name: str) -> str:
        value = self._environ.get(name, "").strip()
        if not value:
            self.complain(f".{key}: expected the environment variable {name} to be set, found nothing in it")
        return value

    def interest(self, options: WebhookOptions | TelegramOptions | RedisOptions) -> Interest:
        if options.events is None:
            return Interest(options.min_level)
        known = kind_names()
        for name in options.events:
            if name not in known:
                self.complain(f".events: unknown kind of event {name!r}{suggestion(name, known)}")
        return Interest(options.min_level, frozenset(options.events))

    def url(self, key: str, url: str, problem_of: Callable[[str], str] = _http_problem) -> str:
        """Return *url*, or nothing where it is none."""
        problem = problem_of(url)
        if problem:
            self.complain(f".{key}: {problem}")
        return "" if problem else url

    def given_url(
        self, options: WebhookOptions | RedisOptions, problem_of: Callable[[str], str] = _http_problem
    ) -> str:
        """Return the URL that is written there or in a variable, one of the two."""
        if (options.url is None) == (options.url_env is None):
            found = "neither" if options.url is None else "both"
            self.complain(f": expected either url or url_env, found {found}")
        elif options.url is not None:
            return self.url("url", options.url, problem_of)
        elif options.url_env is not None and (url := self.variable("url_env", options.url_env)):
            return self.url("url_env", url, problem_of)
        return ""


def _webhook(options: WebhookOptions, values: _Values, now_ms: Callable[[], int]) -> Webhook:
    url = values.given_url(options)
    secret = ""
    if options.secret_env is not None:
        secret = values.variable("secret_env", options.secret_env)
        if 0 < len(secret) < _MIN_SECRET:
            values.complain(f".secret_env: expected a secret of at least {_MIN_SECRET} characters, found {len(secret)}")
    return Webhook(url, secret, values.interest(options), Poster(options.timeout_seconds, now_ms))


def _telegram(options: TelegramOptions, values: _Values, now_ms: Callable[[], int]) -> Telegram:
    return Telegram(
        values.url("url", options.url),
        values.variable("token_env", options.token_env),
        values.variable("chat_env", options.chat_env),
        values.interest(options),
        Poster(options.timeout_seconds, now_ms),
        now_ms,
    )


def _redis(options: RedisOptions, values: _Values) -> list[Sink]:
    """Return the channel, or nothing where something is wrong with it."""
    interest = values.interest(options)
    if options.events is None:
        interest = replace(interest, events=frozenset(kind_names()))
    url = values.given_url(options, partial(url_problem, StoreKind.REDIS))
    if not url:
        return []
    try:
        module = import_module("backtestkit_cli.alerts.redis_channel")
        return [module.RedisChannel(url, options.channel, interest, options.timeout_seconds)]
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "redis":
            raise
        values.complain(": needs redis, found it not installed: pip install 'backtestkit-cli[redis]'")
    except ValueError:  # what it says may be a secret
        values.complain(": expected a URL of Redis, found something else")
    return []
