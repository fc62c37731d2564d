"""A batch session that nobody hears and that shares nothing: it goes from entry to entry without a clock."""

from collections.abc import Callable

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.engine.columns import EntryTable
from backtestkit_cli.engine.desk import Desk
from backtestkit_cli.engine.lifecycle import slot_end_ms


def run_alone(desk: Desk, table: EntryTable, start_ms: int, judge: Callable[[object], None], interval_ms: int) -> None:
    """Let *judge* act on each entry of *table* that finds *desk* flat; its outbox then holds all that happened."""
    market, last_row = desk.market, desk.last_row
    next_ms = table.next_ms(start_ms)
    while next_ms is not None and (row := market.row_from(next_ms)) < last_row:
        desk.move_to(row)
        answer = table.ask(desk.when_ms, desk.price)
        if answer is not None:  # after a gap a newer candle may have closed, one without an entry
            judge(answer)
        free_ms = slot_end_ms(desk.when_ms, interval_ms)
        while desk.state is not None:
            desk.move_to(desk.ahead.quiet_until)
            is_free_now = desk.carry_out_due()
            free_ms = max(free_ms, desk.when_ms if is_free_now else desk.when_ms + MINUTE_MS)
        next_ms = table.next_ms(free_ms)
