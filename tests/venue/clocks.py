"""Clocks of the market: one that stands until it is moved; `VenueMarket` takes any function of no arguments."""


class SetClock:
    """Shows *at_ms* until it is moved, and never goes back."""

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms

    def __call__(self) -> int:
        return self.at_ms

    def move_to(self, at_ms: int) -> None:
        if at_ms < self.at_ms:
            raise ValueError(f"expected a time from {self.at_ms} on, found {at_ms}")
        self.at_ms = at_ms
