// Puts the page together from the document inside it.

function symbolTable({ columns, rows, total }, chooseSymbol) {
  const place = byId("symbols-table");
  if (!rows.length) {
    place.replaceChildren(nothing("This run has no symbols."));
    return;
  }
  const view = sortingTable({
    columns: columns.map((column, index) => ({ ...column, valueOf: (row) => row[index] })),
    caption: "Figures by symbol",
    first: (row) => make("button", { type: "button" }, row[0]),
    choose: (row) => chooseSymbol(row[0]),
    footer: total,
    onSort: (valueOf, direction) => view.show(sortedRows(rows, valueOf, direction)),
  });
  view.show(rows);
  place.replaceChildren(view.element);
}

function tradesBySymbol(table) {
  const rows = new Map();
  for (let row = 0; row < table.count; row += 1) {
    const symbol = table.text("symbol", row);
    if (!rows.has(symbol)) rows.set(symbol, []);
    rows.get(symbol).push(row);
  }
  return rows;
}

function startPage(page) {
  startTheme();
  showSummary(page);
  showEquity(page);
  showMonths(page);
  showAssumptions(page);
  showFooter(page);
  const table = tradeTable(page.trades);
  const bySymbol = tradesBySymbol(table);
  const chart = candleChart({
    candles: page.candles,
    part: page.part,
    trades: {
      at: table.at,
      of: (symbol) => bySymbol.get(symbol) ?? [],
      isBetween: (row, fromMs, toMs) => table.columns.closed[row] >= fromMs && table.columns.opened[row] <= toMs,
    },
    onChoose: chooseSymbol,
  });
  const list = tradeList(table, chooseTrade);
  symbolTable(page.symbols, (symbol) => {
    chooseSymbol(symbol);
    byId("candles").scrollIntoView();
  });

  function chooseSymbol(symbol) {
    list.mark(null);
    showTradeDetails(null, {});
    return chart.showSymbol(symbol);
  }

  async function chooseTrade(row) {
    const trade = table.at(row);
    const stepping = (by) => (list.step(row, by) === null ? null : () => chooseTrade(list.step(row, by)));
    list.mark(row);
    showTradeDetails(trade, { previous: stepping(-1), next: stepping(1) });
    await chart.showTrade(trade);
    byId("candles").scrollIntoView({ block: "start" });
  }

  const symbols = Object.keys(page.candles);
  const count = (symbol) => bySymbol.get(symbol)?.length ?? 0;
  if (!table.count) byId("trade").hidden = true;
  chooseSymbol(symbols.reduce((best, symbol) => (count(symbol) > count(best) ? symbol : best), symbols[0]));
}

startPage(JSON.parse(byId("document").textContent));
