"""How messages show a value that an author handed over, whatever it is."""

_LONGEST = 80


def shown(value: object) -> str:
    """Return *value* as one short line; one that cannot be shown is named by its type, in brackets."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001 - a whole number of 5,000 digits has no text, and an author's class may do anything
        return f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
