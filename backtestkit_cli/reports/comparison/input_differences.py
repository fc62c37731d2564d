"""What two runs were computed from, and where that differs: without it nobody knows what a comparison compares."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from backtestkit_cli.domain.interval import utc_text

Plain: TypeAlias = str | int | float | bool | None

_SHARED: Final = ("mode", "exchange", "source", "symbols", "jobs", "groups", "portfolio", "risks", "versions")
_BY_STRATEGY: Final = ("settings", "strategies", "risk", "sizings")

_LAST: Final = ("candles.", "versions.")


class InputDifference(NamedTuple):
    """An input by its place in the manifest, `settings.fee_pct`, with its value in either run, None for none."""

    name: str
    a: Plain
    b: Plain


def input_differences(
    a: Mapping[str, Any], b: Mapping[str, Any], strategies: tuple[str, str] | None = None
) -> tuple[InputDifference, ...]:
    """Return where the inputs of the manifests *a* and *b* differ, by name; candles and versions come last.

    With *strategies*, one of each run, these are held against each other whatever they are called; without, every
    strategy is compared with the one of its name. Candles are told apart by their fingerprint; where the runs read
    stretches of another length, such as for more warm-up, by how many minutes those are: the rest may be the same.
    """
    name_a, name_b = strategies or (None, None)
    in_a, in_b = _inputs(a, name_a, b["candles"]), _inputs(b, name_b, a["candles"])
    names = sorted(in_a.keys() | in_b.keys(), key=lambda name: (name.startswith(_LAST), name))
    found = (InputDifference(name, in_a.get(name), in_b.get(name)) for name in names)
    return tuple(one for one in found if one.a != one.b)


def _inputs(manifest: Mapping[str, Any], strategy: str | None, candles: Mapping[str, Any]) -> dict[str, Plain]:
    """Return the inputs of *manifest* by their places; *candles* are those of the other run."""
    frame = manifest["frame"]
    inputs = {name: manifest[name] for name in _SHARED if name in manifest}
    inputs["frame"] = {"name": frame["name"], "from": utc_text(frame["start"]), "to": utc_text(frame["end"])}
    inputs["candles"] = {
        symbol: facts["fingerprint"]
        if facts["minutes"] == candles.get(symbol, facts)["minutes"]
        else f"{facts['minutes']:,} minutes"
        for symbol, facts in manifest["candles"].items()
    }
    for name in _BY_STRATEGY:
        part = manifest.get(name, {})
        inputs[name] = part if strategy is None else part.get(strategy, {})
    if strategy is not None:
        inputs["strategy"] = strategy
    return dict(_flat("", inputs))


def _flat(name: str, value: Any) -> Iterator[tuple[str, Plain]]:  # noqa: ANN401 - JSON is of any of its kinds
    """Yield every plain value below *value* with its place; lists of plain values are one text."""
    match value:
        case Mapping():
            for key, one in value.items():
                yield from _flat(f"{name}.{key}" if name else str(key), one)
        case list() if all(isinstance(one, str | int | float) for one in value):
            yield name, ", ".join(map(str, value))
        case list():
            yield from _flat(name, _named(value))
        case _:
            yield name, value


def _named(entries: Sequence[Any]) -> dict[str, Any]:
    """Return a list of things by their names: jobs have one, rules are pairs of a name and a value."""
    named: dict[str, Any] = {}
    for number, entry in enumerate(entries, start=1):
        key, value = str(number), entry
        if isinstance(entry, Mapping) and "name" in entry:
            key = str(entry["name"])
        elif isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str):
            key, value = entry
        named[f"{key} ({number})" if key in named else key] = value
    return named
