// The gradient over lag: curves on a logarithmic axis, each with its own dash pattern and its name at the end.
const DASHES = ["", "7 4", "2 3", "9 3 2 3", "4 2", "1 4"];
const DECADES = 10; // smaller norms are negligible beside the greatest

function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const power = (exponent) => "10" + [...String(exponent)].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("");

// Decades to show: from that of the least norm (at most DECADES below the greatest) to that of the greatest
function decades(lags) {
  const logs = lags.flatMap((lag) => lag.norms.filter((norm) => norm > 0).map(Math.log10));
  const top = logs.length ? Math.ceil(Math.max(...logs)) : 0;
  return [Math.min(Math.max(Math.floor(Math.min(...logs)), top - DECADES), top - 1), top];
}

function path(norms, x, y, low) {
  let drawn = "";
  norms.forEach((norm, lag) => {
    if (norm === null || (lag && !(norms[lag - 1] >= 10 ** low))) return; // the curve has left the plot
    drawn += `${drawn ? "L" : "M"}${x(lag).toFixed(1)} ${y(Math.max(norm, 10 ** low)).toFixed(1)}`;
  });
  return drawn;
}

function drawPlot(box, lags, unit) {
  const width = Math.max(box.clientWidth, 240), height = Math.min(320, 140 + width / 4);
  const names = Math.min(Math.max(...lags.map((lag) => lag.name.length)) * 6.4 + 40, width / 2);
  const [left, right, top, bottom] = [40, width - names, 8, height - 34];
  const [low, high] = decades(lags), last = Math.max(...lags.map((lag) => lag.norms.length)) - 1;
  const x = (lag) => left + (lag / Math.max(last, 1)) * (right - left);
  const y = (norm) => bottom - ((Math.log10(norm) - low) / (high - low)) * (bottom - top);
  const root = svg("svg", { width, height, role: "img", "aria-label": summary(lags) });
  for (let e = low; e <= high; e += Math.ceil((high - low) / 6)) {
    root.append(svg("line", { class: "grid", x1: left, x2: right, y1: y(10 ** e), y2: y(10 ** e) }));
    root.append(svg("text", { x: left - 6, y: y(10 ** e) + 4, "text-anchor": "end" }, power(e)));
  }
  const every = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((s) => x(s) - left >= 48) ?? 1000;
  for (let lag = 0; lag <= last; lag += every)
    root.append(svg("text", { x: x(lag), y: bottom + 16, "text-anchor": "middle" }, lag));
  root.append(svg("text", { x: (left + right) / 2, y: height - 2, "text-anchor": "middle" }, unit));
  const order = lags.map((lag, index) => ({ ...lag, dash: lag.trained ? "" : DASHES[1 + (index % (DASHES.length - 1))] }));
  const ends = order.map((lag) => ({ lag, at: y(Math.max(lag.norms.at(-1) ?? 10 ** high, 10 ** low)) }));
  ends.sort((a, b) => a.at - b.at);
  ends.forEach((end, e) => { if (e) end.at = Math.max(end.at, ends[e - 1].at + 17); });
  let floor = bottom - 2; // names were pushed down; now push them up from the bottom
  for (const end of ends.toReversed()) floor = (end.at = Math.min(end.at, floor)) - 17;
  for (const { lag, at } of ends) {
    const mine = lag.trained ? " mine" : "";
    root.append(svg("path", { class: "curve" + mine, "stroke-dasharray": lag.dash, d: path(lag.norms, x, y, low) }));
    root.append(svg("path", { class: "curve" + mine, "stroke-dasharray": lag.dash, d: `M${right + 6} ${at}h22` }));
    root.append(svg("text", { class: "name" + mine, x: right + 34, y: at + 4 }, lag.name));
  }
  box.replaceChildren(root);
}

const brief = (norm) => (norm === null || norm === undefined ? "–" : norm.toPrecision(2));
const summary = (lags) => lags.map((lag) =>
  `${lag.name}: ${brief(lag.norms[0])} at lag 0, ${brief(lag.norms.at(-1))} at lag ${lag.norms.length - 1}`).join("; ");

function tabulate(table, lags) {
  const last = Math.max(...lags.map((lag) => lag.norms.length)) - 1;
  const shown = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500].filter((lag) => lag < last).concat(last);
  const row = (tag, cells) => {
    const made = document.createElement("tr");
    cells.forEach((cell, c) => {
      const box = document.createElement(c ? tag : "th");
      box.textContent = cell;
      made.append(box);
    });
    return made;
  };
  const head = document.createElement("thead"), body = document.createElement("tbody");
  head.append(row("th", ["lag", ...shown]));
  for (const lag of lags) body.append(row("td", [lag.name, ...shown.map((at) => brief(lag.norms[at]))]));
  table.replaceChildren(head, body);
}
