"""What every shelf promises that many machines trade by: a class of tests, run on it by a subclass that makes one.

class TestMyLeases(LeaseContract):
    @pytest.fixture
    def shelf(self) -> LeasingShelf:
        return MyShelf("place", ...)

    def again(self, shelf: LeasingShelf) -> LeasingShelf:
        return MyShelf("place", ...)
"""

from backtestkit_cli.testing.fencing_contract import FencingContract
from backtestkit_cli.testing.ownership_contract import OwnershipContract


class LeaseContract(OwnershipContract, FencingContract):
    """All tests of leases; each gets a shelf of an empty place. `LeaseHooks` says what a subclass may override."""
