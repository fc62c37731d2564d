"""A config as a table: what `btk check config` prints."""

import re
from enum import Enum

from backtestkit_cli.config.flat import flat
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.config.origins import Key, dotted
from backtestkit_cli.domain.interval import utc_text


def describe(loaded: LoadedConfig) -> list[tuple[str, str, str]]:
    """Return key, value and origin of every value, defaults included, in the order in which people read them."""
    rows = ((key, dotted(key), open_part(key, value)) for key, value in flat(loaded.config).items())
    return [(name, _text(key, value), loaded.origins[name]) for key, name, value in rows]


_PASSWORD = re.compile(r"(?<=://)([^/@:]*):(?!\$\{\w+\}@)[^/]*@(?=[^/]*)")
_SECRET = re.compile(r"((?:key|secret|token|password)\w*=)(?!\$\{)[^&\s]+", re.IGNORECASE)


_WEBHOOK = re.compile(r"(webhook\b.*?\burl\W+\w+://[^/\s]+/)[^\s,}\"']+")


def without_secrets(text: str) -> str:
    """Return *text* with the password of a URL hidden, and what follows `password=`, `token=` and the like.

    A password that names a variable, `${NAME}`, is none. Of the URL of a webhook only the host stays.
    """
    return _WEBHOOK.sub(r"\1…", _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text)))


def open_part(key: Key, value: object) -> object:
    """Return what everybody may see of the value at *key*: of a webhook, the path of which is a secret, the host."""
    if key != ("alerts", "webhook", "url") or not isinstance(value, str):
        return value
    scheme, sign, rest = value.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    return f"{scheme}{sign}{host}/…"


def _text(key: Key, value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and key[0] in {"frame", "frames"}:
        return utc_text(value)
    return without_secrets(str(value))
