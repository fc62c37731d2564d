// What a trade looks like on candles: marks where it bought and sold, and its levels for as long as it lived.

// In heights of the candles that are seen.
const FARTHEST_LEVEL = 1.5;

// Returns the lists of purchases and sales; a trade of one each has none of its own.
function fillsOf(trade) {
  return trade.fills ?? {
    buys: [[trade.opened, trade.entry, trade.invested]],
    sells: [[trade.closed, trade.exit, 100, trade.invested]],
  };
}

// Returns [time, effective price] after each purchase: money over quantity of what was left.
function effectivePath(trade) {
  const { buys, sells } = fillsOf(trade);
  if (buys.length === 1) return [[trade.opened, trade.effective]];
  const path = [];
  let [cost, quantity, sold] = [0, 0, 0];
  for (const [at, price, money] of buys) {
    for (; sold < sells.length && sells[sold][0] < at; sold += 1) {
      cost *= 1 - sells[sold][2] / 100;
      quantity *= 1 - sells[sold][2] / 100;
    }
    cost += money;
    quantity += money / price;
    path.push([at, cost / quantity]);
  }
  return path;
}

// Returns [time, price] of all that a level was. A stop that trailed said only when it began to: the last part of
// its path, marked by a third element, slopes to where it stood in the end.
function levelPath(trade, moves, final) {
  if (moves === null) return final === null ? [] : [[trade.opened, final]];
  const [, last] = moves.at(-1);
  const isTrailed = final !== null && Math.abs(last - final) > 1e-8 * Math.abs(final);
  return isTrailed ? [...moves, [trade.closed, final, "slopes"]] : moves;
}

function levelPaths(trade) {
  return {
    effective: effectivePath(trade),
    target: levelPath(trade, trade.targets, trade.take_profit),
    stop: levelPath(trade, trade.stops, trade.stop_loss),
  };
}

// Returns the marks of a trade, of fills that have candles; a chosen one has words, beside it the others step back.
function tradeMarks(trade, bars, { hasCandles, isChosen, isAnyChosen, isCrowded }) {
  const { buys, sells } = fillsOf(trade);
  const opacity = isAnyChosen && !isChosen ? 0.35 : 1;
  const isLong = trade.side === "long";
  const outcome = colour(trade.net < 0 ? "loss" : "win", opacity);
  const place = (ms) => bars[barAt(bars, ms)].time;
  const words = (text) => (isChosen ? text : "");
  const isWhole = isChosen || !isCrowded;
  return [
    ...(isWhole ? buys : []).map(([at], index) => ({
      at, time: place(at), position: isLong ? "belowBar" : "aboveBar", shape: isLong ? "arrowUp" : "arrowDown",
      color: colour("accent", opacity), size: index ? 0.6 : 1,
      text: words(index ? `+ entry ${index + 1}` : trade.side),
    })),
    ...(isWhole ? sells.slice(0, -1) : []).map(([at, price, percent]) => ({
      at, time: place(at), position: "atPriceMiddle", price, shape: "circle", size: 0.6,
      color: colour("accent", opacity), text: words(`− ${decimals(percent, 0)} %`),
    })),
    ...sells.slice(-1).map(([at, price]) => ({
      at, time: place(at), position: "atPriceMiddle", price, shape: trade.net < 0 ? "square" : "circle",
      color: outcome, size: isWhole ? 1 : 0.6,
    })),
  ].filter(({ at }) => hasCandles(at));
}

// A primitive of the chart library that draws the levels of one trade, from its opening to its close.
class TradeLevels {
  #context = null;
  #hasCandles;
  #trade = null;
  #bars = [];
  #views = [
    { zOrder: () => "bottom", renderer: () => ({ draw: (target) => this.#draw(target) }) },
    { zOrder: () => "top", renderer: () => ({ draw: (target) => this.#label(target) }) },
  ];

  constructor(hasCandles) {
    this.#hasCandles = hasCandles;
  }

  attached(context) {
    this.#context = context;
  }

  paneViews() {
    return this.#views;
  }

  show(trade, bars) {
    this.#trade = trade;
    this.#bars = bars;
    this.#context?.requestUpdate();
  }

  // The levels must be on the chart too, but for those so far away that they would flatten the candles.
  autoscaleInfo(first, last) {
    if (this.#trade === null) return null;
    const seen = this.#bars.slice(Math.max(0, Math.floor(first)), Math.ceil(last) + 1);
    if (!seen.length) return null;
    const [low, high] = [Math.min(...seen.map((bar) => bar.low)), Math.max(...seen.map((bar) => bar.high))];
    const reach = (high - low) * FARTHEST_LEVEL;
    const { effective, target, stop } = levelPaths(this.#trade);
    const near = [...effective, ...target, ...stop].map(([, price]) => price)
      .filter((price) => price > low - reach && price < high + reach);
    return { priceRange: { minValue: Math.min(low, ...near), maxValue: Math.max(high, ...near) } };
  }

  #draw(target) {
    if (this.#trade === null || !this.#bars.length) return;
    target.useBitmapCoordinateSpace(({ context, horizontalPixelRatio, verticalPixelRatio }) => {
      const paths = levelPaths(this.#trade);
      const corners = (path) => this.#corners(path, horizontalPixelRatio, verticalPixelRatio);
      const [effective, take, stop] = [corners(paths.effective), corners(paths.target), corners(paths.stop)];
      context.save();
      fillBetween(context, effective, take, colour("win", 0.1));
      fillBetween(context, effective, stop, colour("loss", 0.1));
      const scale = verticalPixelRatio;
      strokeSteps(context, take, { color: colour("win"), dash: [8 * scale, 4 * scale], width: 1.5 * scale });
      strokeSteps(context, stop, { color: colour("loss"), dash: [2 * scale, 3 * scale], width: 1.5 * scale });
      strokeSteps(context, effective, { color: colour("accent"), dash: [], width: 2 * scale });
      context.restore();
    });
  }

  // Writes how the trade ended beside its exit, on a ground of its own: candles would make it hard to read.
  #label(target) {
    if (this.#trade === null || !this.#bars.length) return;
    const { chart, series } = this.#context;
    const trade = this.#trade;
    if (!this.#hasCandles(trade.closed)) return;
    const x = chart.timeScale().timeToCoordinate(this.#bars[barAt(this.#bars, trade.closed)].time);
    const y = series.priceToCoordinate(trade.exit);
    if (x === null || y === null) return;
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      const text = `${trade.reason} ${written(trade.pnl_pct, "percent")}`;
      context.font = `600 12px ${CHART_OPTIONS.layout.fontFamily}`;
      const width = context.measureText(text).width + 12;
      const left = x + 12 + width < mediaSize.width ? x + 12 : x - 12 - width;
      context.fillStyle = colour("panel", 0.9);
      context.beginPath();
      context.roundRect(left, y - 11, width, 22, 4);
      context.fill();
      context.fillStyle = colour(trade.net < 0 ? "loss" : "win");
      context.textBaseline = "middle";
      context.fillText(text, left + 6, y);
    });
  }

  // Returns the corners of the steps of a path on the canvas, nothing where the library has no place for a price.
  #corners(path, horizontal, vertical) {
    const { chart, series } = this.#context;
    const x = (ms) => chart.timeScale().timeToCoordinate(this.#bars[barAt(this.#bars, ms)].time) * horizontal;
    const end = Math.max(x(this.#trade.closed), x(this.#trade.opened) + 6 * horizontal);
    return path.flatMap(([at, price, slopes], index) => {
      const y = series.priceToCoordinate(price);
      if (y === null) return [];
      const next = path[index + 1];
      const from = [slopes ? end : x(at), y * vertical];
      return next?.[2] ? [from] : [from, [next ? x(next[0]) : end, y * vertical]];
    });
  }
}

function fillBetween(context, one, other, color) {
  if (!one.length || !other.length) return;
  context.beginPath();
  [...one, ...other.toReversed()].forEach(([x, y]) => context.lineTo(x, y));
  context.closePath();
  context.fillStyle = color;
  context.fill();
}

function strokeSteps(context, corners, { color, dash, width }) {
  context.beginPath();
  corners.forEach(([x, y]) => context.lineTo(x, y));
  Object.assign(context, { strokeStyle: color, lineWidth: width });
  context.setLineDash(dash);
  context.stroke();
}
