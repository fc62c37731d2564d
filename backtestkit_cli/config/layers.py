"""The values of all sources laid over each other, each knowing where it came from."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from backtestkit_cli.config.origins import DEFAULT, Key, Mistake, Origin

SECTIONS = (
    *("settings", "exchanges", "frames", "sizings", "risks", "groups", "portfolio"),
    *("trading", "paper", "alerts", "store"),
)
"""The mappings that sources add to, where every other value is replaced as a whole."""

_SECTION_OF = {"exchange": "exchanges", "frame": "frames"}


@dataclass(frozen=True, slots=True)
class Override:
    """A value that a source other than the file gives to one key."""

    key: tuple[str, ...]
    value: object
    origin: Origin


@dataclass(frozen=True, slots=True)
class Layers:
    """A tree of raw values, and the origin of each of its keys.

    `built_in` returns what the name of an exchange stands for that no source describes, or None.
    """

    tree: dict[str, object] = field(default_factory=dict)
    origins: dict[Key, Origin] = field(default_factory=dict)
    built_in: Callable[[str], Mapping[str, object] | None] = lambda _: None

    def lay(self, overrides: Iterable[Override]) -> Iterator[Mistake]:
        """Lay *overrides* over what is there; of two for one key the one of higher rank wins.

        What gives a part of a value comes after what gives the whole: `--set exchange.seed=3` holds
        for the exchange that `--exchange` names. What names stand for comes before their use.
        """
        parts = [part for override in overrides for part in _split(override)]
        for part in sorted(parts, key=lambda part: (part.key[0] not in SECTIONS, len(part.key), part.origin.rank)):
            yield from self._put(part)

    def origin_of(self, key: Key) -> Origin:
        """Return where the value at *key* was given."""
        return self.origins.get(key, DEFAULT)

    def blamed_for(self, key: Key) -> Origin:
        """Return where to look for what is wrong at *key*, which need not be there itself.

        In a value put together from several sources that is the one of the highest rank.
        """
        within: list[Key] = []
        while key and not within:
            within = [at for at in self.origins if at[: len(key)] == key]
            key = key[:-1]
        blamed = max(within, key=lambda at: (self.origins[at].rank, -len(at)), default=())
        return self.origin_of(blamed)

    def _put(self, override: Override) -> Iterator[Mistake]:
        *parents, last = override.key
        if parents and not self._spell_out(parents[0]):
            text = f"expected exchange {self.tree[parents[0]]!r} to be described under `exchanges`, found no such entry"
            yield Mistake(override.origin, override.key, text)
            return
        node = self.tree
        for name in parents:
            if node.get(name) is None:
                node[name] = {}
            child = node[name]
            if not isinstance(child, dict):
                return  # the file has a wrong value there, which is reported as what it is
            node = child
        node[last] = override.value
        for key in [key for key in self.origins if key[: len(override.key)] == override.key]:
            del self.origins[key]
        self.origins.update(dict.fromkeys(_keys(override.value, override.key), override.origin))

    def _spell_out(self, key: str) -> bool:
        """Put what it stands for in the place of the name of an exchange or frame, so that a part can be given.

        Return whether that could be done. Of a frame that only a strategy module knows nothing stays:
        both of its ends have to be given.
        """
        name = self.tree.get(key)
        if key not in _SECTION_OF or not (name is None or isinstance(name, str)):
            return True
        section = _SECTION_OF[key]
        described = as_mapping(as_mapping(self.tree.get(section)).get(str(name)))
        if key == "exchange":
            described = self._exchange_called(name, described)
            if not described:
                return False
        by_name = self.origins.pop((key,), DEFAULT)
        self.origins.update({(key, part): by_name for part in described})
        self.origins.update(
            {(key, *at[2:]): origin for at, origin in self.origins.items() if at[:2] == (section, name) and at[2:]}
        )
        self.tree[key] = dict(described)
        return True

    def _exchange_called(self, name: object, described: Mapping[str, object]) -> dict[str, object]:
        """Return what the exchange *name* stands for, nothing if no source and nothing built in describes it."""
        if described or name in {None, "demo"}:
            return {"name": name, **(described or {"kind": "demo"})}
        return dict(self.built_in(str(name)) or {})


def as_mapping(value: object) -> dict[str, object]:
    """Return *value* if it is a mapping, else an empty one: what is wrong with it is said elsewhere."""
    return value if isinstance(value, dict) else {}


def _split(override: Override) -> Iterator[Override]:
    """Yield one override for each part of a section, as it adds to what other sources say there."""
    if len(override.key) == 1 and override.key[0] in SECTIONS and isinstance(override.value, Mapping):
        for name, value in override.value.items():
            yield Override((*override.key, name), value, override.origin)
    else:
        yield override


def _keys(value: object, key: Key) -> Iterator[Key]:
    yield key
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _keys(part, (*key, name))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _keys(part, (*key, index))
