// The controls around the text, and the start.
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => document.documentElement.style.colorScheme || (prefersDark.matches ? "dark" : "light");

function themed() {
  at("theme").textContent = theme() === "dark" ? "Light theme" : "Dark theme";
  recolour();
}

at("theme").addEventListener("click", () => {
  document.documentElement.style.colorScheme = theme() === "dark" ? "light" : "dark";
  themed();
});
prefersDark.addEventListener("change", themed);

function choose(chosen) {
  mode = chosen;
  at("modes").querySelector(`[value=${mode}]`).checked = true;
  at("pick").hidden = mode !== "unit";
  detail();
  recolour();
}

// Fill a <select>, and keep the choice
function options(select, names, chosen) {
  select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
}

function chooseUnit(layer, name, number) {
  const layers = [...new Set(data.signals.map((s) => s.layer))], here = data.signals.filter((s) => s.layer === layer);
  signal = here.find((s) => s.name === name) ?? here[0];
  unit = signal.units.includes(number) ? number : signal.units[0];
  options(at("layer"), layers, layer);
  options(at("signal"), here.map((s) => s.name), signal.name);
  const box = at("unit");
  [box.min, box.max, box.value] = [signal.units[0], signal.units.at(-1), unit];
  for (const row of at("ranking").querySelectorAll("input"))
    row.checked = row.checked && row.entry.layer === layer && row.entry.unit === unit && row.entry.signal === signal.name;
  values = null;
  choose("unit");
}

at("modes").addEventListener("change", (event) => {
  if (event.target.value === "unit") chooseUnit(signal.layer, signal.name, unit);
  else choose(event.target.value);
});
at("layer").addEventListener("change", (event) => chooseUnit(Number(event.target.value), signal.name, unit));
at("signal").addEventListener("change", (event) => chooseUnit(signal.layer, event.target.value, unit));
at("unit").addEventListener("input", (event) => { // the arrows skip units that the page lacks
  const asked = Number(event.target.value);
  const next = asked > unit ? signal.units.find((u) => u >= asked) : signal.units.findLast((u) => u <= asked);
  if (event.target.value !== "" && next !== undefined) chooseUnit(signal.layer, signal.name, next);
});
at("unit").addEventListener("change", () => { at("unit").value = unit; });
at("controls").addEventListener("submit", (event) => event.preventDefault());

function ranked(entry) {
  const input = element("input"), fill = element("i");
  [input.type, input.name, input.entry] = ["radio", "ranked", entry];
  input.addEventListener("change", () => {
    chooseUnit(entry.layer, entry.signal, entry.unit);
    at("legend").scrollIntoView({ block: "nearest" }); // in a narrow window, the text is above the ranking
  });
  const bar = element("div", entry.sign < 0 ? "bar low" : "bar high", fill), tick = element("b");
  fill.style.width = `${100 * entry.score}%`;
  tick.style.left = `${100 * entry.untrained}%`;
  bar.title = `best unit of an untrained network: ${entry.untrained.toFixed(2)}`;
  bar.append(tick);
  return element("label", "", input, element("span", "", entry.tracks),
    element("span", "quiet", `${entry.layer} · ${entry.signal} ${entry.unit}`),
    bar,
    element("span", "score", signed(entry.score * entry.sign)));
}

document.title = `${data.name} · charrnn explain`;
at("name").textContent = data.name;
at("summary").textContent = data.summary;
at("bpc").textContent = data.bpc === null ? "–" : data.bpc.toFixed(3);
at("per").textContent = `bits per ${data.symbol}`;
at("what-many").textContent = `${data.symbol}s`;
at("count").textContent = size.toLocaleString("en");
at("ramp").append(...Array.from({ length: STEPS }, (_, k) => element("span", `k${k}`)));
at("ranking").append(...data.ranking.map(ranked));
at("units").hidden = !data.ranking.length;
at("modes").querySelector("[value=unit]").parentElement.hidden = !data.signals.length;
at("modes").querySelector("[value=attention]").parentElement.hidden = !data.attention;
at("reach").hidden = !data.lags.length;
mark(Math.min(1, size - 1));
themed();
if (data.lags.length) {
  tabulate(at("norms"), data.lags);
  new ResizeObserver(() => drawPlot(at("plot"), data.lags, `${data.symbol}s back`)).observe(at("plot"));
}
