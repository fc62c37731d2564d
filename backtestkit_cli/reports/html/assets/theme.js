// Dark and light: what the system prefers until someone chooses, and the colours that charts take from the page.

const themeListeners = [];

function storedTheme() {
  try {
    return localStorage.getItem("btk-theme");
  } catch {
    return null; // a browser may refuse storage to files
  }
}

function applyTheme(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = theme === "dark" ? "Light" : "Dark";
  byId("theme").setAttribute("aria-label", `Switch to the ${theme === "dark" ? "light" : "dark"} theme`);
  themeListeners.forEach((listener) => listener());
}

function startTheme() {
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const preferred = () => (prefersDark.matches ? "dark" : "light");
  applyTheme(storedTheme() ?? preferred());
  prefersDark.addEventListener("change", () => storedTheme() ?? applyTheme(preferred()));
  byId("theme").addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("btk-theme", theme);
    } catch {
      // it lasts as long as the page then
    }
    applyTheme(theme);
  });
}

function onTheme(listener) {
  themeListeners.push(listener);
  listener();
}

// Returns a colour of page.css by name, as rgba with the given opacity.
function colour(name, opacity = 1) {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
  return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
}

function chartColours() {
  return {
    layout: {
      background: { color: colour("panel") },
      textColor: colour("muted"),
      panes: { separatorColor: colour("line"), separatorHoverColor: colour("line") },
    },
    grid: { vertLines: { color: colour("line", 0.5) }, horzLines: { color: colour("line", 0.5) } },
    crosshair: {
      vertLine: { color: colour("muted"), labelBackgroundColor: colour("muted") },
      horzLine: { color: colour("muted"), labelBackgroundColor: colour("muted") },
    },
    rightPriceScale: { borderColor: colour("line") },
    timeScale: { borderColor: colour("line") },
  };
}

const CHART_OPTIONS = {
  autoSize: true,
  layout: { fontSize: 11, fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif" },
  // A finger that moves up or down moves the page.
  handleScroll: { vertTouchDrag: false },
  timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 2 },
};
