// The text, its colors, and the marked character.
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const size = data.chars.length;
const legible = data.legible ?? data.chars; // for bytes: each character at its first byte
const NAMES = { "\n": "newline", " ": "space", "\t": "tab", "\u00a0": "no-break space" };
const GLYPHS = { "\n": "↵", " ": "␣", "\t": "⇥", "\u00a0": "⍽" };
const ordinal = (n) => n + (["th", "st", "nd", "rd"][n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] ?? "th");

// Control and format characters would distort the page's own text, so show their numbers
const visible = (char) => GLYPHS[char] ?? char.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) =>
  "U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0"));
const named = (char) => (NAMES[char] ? `${GLYPHS[char]} ${NAMES[char]}` : visible(char));
const signed = (value, digits = 2, text = value.toFixed(digits)) => text.replaceAll("-", "−");
// With as many digits as a byte can resolve in a range
function fitting(value, range) {
  if (range > 1e6 || range < 1e-6) return signed(value, 0, value.toExponential(1));
  return signed(value, Math.max(0, Math.floor(Math.log10(255 / range))));
}
const percent = (share) => `${(100 * share).toFixed(2)} %`;

function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

// One span per character, numbered by a property. Each line is a block, so that the browser styles and draws
// only visible lines: recoloring 20,000 characters then costs as much as recoloring one screenful.
let line = element("div");
at("text").append(line);
const spans = legible.map((char, i) => {
  const kept = char in GLYPHS, span = element("span", "", kept ? char : visible(char));
  span.number = i;
  line.append(span);
  if (char === "\n") {
    span.dataset.end = "";
    if (i < size - 1) at("text").append((line = element("div")));
  }
  return span;
});

let steps = new Int8Array(size).fill(-1); // the current step of each span; -1 is no color
function colour(wanted) {
  for (let i = 0; i < size; i++)
    if (wanted[i] !== steps[i]) spans[i].className = wanted[i] < 0 ? "" : `k${wanted[i]}`;
  steps = wanted;
}

// Bytes arrive as base64 of zlib, and are unpacked on first use
const unpacked = new Map();
function unpack(packed) {
  if (!unpacked.has(packed)) {
    const text = atob(packed.data), bytes = new Uint8Array(text.length);
    for (let b = 0; b < text.length; b++) bytes[b] = text.charCodeAt(b); // many times faster than Uint8Array.from with a function
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    unpacked.set(packed, new Response(stream).arrayBuffer().then((buffer) => new Uint8Array(buffer)));
  }
  return unpacked.get(packed);
}

// ---- Coloring the text ----

let mode = "surprise", signal = data.signals[0], unit = signal?.units[0];
let marked = -1, pinned = -1; // the character in the panel, and the one to return to
let values = null, weights = null; // bytes of the chosen unit and of attention

function legend(meaning, two, low, high, more = "") {
  paint(theme(), two);
  at("meaning").textContent = meaning;
  const places = [low, (low + high) / 2, high], whole = places.every(Number.isInteger);
  const ticks = places.map((v) => (whole ? signed(v, 0) : fitting(v, high - low)));
  at("ticks").replaceChildren(...ticks.map((tick, t) => element("span", "", tick + (t === 2 ? more : ""))));
}

const highest = data.bits.reduce((most, bits) => Math.max(most, bits ?? 0), 0);
const top = Math.min(Math.max(Math.ceil(highest), 1), 8); // bits at the end of the scale
function bySurprise() {
  legend(`Surprise: the cost of each ${data.symbol} in bits`, false, 0, top, highest > top ? "+ bits" : " bits");
  colour(Int8Array.from(data.bits, (bits) => (bits === null ? -1 : step(bits, 0, top))));
}

// The range of the chosen unit. A range with negative values is symmetric about 0 and has two colors
function range() {
  const u = signal.units.indexOf(unit);
  return [signal.low[u], signal.high[u]];
}
const valueOf = (byte) => range()[0] + ((range()[1] - range()[0]) * byte) / 255;

async function byUnit() {
  const [of, number] = [signal, unit];
  const all = await unpack(of);
  if (mode !== "unit" || of !== signal || number !== unit) return; // the user has chosen something else
  const start = of.units.indexOf(number) * size, [low, high] = range();
  values = all.subarray(start, start + size);
  const table = Int8Array.from({ length: 256 }, (_, byte) => step(byte, 0, 255));
  const tracked = data.ranking.filter((r) => r.layer === of.layer && r.unit === number && r.signal === of.name)
    .map((r) => `${r.tracks} ${signed(r.score * r.sign)}`);
  legend(`Layer ${of.layer}, unit ${number}, ${of.name}` + (tracked.length ? `: tracks ${tracked.join(", ")}` : ""),
    low < 0, low, high);
  colour(Int8Array.from(values, (byte) => table[byte]));
  detail();
}

async function byAttention() {
  const attention = data.attention;
  weights = await unpack(attention);
  if (mode !== "attention") return;
  const wanted = new Int8Array(size).fill(-1);
  const row = weights.subarray(Math.max(0, marked - 1) * attention.window, marked * attention.window);
  const most = Math.max(1, ...row);
  row.forEach((byte, lag) => {
    const i = marked - 1 - lag;
    if (i >= 0) wanted[i] = step(byte, 0, most);
  });
  legend(`Attention: where the model looked when it guessed the marked ${data.symbol}`, false, 0, most / 255);
  colour(wanted);
}

const recolour = () => ({ surprise: bySurprise, unit: byUnit, attention: byAttention })[mode]();

// ---- The marked character ----

function guess(char, share, came) {
  const fill = element("i");
  fill.style.width = `${100 * share}%`;
  return element("li", came ? "came" : "", element("b", "", named(char)), element("div", "bar", fill),
    element("span", "", percent(share)));
}

function detail() {
  const char = data.chars[marked], bits = data.bits[marked], guesses = data.guesses[marked];
  at("glyph").textContent = visible(legible[marked]);
  at("what").textContent = NAMES[char] ?? visible(char);
  at("where").textContent = `line ${data.places[marked][0]}, column ${data.places[marked][1]}`;
  const place = guesses.findIndex(([guessed]) => guessed === char);
  const chance = place < 0 ? 2 ** -bits : guesses[place][1];
  at("cost").textContent = bits === null ? `The first ${data.symbol}: nothing precedes it, so there is no guess.`
    : `${bits.toFixed(2)} bits · ${percent(chance)} · ${place >= 0 ? `${ordinal(place + 1)} guess` : "not among the guesses"}`;
  const rows = guesses.map(([guessed, share], g) => guess(guessed, share, g === place));
  if (bits !== null && place < 0) rows.push(guess(char, chance, true));
  at("guesses").replaceChildren(...rows);
  at("activation").hidden = mode !== "unit" || !values;
  if (mode === "unit" && values)
    at("activation").textContent = `Unit ${unit}, ${signal.name}: ${fitting(valueOf(values[marked]), range()[1] - range()[0])}`;
}

function mark(i) {
  if (i === marked) return;
  if (marked >= 0) delete spans[marked].dataset.on;
  spans[(marked = i)].dataset.on = "";
  detail();
  if (mode === "attention") byAttention();
}

function pin(i) {
  mark((pinned = i));
  spans[i].scrollIntoView({ block: "nearest", inline: "nearest" });
  const [bits, guesses] = [data.bits[i], data.guesses[i]];
  const expected = guesses.slice(0, 3).map(([char, share]) => `${NAMES[char] ?? visible(char)} ${(100 * share).toFixed(0)} %`);
  at("live").textContent = `${NAMES[data.chars[i]] ?? visible(data.chars[i])}` +
    (bits === null ? `, first ${data.symbol}` : `, ${bits.toFixed(2)} bits. Expected: ${expected.join(", ")}`);
}

// ---- Pointer and keys in the text ----

const box = (i) => spans[i].getClientRects()[0];
const sameRow = (i, j) => Math.abs(box(i).top - box(j).top) < 6;

function rowEnd(i, direction) {
  while (spans[i + direction] && sameRow(i, i + direction)) i += direction;
  return i;
}

function vertical(i, direction) {
  let j = rowEnd(i, direction) + direction, best = j;
  if (!spans[j]) return i;
  const off = (k) => Math.abs(box(k).left - box(i).left);
  for (; spans[j] && sameRow(best, j); j += direction) if (off(j) < off(best)) best = j;
  return best;
}

function goal(key, control) {
  const page = (direction) => {
    let i = marked;
    for (let row = 0; row < 10; row++) i = vertical(i, direction);
    return i;
  };
  switch (key) {
    case "ArrowLeft": return Math.max(marked - 1, 0);
    case "ArrowRight": return Math.min(marked + 1, size - 1);
    case "ArrowUp": return vertical(marked, -1);
    case "ArrowDown": return vertical(marked, 1);
    case "Home": return control ? 0 : rowEnd(marked, -1);
    case "End": return control ? size - 1 : rowEnd(marked, 1);
    case "PageUp": return page(-1);
    case "PageDown": return page(1);
  }
}

at("text").addEventListener("keydown", (event) => {
  const target = event.altKey || event.metaKey ? undefined : goal(event.key, event.ctrlKey);
  if (target === undefined) return;
  event.preventDefault();
  pin(target);
});
let pointer = "";
at("text").addEventListener("pointermove", (event) => {
  const here = `${event.clientX} ${event.clientY}`;
  if (here === pointer || event.target.number === undefined) return; // the text scrolled under a resting pointer
  pointer = here;
  mark(event.target.number);
});
at("text").addEventListener("pointerleave", () => { if (pinned >= 0) mark(pinned); });
at("text").addEventListener("click", (event) => { if (event.target.number !== undefined) pin(event.target.number); });
at("text").addEventListener("focus", () => { if (pinned < 0) pinned = marked; });
