"""What a patient shelf does when its place is not reached."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from random import Random
from typing import TypeVar

import pytest

from backtestkit_cli.errors import LeaseLostError, StoreError, StoreUnavailableError, StoreUnreachableError
from backtestkit_cli.persistence.patient_shelf import LONGEST_WAIT_SECONDS, PatientShelf
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import Lease, LeasingShelf, Tenant
from backtestkit_cli.persistence.shelves.memory import MemoryShelf
from backtestkit_cli.ports import Key

T = TypeVar("T")
TENANT = Tenant("account", 1, "node", 0, "origin")
OTHER = Tenant("account", 2, "node", 0, "origin")


class UnreliableShelf(MemoryShelf):
    """Fails as `failures` say, before its work is done or, with `loses_answers`, after it."""

    def __init__(self, steady_s: Callable[[], float]) -> None:
        super().__init__(steady_s)
        self.failures: list[StoreError] = []
        self.loses_answers = False
        self.hangs: Callable[[], object] = lambda: None
        self.calls = 0

    async def failing(self, call: Awaitable[T]) -> T:
        self.calls += 1
        error = self.failures.pop(0) if self.failures else None
        if error is not None:
            self.hangs()
        if error is not None and not self.loses_answers:
            call.close()  # type: ignore[attr-defined]
            raise error
        answer = await call
        if error is not None:
            raise error
        return answer

    async def open(self) -> None:
        return await self.failing(super().open())

    async def get(self, keys: Sequence[Key]) -> Sequence[bytes | None]:
        return await self.failing(super().get(keys))

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        return await self.failing(super().put(contents, lease))

    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:
        return await self.failing(super().delete(keys, lease))

    async def names(self, prefix: Key) -> Iterable[Key]:
        return await self.failing(super().names(prefix))

    async def scan(self, prefix: Key) -> Iterable[tuple[Key, bytes]]:
        return await self.failing(super().scan(prefix))

    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:
        return await self.failing(super().set_aside(key, content, lease))

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        return await self.failing(super().take(subject, tenant, seconds, ousted=ousted))

    async def renew(self, lease: Lease, seconds: float) -> None:
        return await self.failing(super().renew(lease, seconds))

    async def give_back(self, lease: Lease) -> None:
        return await self.failing(super().give_back(lease))

    async def leases(self) -> Sequence[Lease]:
        return await self.failing(super().leases())


class Bench:
    """A patient shelf in virtual time, the shelf behind it, and what it told."""

    def __init__(self, patience_seconds: float = 10.0) -> None:
        self.now_s = 100.0
        self.waits: list[float] = []
        self.told: list[str] = []
        self.behind = UnreliableShelf(lambda: self.now_s)
        self.patient = PatientShelf(
            self.behind,
            patience_seconds,
            sleep=self._sleep,
            steady_s=lambda: self.now_s,
            rng=Random(7),
            on_trouble=lambda error: self.told.append(str(error)),
            on_recovery=lambda: self.told.append("back"),
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds

    def fail(self, times: int, *, loses_answers: bool = False) -> None:
        self.behind.failures = [StoreUnreachableError("place: gone") for _ in range(times)]
        self.behind.loses_answers = loses_answers


CALLS: Mapping[str, Callable[[LeasingShelf, Lease], Awaitable[object]]] = {
    "open": lambda shelf, lease: shelf.open(),
    "get": lambda shelf, lease: shelf.get([("a",), ("b",)]),
    "put": lambda shelf, lease: shelf.put({("a",): b"2", ("c",): b"3"}, lease),
    "delete": lambda shelf, lease: shelf.delete([("a",)], lease),
    "names": lambda shelf, lease: shelf.names(()),
    "scan": lambda shelf, lease: shelf.scan(()),
    "set_aside": lambda shelf, lease: shelf.set_aside(("a",), b"1", lease),
    "take": lambda shelf, lease: shelf.take(("live", "other"), OTHER, 30.0),
    "renew": lambda shelf, lease: shelf.renew(lease, 60.0),
    "give_back": lambda shelf, lease: shelf.give_back(lease),
    "leases": lambda shelf, lease: shelf.leases(),
}


@pytest.mark.parametrize("loses_answers", [False, True], ids=["requests lost", "answers lost"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_what_fails_twice_ends_as_if_it_had_not_failed(
    call: Callable[[LeasingShelf, Lease], Awaitable[object]], loses_answers: bool
) -> None:
    outcomes = []
    for failures in (0, 2):
        bench = Bench()
        lease = await bench.behind.take(("live", "demo"), TENANT, 30.0)
        await bench.behind.put({("a",): b"1", ("b",): b"2"})
        bench.fail(failures, loses_answers=loses_answers)
        answer = await call(bench.patient, lease)
        leases = {(lease.subject, lease.tenant) for lease in await bench.behind.leases()}
        shown = "aside" if isinstance(answer, str) else (answer.tenant if isinstance(answer, Lease) else answer)
        outcomes.append((shown, bench.behind.contents, list(bench.behind.aside.values()), leases))
        assert len(bench.waits) == failures
        assert bench.told == []
    assert outcomes[0] == outcomes[1]


async def test_a_lease_whose_answers_were_lost_is_the_one_in_force() -> None:
    bench = Bench()
    bench.fail(3, loses_answers=True)
    lease = await bench.patient.take(("live", "demo"), TENANT, 30.0)
    await bench.patient.put({("a",): b"1"}, lease)
    assert bench.behind.contents == {("a",): b"1"}


async def test_waits_grow_with_jitter_up_to_a_longest_and_end_with_patience() -> None:
    bench = Bench(patience_seconds=10.0)
    bench.fail(1_000)
    with pytest.raises(StoreUnreachableError, match=r"^place: gone \(tried \d+ times, for 10\.0 s\)$"):
        await bench.patient.get([("a",)])
    assert sum(bench.waits) == pytest.approx(10.0)
    assert 10 < len(bench.waits) < 30
    for number, seconds in enumerate(bench.waits[:-1]):
        longest = min(LONGEST_WAIT_SECONDS, 0.05 * 2**number)
        assert longest / 2 <= seconds <= longest
    assert len(set(bench.waits)) == len(bench.waits)
    assert bench.told == [f"place: gone (tried {bench.behind.calls} times, for 10.0 s)"]


async def test_without_patience_there_is_one_attempt() -> None:
    bench = Bench(patience_seconds=0.0)
    bench.fail(1)
    with pytest.raises(StoreUnreachableError, match=r"\(tried once, for 0\.0 s\)$"):
        await bench.patient.open()
    assert bench.waits == []


async def test_after_a_call_was_given_up_the_next_ones_are_tried_once_until_one_succeeds() -> None:
    bench = Bench(patience_seconds=2.0)
    bench.fail(1_000)
    with pytest.raises(StoreUnreachableError):
        await bench.patient.get([("a",)])
    bench.waits.clear()
    for _ in range(5):
        with pytest.raises(StoreUnreachableError, match="tried once"):
            await bench.patient.put({("a",): b"1"})
    assert bench.waits == []
    bench.fail(0)
    await bench.patient.put({("a",): b"1"})
    await bench.patient.put({("a",): b"2"})
    assert [told.partition(" (")[0] for told in bench.told] == ["place: gone", "back"]
    bench.fail(2)
    await bench.patient.put({("a",): b"3"})  # which is patient again
    assert len(bench.waits) == 2
    assert len(bench.told) == 2


async def test_each_loss_and_each_recovery_is_told() -> None:
    bench = Bench(patience_seconds=1.0)
    for _ in range(2):
        bench.fail(1_000)
        for _ in range(2):
            with pytest.raises(StoreUnreachableError):
                await bench.patient.get([])
        bench.fail(0)
        await bench.patient.get([])
    assert [told == "back" for told in bench.told] == [False, True, False, True]


@pytest.mark.parametrize("error", [StoreUnavailableError("full"), LeaseLostError("lost"), StoreError("no")], ids=repr)
async def test_what_waiting_does_not_mend_is_raised_at_once(error: StoreError) -> None:
    bench = Bench()
    bench.behind.failures = [error]
    with pytest.raises(type(error)) as raised:
        await bench.patient.put({("a",): b"1"})
    assert raised.value is error
    assert bench.waits == []


async def test_a_record_whose_removal_was_not_answered_is_not_called_missing() -> None:
    bench = Bench()
    store = RecordStore(bench.patient)
    await store.write(("a",), {})
    bench.fail(1, loses_answers=True)
    await store.remove(("a",))
    assert not await store.has(("a",))
    keys: list[Key] = [("a", str(number)) for number in range(3)]
    await store.write_all({key: {} for key in keys})
    bench.fail(1, loses_answers=True)
    assert await bench.patient.delete(keys) == 3


async def test_it_says_of_its_place_what_the_shelf_says() -> None:
    bench = Bench()
    assert bench.patient.name == "memory"
    assert bench.patient.is_atomic
    assert bench.patient.place(("a", "b")) == "memory:a/b"
    await bench.patient.close()


async def test_a_place_that_does_not_answer_is_waited_for_half_of_the_time_at_most() -> None:
    """Who gets out of a position saves several times: one such wait is enough."""
    bench = Bench(patience_seconds=0.0)
    bench.fail(1_000)
    bench.behind.hangs = lambda: bench.pass_time(5.0)
    for _ in range(100):
        with pytest.raises(StoreUnreachableError, match=r"tried once, for 5\.0 s"):
            await bench.patient.put({("a",): b"1"})
        bench.pass_time(0.1)
    assert bench.behind.calls == 2
    bench.behind.failures.clear()
    bench.pass_time(5.0)
    await bench.patient.put({("a",): b"1"})
    assert bench.told[-1] == "back"
