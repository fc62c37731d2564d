"""Whether what the run does is kept: told once where it is not, and once when it is again."""

from collections.abc import Sequence

from backtestkit_cli.persistence.tenure import Tenure
from backtestkit_cli.runs.trading.connection import Connection
from backtestkit_cli.runs.trading.session_keeper import SessionKeeper

STORE = "store"
"""What the way to the store is called, among the ways that can be lost."""


class StoreWatch:
    """Looks at what is due to be saved, and at the lease: without it nothing is opened."""

    def __init__(self, tenure: Tenure | None, hindrances: dict[str, str]) -> None:
        """Tell by *hindrances* why nothing may be opened."""
        self._tenure = tenure
        self._hindrances = hindrances

    def look(self, keepers: Sequence[SessionKeeper], connection: Connection) -> None:
        """Tell *connection* how it is with the store now."""
        unsure = "" if self._tenure is None else self._tenure.why_not()
        if unsure:
            self._hindrances[STORE] = unsure
        else:
            self._hindrances.pop(STORE, None)
        reason = unsure or next((keeper.dealer.due for keeper in keepers if keeper.dealer.due), "")
        if reason:
            connection.lost(STORE, reason)
        else:
            connection.restored(STORE)
