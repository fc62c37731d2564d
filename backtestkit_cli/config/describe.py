"""A config as a table: what `btk check config` prints."""

from enum import Enum

from backtestkit_cli.config.flat import flat
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.config.origins import Key, dotted
from backtestkit_cli.config.secrets import open_part, without_secrets
from backtestkit_cli.domain.interval import utc_text


def describe(loaded: LoadedConfig) -> list[tuple[str, str, str]]:
    """Return key, value and origin of every value, defaults included, in the order in which people read them."""
    rows = ((key, dotted(key), open_part(key, value)) for key, value in flat(loaded.config).items())
    return [(name, _text(key, value), loaded.origins[name]) for key, name, value in rows]


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
