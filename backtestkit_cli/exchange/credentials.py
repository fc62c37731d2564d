"""Credentials of a venue, which come from the environment only and are never shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """Key, secret and password, empty where not set; `prefix` starts their variables and is not compared."""

    prefix: str = field(compare=False)
    api_key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, name: str, environ: Mapping[str, str]) -> "Credentials":
        """Return what *environ* holds for the exchange *name*: of `my-venue` the variables `MY_VENUE_API_KEY` etc."""
        prefix = re.sub(r"[^A-Z0-9]", "_", name.upper())
        parts = (environ.get(f"{prefix}_API_{part}", "").strip() for part in ("KEY", "SECRET", "PASSWORD"))
        return cls(prefix, *parts)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what no message may hold, the longest first."""
        return tuple(sorted(filter(None, (self.api_key, self.secret, self.password)), key=len, reverse=True))

    @property
    def complaint(self) -> str:
        """Return what to say when the venue wants others."""
        variables = f"{self.prefix}_API_KEY and {self.prefix}_API_SECRET (some venues: {self.prefix}_API_PASSWORD)"
        if self.api_key and self.secret:
            return f"the venue refused the credentials in {variables}"
        return f"the venue wants credentials; set {variables}"
