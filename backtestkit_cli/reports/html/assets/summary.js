// The head of the page, its key figures, warnings, assumptions and foot.

function showSummary({ run, figures, warnings }) {
  byId("title").textContent = run.strategies.join(", ");
  const facts = [
    `Run ${run.id}`, run.mode, `${run.exchange}${run.is_synthetic ? " (synthetic)" : ""}`, run.frame,
    run.symbols.length === 1 ? run.symbols[0] : `${run.symbols.length} symbols`,
  ];
  byId("facts").replaceChildren(...facts.map((fact) => make("span", {}, fact)));
  byId("warnings").replaceChildren(...warnings.map(warning));
  byId("figures").replaceChildren(...figures.map(({ title, cards }) => make(
    "div", { class: "group" }, make("h3", {}, title), make("dl", { class: "cards" }, cards.map(card)),
  )));
}

function card({ title, value, unit, hint }) {
  return make(
    "div", { class: "card" }, make("dt", {}, title),
    make("dd", {}, make("div", { class: `value ${tone(value, unit)}` }, written(value, unit)),
      hint ? make("div", { class: "small" }, hint) : null),
  );
}

function warning({ title, text, columns, rows, is_open }) {
  if (!rows.length) return make("p", { class: "note warning", role: "note" }, make("strong", {}, `${title} `), text);
  return make(
    "details", { class: "note warning", open: is_open ? "" : null },
    make("summary", {}, title), make("div", {}, text), plainTable({ columns, rows }),
  );
}

function showAssumptions({ assumptions }) {
  const assumption = ([title, text]) => make(
    "tr", {}, make("th", { scope: "row" }, title), make("td", { class: "wrap" }, text),
  );
  byId("assumptions-list").replaceChildren(...assumptions.flatMap(({ strategy, rows }) => [
    assumptions.length > 1 ? make("h3", {}, strategy) : null,
    make("div", { class: "panel assumptions scroll" }, make("table", {}, make("tbody", {}, rows.map(assumption)))),
  ].filter(Boolean)));
}

function showFooter({ run, library }) {
  byId("footer").replaceChildren(
    make("p", {}, `Run ${run.id} · btk ${run.version} · all times in UTC`),
    make(
      "p", {}, "Charts: ", make("a", { href: library.url, rel: "noreferrer" }, library.name), ` · ${library.notice}`,
    ),
  );
}
