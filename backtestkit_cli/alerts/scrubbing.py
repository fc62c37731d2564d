"""Taking secrets out of whatever is logged, saved or sent."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

_SHORTEST = 6  # shorter ones would be taken out of the middle of words
_SHORTEST_PART = 12  # a part of a path that long is no word


class Scrubber:
    """Replaces *secrets* wherever they stand, also where they were quoted for a URL."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Know the *secrets*; those of under six characters are not looked for."""
        forms = {form for secret in secrets for form in (secret, quote(secret, safe=""), unquote(secret))}
        self._forms = sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return *text* with `***` in the place of each secret."""
        for form in self._forms:
            text = text.replace(form, "***")
        return text

    def value(self, value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
        """Return *value* with all text in it, at any depth, scrubbed."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.value(one) for name, one in value.items()}
        return [self.value(one) for one in value] if isinstance(value, list | tuple) else value


def secrets_of(url: str) -> tuple[str, ...]:
    """Return what must not be shown of *url*: the whole, its user and password, and what looks like a key in it."""
    parts = urlsplit(url)
    keys = [value for _, value in parse_qsl(parts.query)]
    keys += [part for part in parts.path.split("/") if len(part) >= _SHORTEST_PART]
    return tuple(filter(None, (url, parts.username, parts.password, *keys)))
