"""Where a database is: a URL with parts from the environment, and the same URL fit to be shown."""

import os
import re

from backtestkit_cli.errors import ConfigError

_NAME = re.compile(r"\$\{([^}]*)\}")
_SECRET = re.compile(r"([?&][^=&]*(?:pass|pwd|secret|token|odbc_connect)[^=&]*=)[^&]*", re.IGNORECASE)
_HIDDEN = "***"


def resolved(url: str) -> str:
    """Return *url* with every `${NAME}` replaced by that environment variable.

    What stands where user and password do is taken as it is, so that it may hold any character;
    everywhere else the variable is a piece of URL.

    Raises:
        ConfigError: a variable is not set.
    """
    credentials = range(url.find("://") + 3, url.rfind("@")) if "://" in url else range(0)

    def value_of(match: re.Match[str]) -> str:
        value = os.environ.get(match[1])
        if value is None:
            raise ConfigError(f"url {masked(url)}: expected the environment variable {match[1]}, found it unset")
        return _escaped(value) if match.start() in credentials else value

    return _NAME.sub(value_of, url)


def _escaped(value: str) -> str:
    """Return *value* with what has a meaning in a URL written as `%40`; a colon may part user and password."""
    return "".join(c if c.isalnum() and c.isascii() else _percent(c) for c in value).replace("%3A", ":")


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def masked(url: str) -> str:
    """Return *url* without its secrets: a password is `***`, a `${NAME}` stays, also where *url* is no good one."""
    if _NAME.fullmatch(url):
        return url
    scheme, found, rest = url.partition("://")
    if not found:
        return _HIDDEN
    credentials, at, place = rest.rpartition("@")
    if at and not credentials.startswith("/"):
        user, colon, password = credentials.partition(":")
        shown = password if not password or _NAME.fullmatch(password) else _HIDDEN
        rest = f"{user}{colon}{shown}@{place}"
    rest = _SECRET.sub(lambda match: match[1] + _HIDDEN, rest)
    return f"{scheme}://{rest}"


def scrubbed(text: str, secrets: tuple[str, ...]) -> str:
    """Return *text* on one line without the *secrets*, should a driver ever repeat one."""
    line = " ".join(text.split())
    for secret in filter(None, secrets):
        line = re.sub(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", _HIDDEN, line)
    return line
