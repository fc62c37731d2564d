"""The places that a config names, with what the environment knows of them."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from backtestkit_cli.alerts.levels import Interest
from backtestkit_cli.alerts.posting import Poster
from backtestkit_cli.alerts.sinks import Sink
from backtestkit_cli.alerts.telegram import Telegram
from backtestkit_cli.alerts.webhook import Webhook
from backtestkit_cli.domain.alerts import AlertsOptions, TelegramOptions, WebhookOptions
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
    if problems:
        raise ConfigError(problems)
    return tuple(sinks)


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

    def interest(self, options: WebhookOptions | TelegramOptions) -> Interest:
        if options.events is None:
            return Interest(options.min_level)
        known = kind_names()
        for name in options.events:
            if name not in known:
                self.complain(f".events: unknown kind of event {name!r}{suggestion(name, known)}")
        return Interest(options.min_level, frozenset(options.events))

    def url(self, key: str, url: str) -> str:
        if not _is_url(url):
            self.complain(f".{key}: expected a URL that starts with https:// or http://, found something else")
        return url


def _webhook(options: WebhookOptions, values: _Values, now_ms: Callable[[], int]) -> Webhook:
    url = ""
    if (options.url is None) == (options.url_env is None):
        found = "neither" if options.url is None else "both"
        values.complain(f": expected either url or url_env, found {found}")
    elif options.url is not None:
        url = values.url("url", options.url)
    elif options.url_env is not None and (url := values.variable("url_env", options.url_env)):
        values.url("url_env", url)
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


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
