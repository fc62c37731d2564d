"""Entry orders as JSON: ours by their kind, those of authors by their class, which must be found again.

{"kind": "limit", "fields": {"price": 100.0}}
{"class": "my_strategy:Pullback", "fields": {"level": 100.0, "steps": {"tuple": [1, 2]}}}
"""

from collections.abc import Mapping

from backtestkit_cli.domain.order import is_order
from backtestkit_cli.errors import StoreError
from backtestkit_cli.persistence.author_values import MEND, AuthorValue, Resolver, class_of
from backtestkit_cli.persistence.parts import misshapen
from backtestkit_cli.policies.orders.choose import BUILT_IN

_OURS: Mapping[object, type] = {kind.kind: kind for kind in BUILT_IN}


class Order:
    """An entry order; one of the author's own is proven to come back before it is saved."""

    def __init__(self, resolver: Resolver) -> None:
        """Find the classes of authors by *resolver*."""
        self._values = AuthorValue(resolver)

    def encoded(self, value: object, at: str) -> object:
        """Return the kind or class of the order, and its fields."""
        if isinstance(value, BUILT_IN) and type(value) in BUILT_IN:
            return {"kind": value.kind, "fields": self._values.fields(value, at)}
        written = self._values.encoded(value, at)
        try:
            again = self._values.encoded(self.decoded(written, at), at)
        except Exception as error:  # the author's code may do anything
            raise StoreError(f"{at}: {class_of(value)} cannot be read back: {error}; {MEND}") from error
        if again != written:
            raise StoreError(f"{at}: {class_of(value)} does not come back as it was; {MEND}")
        return written

    def decoded(self, content: object, at: str) -> object:
        """Return the order."""
        if isinstance(content, dict) and content.keys() == {"kind", "fields"}:
            kind = _OURS.get(content["kind"])
            if kind is None:
                raise misshapen(content["kind"], "one of " + ", ".join(map(str, _OURS)), at)
            return self._values.made(kind, content["fields"], at)
        order = self._values.decoded(content, at)
        if not is_order(order):
            raise misshapen(content, "an entry order", at)
        return order
