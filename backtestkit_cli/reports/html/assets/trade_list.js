// The trades of a run: columns turned into an object where one is shown, and a list with filters.

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

// Starts the list, calls choose(row) when a trade is chosen, and returns { step(row, by), mark(row) }: the trade
// before or after another as they are sorted, and what is to be marked as chosen.
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
    symbol: chooser(table.names("symbol")),
    ...(table.names("strategy").length > 1 ? { strategy: chooser(table.names("strategy")) } : {}),
    side: chooser(table.names("side")),
    reason: chooser(table.names("reason")),
  };
  const outcome = chooser(["win", "loss"]);
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
    const shown = `${counted}${written(table.count, "count")} trades`;
    byId("trades-count").textContent = `${shown}, net ${written(net, "gain")} in quote money.`;
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
    ...Object.entries({ ...filters, result: outcome, note }).map(([name, field]) => labelled(name, field)),
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

function chooser(choices) {
  const options = [...choices].sort().map((choice) => make("option", { value: choice }, choice));
  return make("select", {}, make("option", { value: "" }, "all"), options);
}

function labelled(name, field) {
  field.setAttribute("name", name);
  return make("label", {}, name[0].toUpperCase() + name.slice(1), field);
}
