// One trade in full.

const AMBIGUOUS = "The candle of the exit reached both stop and target.";
const DETAILS = [
  ["Opened (UTC)", "opened", "time"], ["Closed (UTC)", "closed", "time"],
  ["Held", "minutes", "minutes"], ["Reason", "reason", "text"],
  ["First entry", "entry", "price"], ["Effective price", "effective", "price"], ["Exit", "exit", "price"],
  ["Take profit at the end", "take_profit", "price"], ["Stop loss at the end", "stop_loss", "price"],
  ["PNL", "pnl_pct", "percent"],
  ["Worst meanwhile (MAE)", "mae_pct", "percent"], ["Best meanwhile (MFE)", "mfe_pct", "percent"],
  ["Invested", "invested", "money"], ["Gross", "gross", "gain"],
  ["Fee", "fee", "money"], ["Slippage", "slippage", "money"], ["Net", "net", "gain"],
];

const FILL_COLUMNS = [
  { title: "Time (UTC)", unit: "time" }, { title: "What", unit: "text" },
  { title: "Price", unit: "price" }, { title: "Money put in", unit: "money" },
];

function showTradeDetails(trade, { previous, next }) {
  const place = byId("trade");
  place.classList.toggle("empty", trade === null);
  if (trade === null) {
    place.replaceChildren(nothing("Choose a trade in the list below to see it here, with its levels."));
    return;
  }
  const step = (title, go) => make("button", { type: "button", disabled: go ? null : "disabled", onclick: go }, title);
  const detail = (title, value, unit, kind = "") => make(
    "div", { class: kind }, make("dt", {}, title), make("dd", { class: tone(value, unit) }, written(value, unit)),
  );
  keepFocus(place, () => place.replaceChildren(
    make("header", { "aria-live": "polite" }, make("strong", {}, `${trade.symbol} ${trade.side}`),
      make("span", { class: tone(trade.pnl_pct) }, written(trade.pnl_pct, "percent")),
      make("span", {}, trade.strategy),
      make("div", { class: "tools" }, step("Previous", previous), step("Next", next))),
    make("dl", {}, DETAILS.map(([title, name, unit]) => detail(title, trade[name], unit)),
      trade.is_ambiguous ? detail("Ambiguous", AMBIGUOUS, "text", "wide") : null,
      trade.note ? detail("Note", trade.note, "text", "wide") : null),
    ...(trade.fills ? [fillTable(trade)] : []),
  ));
}

function fillTable(trade) {
  const { buys, sells } = trade.fills;
  const rows = [
    ...buys.map(([at, price, cost], index) => [at, index ? `Entry ${index + 1}` : "Entry", price, cost]),
    ...sells.map(([at, price, percent, cost], index) => [
      at, index === sells.length - 1 ? "Exit" : `Sold ${decimals(percent)} % of what was left`, price, cost,
    ]),
  ].sort((one, other) => one[0] - other[0]);
  return plainTable({ columns: FILL_COLUMNS, rows });
}
