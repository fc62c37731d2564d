// How values are written, and how elements are made: text only ever becomes text, never markup.

const NOT_AVAILABLE = "N/A";
const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;

// Two decimals of a larger number are noise.
const LONGEST = 1e12;

function decimals(value, digits = 2) {
  if (Math.abs(value) >= LONGEST) return value.toPrecision(4);
  const rounding = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const text = Math.abs(value).toLocaleString("en-US", rounding);
  return value < 0 && Number(value.toFixed(digits)) !== 0 ? `−${text}` : text;
}

function signed(value) {
  return Number(value.toFixed(2)) > 0 ? `+${decimals(value)}` : decimals(value);
}

function priceText(price) {
  if (price === null) return NOT_AVAILABLE;
  return price.toLocaleString("en-US", { maximumSignificantDigits: 8 });
}

function timeText(ms) {
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ");
}

function spanText(minutes) {
  const [days, hours, rest] = [
    Math.floor(minutes / DAY_MINUTES), Math.floor((minutes % DAY_MINUTES) / 60), Math.round(minutes % 60),
  ];
  if (days) return `${days}d ${hours}h`;
  return hours ? `${hours}h ${rest}m` : `${rest}m`;
}

const WRITTEN = {
  text: (value) => value,
  count: (value) => value.toLocaleString("en-US"),
  share: (value) => `${decimals(value)} %`,
  percent: (value) => `${signed(value)} %`,
  ratio: (value) => decimals(value),
  money: (value) => decimals(value),
  gain: (value) => signed(value),
  price: priceText,
  time: timeText,
  minutes: spanText,
};

// The units whose sign says whether something was won.
const SIGNED = new Set(["percent", "gain"]);

function written(value, unit) {
  return value === null || value === undefined ? NOT_AVAILABLE : WRITTEN[unit](value);
}

function tone(value, unit = "percent") {
  if (!SIGNED.has(unit) || !value) return "";
  return value > 0 ? "win" : "loss";
}

function isNumber(unit) {
  return unit !== "text" && unit !== "time";
}

// Makes an element: properties that start with "on" are listeners, the others attributes; null ones are left out.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

function byId(id) {
  return document.getElementById(id);
}

// Makes a change that builds buttons anew, and keeps the focus on the one in the same place.
function keepFocus(place, change) {
  const buttons = () => [...place.querySelectorAll("button")];
  const index = buttons().indexOf(document.activeElement);
  change();
  if (index >= 0) buttons()[index]?.focus({ preventScroll: true });
}

// Scrolls a box, and nothing around it, until a row inside it can be seen.
function bringIntoView(box, row) {
  const [top, bottom] = [row.offsetTop, row.offsetTop + 2 * row.offsetHeight];
  const isSeen = top > box.scrollTop && bottom < box.scrollTop + box.clientHeight;
  if (!isSeen) box.scrollTop = row.offsetTop - box.clientHeight / 2;
}

function nothing(sentence) {
  return make("p", { class: "nothing" }, sentence);
}
