"""A stream and requests together, at the loopback exchange whose clock goes on minute by minute."""

from functools import partial

from backtestkit_cli.domain.candle import Candle
from backtestkit_cli.domain.interval import MINUTE_MS
from tests.exchange.sources import CANDLES, a_source, at
from tests.exchange.stream.listeners import Listener, stream_of, until
from tests.venue.driver import venue

FIRST = 100


async def test_what_the_stream_misses_is_there_by_request_and_the_two_agree_to_the_last_bit() -> None:
    """Candles are skipped, connections break and fall silent; the stream tells nothing wrong and nothing twice."""
    listener, held = Listener(), dict[int, Candle]()
    asked = 0
    async with venue({"BTCUSDT": CANDLES}, at_ms=at(FIRST)) as there:
        source = a_source(there.url, now_ms=there.market.now_ms)
        stream = stream_of(source, on_state=listener.on_state)
        stream.start(["BTCUSDT"], listener.on_candle)
        await until(lambda: bool(there.sockets.sockets) and any(one.next_ms for one in there.sockets.sockets))
        for minute in range(FIRST, FIRST + 40):
            there.sockets.skip = int(minute % 7 == 3)
            there.sockets.silent = minute % 11 == 5
            if minute % 13 == 8:
                there.sockets.drop()
            is_heard = not (there.sockets.skip or there.sockets.silent or minute % 13 in {8, 9})
            await there.advance()
            if is_heard and stream.connected:
                await until(partial(listener.has, at(minute)))
            if at(minute) not in listener.times:
                asked += 1
                (held[at(minute)],) = await source.fetch("BTCUSDT", "1m", at(minute), at(minute) + MINUTE_MS)
        await stream.close()
        await source.close()
    pushed = [candle for _, candle in listener.candles]
    assert len(set(listener.times)) == len(listener.times)
    assert pushed == [CANDLES[(candle.timestamp - at(0)) // MINUTE_MS] for candle in pushed]
    held.update({candle.timestamp: candle for candle in pushed})
    assert [held[at(minute)] for minute in range(FIRST, FIRST + 40)] == [CANDLES[m] for m in range(FIRST, FIRST + 40)]
    assert 9 <= asked < 35
