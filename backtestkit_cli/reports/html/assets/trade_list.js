// The trades of a run: columns turned into one object where one is shown, a list with filters, one trade in full.

const PAGE_ROWS = 50;

// Returns { count, columns, at(row), text(name, row), names(name) }; a trade is made when it is asked for.
function tradeTable({ count, texts, columns, lists }) {
  const text = (name, row) => texts[name].names[texts[name].rows[row]];
  const at = (row) => ({
    row,
    ...Object.fromEntries(Object.keys(texts).map((name) => [name, text(name, row)])),
    ...Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[row]])),
    ...Object.fromEntries(Object.entries(lists).map(([name, byRow]) => [name, byRow[row] ?? null])),
  });
  return { count, columns, at, text, names: (name) => texts[name].names };
}

function tradeColumns(table) {
  const word = (name, title) => ({ title, unit: "text", valueOf: (row) => table.text(name, row) });
  const number = (name, title, unit, hint) => ({ title, unit, hint, valueOf: (row) => table.columns[name][row] });
  return [
    number("opened", "Opened (UTC)", "time"),
    word("symbol", "Symbol"),
    ...(table.names("strategy").length > 1 ? [word("strategy", "Strategy")] : []),
    word("side", "Side"),
    number("minutes", "Held", "minutes"),
    number("effective", "Entry", "price", "Effective price: money over quantity"),
    number("exit", "Exit", "price"),
    word("reason", "Reason"),
    number("pnl_pct", "PNL", "percent", "Net of fees and slippage, in percent of the money put in"),
    number("net", "Net", "gain", "Net of fees and slippage, in quote money"),
    word("note", "Note"),
  ];
}

// Starts the list and returns { step(row, by), mark(row), filterSymbol(symbol) }; `choose(row)` is called for a row that is chosen.
function tradeList(table, choose) {
  if (!table.count) {
    byId("trades-filter").hidden = true;
    byId("trades-table").replaceChildren(nothing("No position was closed."));
    return { step: () => null, mark: () => {} };
  }
  const state = { shown: [], page: 0, chosen: null, valueOf: null, direction: 1 };
  const all = Array.from({ length: table.count }, (_, row) => row);
  const columns = tradeColumns(table);
  const view = sortingTable({
    columns, caption: "Trades", choose, isCurrent: (row) => row === state.chosen,
    first: (row) => make("button", { type: "button" }, written(columns[0].valueOf(row), "time")),
    onSort: (valueOf, direction) => {
      Object.assign(state, { valueOf, direction, page: 0 });
      refresh();
    },
  });

  const filters = {
    symbol: chooser("Symbol", table.names("symbol")),
    ...(table.names("strategy").length > 1 ? { strategy: chooser("Strategy", table.names("strategy")) } : {}),
    side: chooser("Side", table.names("side")),
    reason: chooser("Reason", table.names("reason")),
  };
  const outcome = chooser("Result", ["win", "loss"]);
  const note = make("input", { type: "search", placeholder: "text in the note" });

  function passes(row) {
    for (const [name, { value }] of Object.entries(filters)) {
      if (value && table.text(name, row) !== value) return false;
    }
    const gain = table.columns.pnl_pct[row];
    if (outcome.value && !(outcome.value === "win" ? gain > 0 : gain < 0)) return false;
    return !note.value || table.text("note", row).toLowerCase().includes(note.value.toLowerCase());
  }

  function refresh() {
    const passing = all.filter(passes);
    state.shown = state.valueOf ? sortedRows(passing, state.valueOf, state.direction) : passing;
    showPage();
  }

  function showPage() {
    const pages = Math.max(1, Math.ceil(state.shown.length / PAGE_ROWS));
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    view.show(state.shown.slice(state.page * PAGE_ROWS, (state.page + 1) * PAGE_ROWS));
    const net = state.shown.reduce((sum, row) => sum + (table.columns.net[row] ?? 0), 0);
    const counted = state.shown.length === table.count ? "" : `${written(state.shown.length, "count")} of `;
    byId("trades-count").textContent = `${counted}${written(table.count, "count")} trades, net ${written(net, "gain")} in quote money.`;
    const turn = (title, by) => make("button", {
      type: "button", onclick: () => { state.page += by; showPage(); },
      disabled: state.page + by < 0 || state.page + by >= pages ? "disabled" : null,
    }, title);
    keepFocus(byId("trades-pager"), () => byId("trades-pager").replaceChildren(...(pages === 1 ? [] : [
      turn("Previous", -1), make("span", {}, `Page ${state.page + 1} of ${pages}`), turn("Next", 1),
    ])));
  }

  function mark(row) {
    state.chosen = row;
    const index = state.shown.indexOf(row);
    if (index >= 0) state.page = Math.floor(index / PAGE_ROWS);
    keepFocus(view.element, showPage);
    const current = view.element.querySelector("[aria-current]");
    if (current) bringIntoView(view.element, current);
  }

  function step(row, by) {
    const index = state.shown.indexOf(row);
    return state.shown[index < 0 ? 0 : index + by] ?? null;
  }

  byId("trades-filter").replaceChildren(
    ...Object.entries(filters).map(([name, select]) => labelled(name, select)), labelled("result", outcome), labelled("note", note),
    make("button", { type: "reset" }, "Clear"),
  );
  byId("trades-filter").addEventListener("submit", (event) => event.preventDefault());
  byId("trades-filter").addEventListener("input", () => { state.page = 0; refresh(); });
  // The fields are empty only after the event.
  byId("trades-filter").addEventListener("reset", () => setTimeout(() => { state.page = 0; refresh(); }));
  byId("trades-table").replaceChildren(view.element);
  refresh();
  return { step, mark };
}

function chooser(name, choices) {
  return make("select", {}, make("option", { value: "" }, "all"), [...choices].sort().map((choice) => make("option", { value: choice }, choice)));
}

function labelled(name, field) {
  field.setAttribute("name", name);
  return make("label", {}, name[0].toUpperCase() + name.slice(1), field);
}

const DETAILS = [
  ["Opened (UTC)", "opened", "time"], ["Closed (UTC)", "closed", "time"], ["Held", "minutes", "minutes"], ["Reason", "reason", "text"],
  ["First entry", "entry", "price"], ["Effective price", "effective", "price"], ["Exit", "exit", "price"],
  ["Take profit at the end", "take_profit", "price"], ["Stop loss at the end", "stop_loss", "price"],
  ["PNL", "pnl_pct", "percent"], ["Worst meanwhile (MAE)", "mae_pct", "percent"], ["Best meanwhile (MFE)", "mfe_pct", "percent"],
  ["Invested", "invested", "money"], ["Gross", "gross", "gain"], ["Fee", "fee", "money"], ["Slippage", "slippage", "money"], ["Net", "net", "gain"],
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
      trade.is_ambiguous ? detail("Ambiguous", "The candle of the exit reached both stop and target.", "text", "wide") : null,
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
  const columns = [{ title: "Time (UTC)", unit: "time" }, { title: "What", unit: "text" }, { title: "Price", unit: "price" }, { title: "Money put in", unit: "money" }];
  return plainTable({ columns, rows });
}
