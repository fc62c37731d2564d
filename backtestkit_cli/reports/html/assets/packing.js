// Candles as they were packed by packing.py, and coarser ones made of them.

const PRICES = ["open", "high", "low", "close"];
const COLUMN_KINDS = { int8: Int8Array, int16: Int16Array, int32: Int32Array, float64: Float64Array };

async function inflated(base64) {
  const packed = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Resolves to { step, divisor, times (ms), open, high, low, close }.
async function unpackedCandles(packed) {
  const content = await inflated(packed.data);
  let offset = 0;
  const columns = packed.widths.map((width) => {
    const Kind = COLUMN_KINDS[width];
    const end = offset + packed.count * Kind.BYTES_PER_ELEMENT;
    const column = new Kind(content.slice(offset, end));
    offset = end;
    return column;
  });
  const prices = packed.divisor === null ? columns : restored(packed, columns);
  const [open, high, low, close] = prices;
  return { step: packed.step, divisor: packed.divisor, times: gridTimes(packed), open, high, low, close };
}

function restored({ count, divisor, first }, [gap, body, upper, lower]) {
  const prices = [0, 1, 2, 3].map(() => new Float64Array(count));
  const [open, high, low, close] = prices;
  let closed = first;
  for (let row = 0; row < count; row += 1) {
    const opened = closed + gap[row];
    closed = opened + body[row];
    open[row] = opened / divisor;
    high[row] = (Math.max(opened, closed) + upper[row]) / divisor;
    low[row] = (Math.min(opened, closed) - lower[row]) / divisor;
    close[row] = closed / divisor;
  }
  return prices;
}

function gridTimes({ count, start, step, gaps }) {
  const times = new Float64Array(count);
  const missing = new Map(gaps);
  for (let row = 0, at = start; row < count; row += 1, at += step) {
    at += step * (missing.get(row) ?? 0);
    times[row] = at;
  }
  return times;
}

// Returns bars as the chart wants them, times in seconds: each holds the candles that begin inside it.
function barsOf(candles, intervalMs) {
  const bars = [];
  let bar = null;
  for (let row = 0; row < candles.times.length; row += 1) {
    const time = Math.floor(candles.times[row] / intervalMs) * (intervalMs / 1000);
    if (bar?.time === time) {
      bar.high = Math.max(bar.high, candles.high[row]);
      bar.low = Math.min(bar.low, candles.low[row]);
      bar.close = candles.close[row];
    } else {
      const [open, high, low, close] = PRICES.map((name) => candles[name][row]);
      bar = { time, open, high, low, close };
      bars.push(bar);
    }
  }
  return bars;
}

// Returns the row of the last bar that begins at or before a time in ms, the first bar where none does.
function barAt(bars, ms) {
  let [low, high] = [0, bars.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (bars[middle].time * 1000 <= ms) low = middle;
    else high = middle - 1;
  }
  return low;
}
