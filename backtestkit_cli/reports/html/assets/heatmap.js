// The result of each symbol in each month, as a table whose cells are coloured by what was won or lost.

function showMonths({ months }) {
  if (!months.rows.length) {
    byId("months-table").replaceChildren(nothing("No trade was closed, so there is no month to show."));
    return;
  }
  const [rows, total] = [months.rows.slice(0, -1), months.rows.at(-1)];
  const most = Math.max(...rows.flatMap(({ pnl_pct }) => pnl_pct.map((value) => Math.abs(value ?? 0))), 1e-9);
  const mostOfAll = Math.max(...total.pnl_pct.map((value) => Math.abs(value ?? 0)), 1e-9);
  byId("months-table").replaceChildren(make("div", { class: "scroll heat", tabindex: "0", role: "region", "aria-label": "Result by symbol and month" }, make(
    "table", {},
    make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "first" }, "Symbol"),
      months.months.map((month) => make("th", { scope: "col", class: "number" }, month)))),
    make("tbody", {}, rows.map((row) => monthRow(row, most))),
    make("tfoot", {}, monthRow(total, mostOfAll)),
  )));
}

function monthRow({ name, pnl_pct, trades }, most) {
  return make("tr", {}, make("th", { scope: "row", class: "first" }, name), pnl_pct.map((value, index) => {
    if (!trades[index]) return make("td", {});
    const hint = `${trades[index].toLocaleString("en-US")} trade${trades[index] === 1 ? "" : "s"}`;
    const month = make("td", { class: tone(value), title: hint }, written(value, "percent"));
    // The root spreads small results, which a few large ones would leave white.
    month.style.setProperty("--share", Math.sqrt(Math.abs(value ?? 0) / most).toFixed(3));
    return month;
  }));
}
