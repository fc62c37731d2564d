"""What every store promises: a class of tests, run on a store by a subclass that says how to make one.

class TestMyStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return RecordStore(MyShelf("place", ...))

    def elsewhere(self, store: Store) -> Maker:
        return partial(MyShelf, "place", ...)
"""

from backtestkit_cli.testing.damage_contract import DamageContract
from backtestkit_cli.testing.keys_contract import KeysContract
from backtestkit_cli.testing.records_contract import RecordsContract
from backtestkit_cli.testing.writers_contract import WritersContract


class StoreContract(RecordsContract, KeysContract, DamageContract, WritersContract):
    """All tests of a store; each gets one of an empty place. `StoreHooks` says what a subclass may override."""
