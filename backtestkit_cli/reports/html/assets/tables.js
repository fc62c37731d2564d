// Tables that sort: a heading is a button, and what is undefined comes last in both directions.

// Returns -1, 0 or 1; null is larger than everything whichever way the sort goes.
function compared(one, other, direction) {
  if (one === other) return 0;
  if (one === null || one === undefined) return 1;
  if (other === null || other === undefined) return -1;
  return (one < other ? -1 : 1) * direction;
}

function sortedRows(rows, valueOf, direction) {
  return rows.map((row) => [valueOf(row), row])
    .sort((one, other) => compared(one[0], other[0], direction))
    .map(([, row]) => row);
}

// Makes a table of { columns, rows, footer, onSort, first, choose, isCurrent } and returns { element, show(rows) }.
// A column has title, unit and valueOf(row); `first` makes the content of the heading cell of a row.
function sortingTable({ columns, caption, first, choose = null, isCurrent = () => false, onSort, footer = null }) {
  const body = make("tbody");
  const headings = columns.map((column, index) => make(
    "th", { scope: "col", class: headingClass(column, index) },
    make("button", { type: "button", title: column.hint, onclick: () => sortBy(index) }, column.title),
  ));
  const cells = (row) => columns.map((column, index) => cell(column, index, row));
  const element = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, make(
    "table", {}, make("thead", {}, make("tr", {}, headings)), body,
    footer === null ? null : make("tfoot", {}, make("tr", {}, cells(footer))),
  ));

  function sortBy(index) {
    const wasDescending = headings[index].getAttribute("aria-sort") === "descending";
    const wasAscending = headings[index].getAttribute("aria-sort") === "ascending";
    const isDescending = isNumber(columns[index].unit) ? !wasDescending : wasAscending;
    headings.forEach((heading) => heading.removeAttribute("aria-sort"));
    headings[index].setAttribute("aria-sort", isDescending ? "descending" : "ascending");
    onSort((row) => columns[index].valueOf(row), isDescending ? -1 : 1);
  }

  function show(rows) {
    body.replaceChildren(...rows.map((row) => make(
      "tr",
      {
        class: choose ? "choice" : null,
        "aria-current": isCurrent(row) ? "true" : null,
        onclick: choose ? () => choose(row) : null,
      },
      [headingCell(row), ...cells(row).slice(1)],
    )));
  }

  function headingCell(row) {
    return make("th", { scope: "row", class: "first" }, first(row));
  }

  return { element, show };
}

function headingClass(column, index) {
  return [index === 0 ? "first" : "", isNumber(column.unit) ? "number" : ""].join(" ").trim();
}

function cell(column, index, row) {
  const value = column.valueOf(row);
  const text = written(value, column.unit);
  const kinds = [index === 0 ? "first" : "", isNumber(column.unit) ? "number" : column.unit, tone(value, column.unit)];
  return make("td", { class: kinds.filter(Boolean).join(" "), title: column.unit === "text" ? text : null }, text);
}

function plainTable({ columns, rows }) {
  const heading = ({ title, unit }) => make("th", { scope: "col", class: isNumber(unit) ? "number" : null }, title);
  return make("div", { class: "scroll" }, make(
    "table", {},
    make("thead", {}, make("tr", {}, columns.map(heading))),
    make("tbody", {}, rows.map((row) => make("tr", {}, columns.map(({ unit, isLong }, index) => make(
      "td", { class: isLong ? "wrap" : isNumber(unit) ? "number" : null }, written(row[index], unit),
    ))))),
  ));
}
