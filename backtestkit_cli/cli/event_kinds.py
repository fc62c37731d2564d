"""The kinds of event that can be listened to, with the fields that a listener finds on them."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, get_type_hints

from backtestkit_cli.events.facts import Event

_PACKAGE = "backtestkit_cli.events"


def event_kinds() -> list[dict[str, Any]]:
    """Return name, kind (recorded or ping), fields with their types, and what each event says, as JSON can hold it."""
    return [
        {
            "name": kind.__name__,
            "kind": "recorded" if issubclass(kind, Event) else "ping",
            "fields": {name: _type_text(hint) for name, hint in get_type_hints(kind).items()},
            "note": _sentence(kind),
        }
        for kind in _kinds()
    ]


def _kinds() -> Iterator[type]:
    for found in iter_modules(import_module(_PACKAGE).__path__, f"{_PACKAGE}."):
        module = import_module(found.name)
        for kind in vars(module).values():
            if inspect.isclass(kind) and kind.__module__ == found.name and "at_ms" in get_type_hints(kind):
                yield kind


def _sentence(kind: type) -> str:
    text = " ".join((kind.__doc__ or "").split()).removeprefix("Ping: ")
    return text[:1].upper() + text[1:]


def _type_text(hint: Any) -> str:  # noqa: ANN401 - any annotation
    """Return *hint* as its author wrote it, without modules."""
    if inspect.isclass(hint) and not hasattr(hint, "__args__"):
        return hint.__name__.replace("NoneType", "None")
    if getattr(hint, "__origin__", None) is None and hasattr(hint, "__args__"):
        return " | ".join(map(_type_text, hint.__args__))
    return str(hint)
