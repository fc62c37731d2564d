"""What nobody may read in a config or a command line, and the same text without it."""

import re

from backtestkit_cli.config.origins import Key
from backtestkit_cli.domain.stores import SCHEMES, shown_url

_PASSWORD = re.compile(r"(?<=://)([^/@:]*):(?!\$\{\w+\}@)[^/]*@(?=[^/]*)")
_SECRET = re.compile(r"((?:key|secret|token|password)\w*=)(?!\$\{)[^&\s]+", re.IGNORECASE)
_STORE = re.compile(rf"\b(?:{'|'.join(re.escape(one) for several in SCHEMES.values() for one in several)})://\S+")
_WEBHOOK = re.compile(r"(webhook\b.*?\burl\W+\w+://[^/\s]+/)[^\s,}\"']+")


def without_secrets(text: str) -> str:
    """Return *text* with the password of a URL hidden, and what follows `password=`, `token=` and the like.

    A password that names a variable, `${NAME}`, is none. Of the URL of a webhook only the host stays.
    """
    shown = _STORE.sub(lambda match: shown_url(match[0]), text)
    return _WEBHOOK.sub(r"\1…", _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1:***@", shown)))


def open_part(key: Key, value: object) -> object:
    """Return what everybody may see of the value at *key*: of a webhook, the path of which is a secret, the host."""
    is_of_a_server = key[-1:] == ("url",) and (key[:1] == ("store",) or key[:2] == ("alerts", "redis"))
    if is_of_a_server and isinstance(value, str):
        return shown_url(value)
    if key != ("alerts", "webhook", "url") or not isinstance(value, str):
        return value
    scheme, sign, rest = value.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    return f"{scheme}{sign}{host}/…"
