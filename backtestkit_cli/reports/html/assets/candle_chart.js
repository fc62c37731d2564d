// The candles of one symbol with its trades on them.

// In minutes.
const INTERVALS = {
  "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "8h": 480, "12h": 720, "1d": 1440,
};
const MOST_BARS_AT_FIRST = 400;
// Of more trades than that only the exits are marked, and of far more none: they would hide the candles.
const CROWD = 100;
const MOST_MARKED = 1000;
const LEGEND = [
  ["▲ ▼", "accent", "entry of a long, a short (small: averaging)"],
  ["●", "accent", "part sold (small)"],
  ["●", "win", "exit with a gain"],
  ["■", "loss", "exit with a loss"],
  ["solid", "accent", "effective price"],
  ["dashed", "win", "take profit"],
  ["dotted", "loss", "stop loss"],
];

// Starts the chart and returns { showSymbol(symbol), showTrade(trade) }; both resolve when it is drawn.
function candleChart({ candles, part, trades, onChoose }) {
  const symbols = Object.keys(candles);
  const place = byId("candles-chart");
  const entry = ([sign, name, text]) => make("li", {}, signOf(sign, name), text);
  byId("candles-legend").replaceChildren(...LEGEND.map(entry));
  if (!symbols.length) {
    place.classList.add("empty");
    place.replaceChildren(nothing("This run has no candles to draw."));
    ["candles-legend", "candles-readout"].forEach((id) => { byId(id).hidden = true; });
    byId("candles").querySelector(".tools").hidden = true;
    return { showSymbol: async () => {}, showTrade: async () => {} };
  }
  const chart = LightweightCharts.createChart(place, CHART_OPTIONS);
  const series = chart.addSeries(LightweightCharts.CandlestickSeries, { priceLineVisible: false });
  const marks = LightweightCharts.createSeriesMarkers(series, []);
  const hasCandles = (ms) => !part || (ms >= part.start && ms <= part.end);
  const levels = new TradeLevels(hasCandles);
  series.attachPrimitive(levels);
  const unpacked = new Map();
  const state = { symbol: null, minutes: 0, candles: null, bars: [], trade: null, unmarked: null };
  const isCrowd = (rows) => rows.length > CROWD;

  async function load(symbol) {
    if (!unpacked.has(symbol)) unpacked.set(symbol, unpackedCandles(candles[symbol]));
    const loaded = await unpacked.get(symbol);
    Object.assign(state, { symbol, candles: loaded });
    byId("candles-symbol").value = symbol;
    const places = loaded.divisor === null ? 8 : Math.round(Math.log10(loaded.divisor));
    series.applyOptions({ priceFormat: { type: "price", precision: places, minMove: 10 ** -places } });
  }

  function choices() {
    const base = state.candles.step / MINUTE_MS;
    const span = (state.candles.times.at(-1) - state.candles.times[0]) / MINUTE_MS;
    const all = Object.entries(INTERVALS).filter(([, minutes]) => minutes % base === 0 && span / minutes >= 10);
    return all.length ? all : [[`${base}m`, base]];
  }

  function draw(minutes) {
    state.minutes = minutes;
    state.bars = barsOf(state.candles, minutes * MINUTE_MS);
    series.setData(state.bars);
    byId("candles-intervals").replaceChildren(...choices().map(([name, choice]) => make(
      "button",
      { type: "button", "aria-pressed": String(choice === minutes), onclick: () => switchInterval(choice) },
      name,
    )));
    drawTrades();
  }

  // Returns the trades of the symbol, of a crowd only those that are in sight.
  function seenTrades() {
    const all = trades.of(state.symbol);
    const range = chart.timeScale().getVisibleRange();
    if (!isCrowd(all) || range === null) return all;
    return all.filter((row) => trades.isBetween(row, range.from * 1000, range.to * 1000));
  }

  function drawTrades() {
    if (!state.bars.length) return;
    const seen = seenTrades();
    const [isAnyChosen, chosen, isCrowded] = [state.trade !== null, state.trade?.row, isCrowd(seen)];
    const isTooMany = seen.length > MOST_MARKED;
    state.unmarked = isTooMany ? `${written(seen.length, "count")} trades` : isCrowded ? "entries" : null;
    const drawn = (isTooMany ? seen.filter((row) => row === chosen) : seen).flatMap((row) => tradeMarks(
      trades.at(row), state.bars, { hasCandles, isAnyChosen, isChosen: row === chosen, isCrowded },
    ));
    marks.setMarkers(drawn.sort((one, other) => one.time - other.time));
    levels.show(state.trade, state.bars);
  }

  // Marks follow what is seen where there are too many to draw them all.
  function onRange(range) {
    if (state.symbol !== null && isCrowd(trades.of(state.symbol))) drawTrades();
    readout(range);
  }

  function switchInterval(minutes) {
    const range = chart.timeScale().getVisibleRange();
    draw(minutes);
    if (range) frame(range.from * 1000, range.to * 1000);
    byId("candles-intervals").querySelector("[aria-pressed=true]").focus();
  }

  // Shows the bars between two times; the range counts bars, so that it may reach beyond the first and the last.
  function frame(fromMs, toMs, around = 0) {
    const [from, to] = [barAt(state.bars, fromMs) - around, barAt(state.bars, toMs) + around];
    chart.timeScale().setVisibleLogicalRange({ from, to });
  }

  function whole() {
    const isFew = ([, minutes]) => barsOf(state.candles, minutes * MINUTE_MS).length <= MOST_BARS_AT_FIRST;
    draw((choices().find(isFew) ?? choices().at(-1))[1]);
    series.priceScale().applyOptions({ autoScale: true });
    chart.timeScale().fitContent();
  }

  async function showSymbol(symbol) {
    if (!Object.hasOwn(candles, symbol)) return;
    await load(symbol);
    state.trade = null;
    whole();
  }

  async function showTrade(trade) {
    if (!Object.hasOwn(candles, trade.symbol)) return;
    await load(trade.symbol);
    state.trade = trade;
    const life = (trade.closed - trade.opened) / MINUTE_MS;
    const suiting = choices().filter(([, minutes]) => life / minutes >= 24);
    draw((suiting.at(-1) ?? choices()[0])[1]);
    const bars = barAt(state.bars, trade.closed) - barAt(state.bars, trade.opened);
    series.priceScale().applyOptions({ autoScale: true });
    frame(trade.opened, trade.closed, Math.max(15, Math.round(bars * 0.6)));
  }

  function readout(range, param) {
    const bar = param?.seriesData?.get(series);
    if (bar) {
      const parts = PRICES.flatMap((name) => [` · ${name} `, make("b", {}, priceText(bar[name]))]);
      byId("candles-readout").replaceChildren(timeText(bar.time * 1000), ...parts);
    } else if (range) {
      const hidden = state.unmarked ? ` · zoom in to see ${state.unmarked}` : "";
      const span = `${timeText(range.from * 1000)} to ${timeText(range.to * 1000)} UTC`;
      byId("candles-readout").replaceChildren(`${state.symbol} · ${span}${hidden}`);
    }
  }

  byId("candles-symbol").replaceChildren(...symbols.map((symbol) => make("option", { value: symbol }, symbol)));
  byId("candles-symbol").addEventListener("change", (event) => onChoose(event.target.value));
  byId("candles-whole").addEventListener("click", () => whole());
  chart.timeScale().subscribeVisibleTimeRangeChange(onRange);
  chart.subscribeCrosshairMove((param) => readout(chart.timeScale().getVisibleRange(), param));
  onTheme(() => {
    chart.applyOptions(chartColours());
    series.applyOptions({
      upColor: colour("candle-up"), downColor: colour("candle-down"), borderVisible: false,
      wickUpColor: colour("candle-up"), wickDownColor: colour("candle-down"),
    });
    drawTrades();
  });
  return { showSymbol, showTrade };
}

function signOf(sign, tone) {
  const isLine = ["solid", "dashed", "dotted"].includes(sign);
  const element = make("i", {}, isLine ? "" : sign);
  element.style.color = `var(--${tone})`;
  if (isLine) element.style.borderTopStyle = sign;
  return element;
}
