"""Services that the strategies of a run share: registered by their class, made on first use, one of each a run."""

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, get_type_hints, overload
from weakref import WeakKeyDictionary

from backtestkit_cli.api.arguments import takes
from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.registry import caller, registry
from backtestkit_cli.api.specs import ServiceSpec
from backtestkit_cli.errors import ConfigError, ContextError, UnknownNameError
from backtestkit_cli.events.bus import Bus

S = TypeVar("S")
F = TypeVar("F", bound=Callable[[], Any])


class Services:
    """The services of one run, or of one mocked context; those that were made are in `made`, oldest first."""

    def __init__(self, specs: Mapping[type, ServiceSpec]) -> None:
        """Make what *specs* describe, each when it is first asked for."""
        self._specs = specs
        self._making: list[type] = []
        self._lock = threading.RLock()  # a strategy may ask from a thread of its own
        self.made: dict[type, Any] = {}

    def get(self, kind: type[S]) -> S:
        """Return the instance of *kind*.

        Raises:
            ConfigError: nobody provides it, or making it needs itself.
        """
        with self._lock:
            if kind not in self.made:
                self.made[kind] = self._make(kind)
            found: S = self.made[kind]
            return found

    def _make(self, kind: type) -> object:
        if kind not in self._specs:
            raise UnknownNameError("service", kind.__qualname__, (known.__qualname__ for known in self._specs))
        spec = self._specs[kind]
        if kind in self._making:
            circle = [*self._making[self._making.index(kind) :], kind]
            path = " → ".join(part.__qualname__ for part in circle)
            raise ConfigError(f"{spec.where}: expected services that do not need themselves, found {path}")
        self._making.append(kind)
        try:
            return spec.factory()
        finally:
            self._making.pop()


_services: ContextVar[Services] = ContextVar("btk_services")
_replaced: ContextVar[Mapping[type, Any]] = ContextVar("btk_replaced_services")
_of_mocks: WeakKeyDictionary[Bus, Services] = WeakKeyDictionary()


@overload
def provide(kind: type[S], factory: Callable[[], S] | None = None) -> type[S]: ...


@overload
def provide(kind: F) -> F: ...


def provide(kind: Any, factory: Callable[[], Any] | None = None) -> Any:
    """Register how the service *kind*, a class, is made: by *factory*, or without one by calling the class.

    Also a decorator: of the class, or of a factory whose return annotation is the kind. A factory takes no
    arguments and may ask for other services.

    Raises:
        ConfigError: the kind is provided already, or the factory cannot be called without arguments.
        ContextError: called inside a run, which knows its services by then.
    """
    where = caller()
    if _services.get(None) is not None:
        raise ContextError(f"{where}: provide(...) belongs outside of functions, where the strategy file is imported")
    service_kind, made_by = (kind, factory or kind) if isinstance(kind, type) else (_returned(kind, where), kind)
    name = service_kind.__qualname__
    if inspect.iscoroutinefunction(made_by) or not callable(made_by) or not takes(made_by, 0):
        raise ConfigError(f"{where}: service {name}: expected a factory without arguments that answers at once")
    services = registry().services
    if service_kind in services:
        raise ConfigError(f"{where}: service {name} is provided twice, first at {services[service_kind].where}")
    services[service_kind] = ServiceSpec(kind=service_kind, factory=made_by, where=where)
    return kind


def service(kind: type[S]) -> S:
    """Return the instance of *kind* that all strategies and symbols of this run share, made when first asked for.

    Raises:
        ConfigError: nobody provides *kind*, or making it needs itself.
        ContextError: called outside a run.
    """
    replaced = _replaced.get({})
    if kind in replaced:
        instance: S = replaced[kind]
        return instance
    return _here().get(kind)


@contextmanager
def replace_service(kind: type, instance: object) -> Iterator[None]:
    """Let `service(kind)` return *instance* within the block, in runs that it starts and outside of them: for tests."""
    token = _replaced.set({**_replaced.get({}), kind: instance})
    try:
        yield
    finally:
        _replaced.reset(token)


@contextmanager
def serving(services: Services) -> Iterator[None]:
    """Let `service` answer from *services* within the block."""
    token = _services.set(services)
    try:
        yield
    finally:
        _services.reset(token)


def _here() -> Services:
    found = _services.get(None)
    if found is not None:
        return found
    inside = ambient.get(None)
    if inside is None:
        raise ContextError("service(...) works inside a run only: call it from get_signal, a callback or a listener")
    if inside.bus not in _of_mocks:  # a mocked context has no run around it
        _of_mocks[inside.bus] = Services(registry().services)
    return _of_mocks[inside.bus]


def _returned(factory: object, where: str) -> type:
    kind = get_type_hints(factory).get("return") if callable(factory) else None
    if not isinstance(kind, type) or kind is type(None):
        raise ConfigError(f"{where}: expected a class, or a factory annotated with the class it returns")
    return kind
