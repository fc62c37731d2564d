// The result of each symbol in each month, as a table whose cells are coloured by what was won or lost.

function showMonths({ months }) {
  if (!months.rows.length) {
    byId("months-table").replaceChildren(nothing("No trade was closed, so there is no month to show."));
    return;
  }
  const heading = (title) => make("th", { scope: "col", class: "number" }, title);
  byId("months-table").replaceChildren(make(
    "div", { class: "scroll heat", tabindex: "0", role: "region", "aria-label": "Result by symbol and month" },
    make(
      "table", {},
      make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "first" }, "Symbol"),
        months.titles.map(heading))),
      make("tbody", {}, months.rows.slice(0, -1).map(monthRow)),
      make("tfoot", {}, monthRow(months.rows.at(-1))),
    ),
  ));
}

function monthRow({ name, pnl_pct, shades }) {
  return make("tr", {}, make("th", { scope: "row", class: "first" }, name), pnl_pct.map((value, index) => {
    if (value === null) return make("td", {});
    const month = make("td", { class: tone(value) }, written(value, "percent"));
    // The root spreads small results, which a few large ones would leave white.
    month.style.setProperty("--share", Math.sqrt(Math.abs(shades[index] ?? 0)).toFixed(3));
    return month;
  }));
}
