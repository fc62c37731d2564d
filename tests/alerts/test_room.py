from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.alerts.message import Message
from backtestkit_cli.alerts.room import fitted
from backtestkit_cli.domain.alerts import AlertLevel
from tests.alerts.happenings import closed, failed, lost, opened, told

KINDS = [told(event) for event in (opened(), lost(), closed(), failed())]
queues = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 3)), max_size=14).map(
    lambda drawn: [numbered(message, at, dropped) for at, (message, dropped) in enumerate(drawn)]
)


def numbered(message: Message, number: int, dropped: int = 0) -> Message:
    return replace(message, number=number, dropped=dropped)


def numbers(messages: list[Message]) -> list[int]:
    return [message.number for message in messages]


@given(queues, st.integers(1, 10), st.booleans())
def test_room_is_made_without_losing_order_errors_closes_or_count(
    waiting: list[Message], limit: int, is_first_underway: bool
) -> None:
    kept = fitted(waiting, limit, is_first_underway=is_first_underway)
    gone = [message for message in waiting if message.number not in numbers(kept)]
    assert numbers(kept) == sorted(numbers(kept))
    assert not [message for message in gone if message.is_precious]
    assert sum(message.dropped + 1 for message in kept) == sum(message.dropped + 1 for message in waiting)
    assert numbers(kept[-1:]) == numbers(waiting[-1:])
    if waiting and is_first_underway:
        assert kept[0] == waiting[0]
    assert len(gone) <= max(0, len(waiting) - limit)
    if len(kept) > limit:  # nothing more could go
        assert all(message.is_precious for message in kept[int(is_first_underway) : -1])


@given(queues, st.integers(1, 10))
def test_the_oldest_of_the_least_level_goes_first(waiting: list[Message], limit: int) -> None:
    kept = numbers(fitted(waiting, limit, is_first_underway=False))
    candidates = [message for message in waiting[:-1] if not message.is_precious]
    due = sorted(candidates, key=lambda message: ([*AlertLevel].index(message.level), message.number))
    gone = [message.number for message in due[: max(0, len(waiting) - limit)]]
    assert kept == [number for number in numbers(waiting) if number not in gone]


def test_the_message_after_a_gap_says_how_many_are_gone() -> None:
    waiting = [numbered(told(opened()), number) for number in range(5)]
    kept = fitted(waiting, 2, is_first_underway=False)
    assert [(message.number, message.dropped) for message in kept] == [(3, 3), (4, 0)]
    assert kept[0].full_text.endswith("(3 messages before this were dropped)")
