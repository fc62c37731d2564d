"""The section `store`: where trading keeps what it must not forget, for each mode."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, TypeAlias

from pydantic import WrapValidator

from backtestkit_cli.config.origins import Key
from backtestkit_cli.config.values import Problem, is_one_line, numbers, refuse
from backtestkit_cli.config.wording import alternatives, found
from backtestkit_cli.domain.stores import SCHEMES, LeaseSeconds, PlaceOptions, StoreKind, StoreOptions, url_problem
from backtestkit_cli.errors import suggestion

RECORD_KINDS = ("signal", "schedule", "trade", "risk", "portfolio", "job", "run", "alert", "account")
"""The kinds of records that a run keeps."""

FORGETFUL = "expected a place that outlives the process, as orders are real, found memory"

_TOGETHER = RECORD_KINDS[:3]
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_LIVE, _BACKTEST = "live", "backtest"
_MODES = ("paper", _LIVE, _BACKTEST)
_OF_A_SERVER = ("url", "url_env", "prefix", "pool_size", "timeout_seconds", "patience_seconds")
_KEYS: Mapping[StoreKind, tuple[str, ...]] = {
    StoreKind.FILE: ("folder",),
    StoreKind.MEMORY: (),
    StoreKind.REDIS: (*_OF_A_SERVER, "schedule_ttl_seconds"),
    **dict.fromkeys((StoreKind.POSTGRES, StoreKind.MONGO, StoreKind.S3), _OF_A_SERVER),
    StoreKind.CUSTOM: ("factory", "url", "url_env", "patience_seconds"),
}
_LOCAL = {StoreKind.FILE, StoreKind.MEMORY}
_FACTORY = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def _place(value: object, made_of: Callable[[object], PlaceOptions]) -> PlaceOptions:
    """Return the place that *value* describes."""
    place = made_of(_read(value))
    problems = list(_unfit(place, value))
    if problems:
        refuse(*problems)
    return place


def made_store(value: object, made_of: Callable[[object], "StoreOfMode"]) -> "StoreOfMode":
    """Return the store of a mode that *value* describes."""
    store = made_of(_read(value))
    problems = [*_unfit(store, value), *_unfit_parts(store)]
    if problems:
        refuse(*problems)
    return store


Place: TypeAlias = Annotated[PlaceOptions, WrapValidator(_place)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOfMode(PlaceOptions):
    """A place, and what is kept elsewhere; `StoreOptions` as it is written."""

    lease_seconds: LeaseSeconds = 30.0
    cache: Place | None = None
    kinds: Mapping[str, Place] = field(default_factory=dict)

    @property
    def options(self) -> StoreOptions:
        """Return this as the domain has it."""
        place = PlaceOptions(**{one.name: getattr(self, one.name) for one in fields(PlaceOptions)})
        return StoreOptions(place=place, kinds=self.kinds, cache=self.cache, lease_seconds=self.lease_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig(StoreOfMode):
    """The store of all modes but those in `modes`, which have their own."""

    modes: Mapping[str, Annotated[StoreOfMode, WrapValidator(made_store)]] = field(default_factory=dict)

    def of(self, mode: str) -> StoreOptions:
        """Return where the runs of *mode* keep their records."""
        return self.modes.get(mode, self).options

    def shared(self, modes: Iterable[str]) -> list[tuple[StoreOptions, list[str]]]:
        """Return each store of *modes* once, and which of them keep their records there."""
        modes = list(modes)
        stores = [self.of(mode) for mode in modes]
        first = [store for at, store in enumerate(stores) if store not in stores[:at]]
        return [(one, [mode for mode, store in zip(modes, stores, strict=True) if store == one]) for one in first]


def forgetful(store: StoreOptions) -> Iterator[Key]:
    """Yield the key, below the section of its mode, of each place that forgets everything when the process ends."""
    places: dict[Key, PlaceOptions] = {(): store.place}
    places |= {("kinds", name): place for name, place in store.kinds.items()}
    yield from ((*key, "kind") for key, place in places.items() if place.kind is StoreKind.MEMORY)


def keys_of(place: PlaceOptions) -> tuple[str, ...]:
    """Return the names of the fields of *place* that mean something for its kind, and those of a section it is."""
    others = {one.name for one in fields(PlaceOptions)} - {"kind", *_KEYS[place.kind]}
    return tuple(one.name for one in fields(place) if one.name not in others)


def _read(value: object) -> object:
    """Return *value* without the blanks around its texts, with numbers as such; a key with nothing says nothing."""
    if not isinstance(value, Mapping):
        return value
    odd = [name for name, part in value.items() if isinstance(part, str) and not is_one_line(part.strip())]
    if odd:
        refuse(*(((str(name),), "expected text without control characters, found some") for name in odd))
    named = {name: part for name, part in value.items() if part is not None}
    return numbers({name: part.strip() if isinstance(part, str) else part for name, part in named.items()})


def _unfit(place: PlaceOptions, given: object) -> Iterator[Problem]:
    """Yield what is wrong with *place* as its kind, of which *given* says more than defaults."""
    named = {str(name) for name, part in given.items() if part is not None} if isinstance(given, Mapping) else set()
    known = {one.name for one in fields(PlaceOptions)} - {"kind"}
    for name in sorted(named & known - set(_KEYS[place.kind])):
        owners = alternatives(kind for kind, keys in _KEYS.items() if name in keys)
        yield (name,), f"is for kind {owners}, found kind {place.kind}"
    if place.kind in _LOCAL:
        return
    if place.kind is StoreKind.CUSTOM and not _FACTORY.fullmatch(place.factory or ""):
        given_as = "nothing" if place.factory is None else found(place.factory)
        yield ("factory",), f"expected module:name such as my_package.stores:MyShelf, found {given_as}"
    if (place.url is None) == (place.url_env is None):
        which = "neither" if place.url is None else "both"
        yield (), f"expected either url or url_env for kind {place.kind}, found {which}"
    elif place.url is not None and place.kind in SCHEMES and (problem := url_problem(place.kind, place.url)):
        yield ("url",), problem
    if place.url_env is not None and not place.url_env.isidentifier():
        yield ("url_env",), "expected the name of an environment variable such as BTK_STORE_URL, found something else"
    if not _PREFIX.fullmatch(place.prefix):
        expected = "expected a letter and up to 39 more of letters, digits, - and _"
        yield ("prefix",), f"{expected}, found {found(place.prefix)}"


def _unfit_parts(store: StoreOfMode) -> Iterator[Problem]:
    if store.cache is not None and store.cache.kind is not StoreKind.REDIS:
        yield ("cache", "kind"), f"expected redis, found {found(store.cache.kind.value)}"
    for name in store.kinds:
        if name not in RECORD_KINDS:
            yield ("kinds", name), f"unknown kind of record{suggestion(name, RECORD_KINDS)}"
    places = [store.kinds.get(name, store.options.place) for name in _TOGETHER]
    if any(place != places[0] for place in places):
        apart = next(name for name in _TOGETHER if name in store.kinds)
        text = f"expected {', '.join(_TOGETHER[:-1])} and {_TOGETHER[-1]} at one place, as one step changes them all"
        yield ("kinds", apart), f"{text}, found another place for {apart} than for the others"
    if isinstance(store, StoreConfig):
        yield from _unfit_modes(store)


def _unfit_modes(store: StoreConfig) -> Iterator[Problem]:
    for mode, one in store.modes.items():
        if mode not in _MODES:
            yield ("modes", mode), f"unknown mode{suggestion(mode, _MODES)}"
        elif mode == _BACKTEST and one.kind is not StoreKind.MEMORY:
            text = f"expected memory, as a backtest keeps nothing, found {found(one.kind.value)}"
            yield ("modes", mode, "kind"), text
    if _LIVE in store.modes:
        for key in forgetful(store.modes[_LIVE].options):
            yield ("modes", _LIVE, *key), FORGETFUL
