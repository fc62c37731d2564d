"""A batch session that nobody hears and that shares nothing: it goes from entry to entry without a clock."""

from collections.abc import Callable

from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.engine.asking import SignalSource, signal_source
from backtestkit_cli.engine.columns import EntryTable
from backtestkit_cli.engine.desk import Desk
from backtestkit_cli.engine.lifecycle import slot_end_ms
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.engine.session_plan import SessionPlan


def source_or_done(
    plan: SessionPlan, desk: Desk, publisher: Publisher, judge: Callable[[object], None]
) -> SignalSource | None:
    """Return where signals come from; None for a batch session that did not wait for the clock, and is through."""
    source = signal_source(plan, desk.market)
    is_alone = plan.runs_ahead and desk.gate is None and not publisher.has_listeners
    if not (isinstance(source, EntryTable) and plan.sees_ahead and is_alone):
        return source
    run_alone(desk, source, plan.start_ms, judge, interval_ms(plan.strategy.interval))
    publisher.record_all(desk.outbox)
    return None


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
