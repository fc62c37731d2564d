import orjson
import pytest

from backtestkit_cli.alerts.message import body_of, message_from, record_of
from backtestkit_cli.errors import StoreError
from backtestkit_cli.events.facts import Event
from tests.alerts.happenings import closed, failed, lost, opened, told

ODD = failed(error="half a character: \ud800")


@pytest.mark.parametrize("event", [opened(), closed(), lost(), ODD], ids=["opened", "closed", "lost", "odd text"])
def test_a_message_survives_its_record(event: Event) -> None:
    message = told(event)
    assert message_from(orjson.loads(orjson.dumps(record_of(message)))) == message
    assert orjson.loads(body_of(message))["text"] == message.text


def test_the_same_event_has_the_same_id_everywhere_and_another_mode_has_another() -> None:
    assert told(opened()).id == told(opened()).id
    assert len({told(opened()).id, told(opened("ETHUSDT")).id, told(opened(at_ms=1)).id, told(closed()).id}) == 4


@pytest.mark.parametrize("record", [{}, record_of(told(opened())) | {"level": "loud"}])
def test_a_record_of_something_else_is_no_message(record: dict[str, object]) -> None:
    with pytest.raises(StoreError, match="expected a message that waits to be sent"):
        message_from(record)
