// The colors of the text: 65 steps from the panel's color to the end of the scale, as rules .k0 ... .k64.
// Lightness only rises or only falls along a scale, so that it is readable in gray and for color-blind people.
const STEPS = 65;
const SCALES = {
  light: {
    ink: "#1c1d22",
    one: ["#ffffff", "#fff3cf", "#fbd083", "#f4a24f", "#e2703f", "#b9414f", "#7d2664", "#3f1459"],
    two: ["#08306b", "#2166ac", "#5ba0cf", "#b5d5ea", "#ffffff", "#fbd7a6", "#ea9a45", "#b85c0a", "#6e3004"],
  },
  dark: {
    ink: "#e8e6e0",
    one: ["#1b1e25", "#3a2350", "#6d2b66", "#a43c5f", "#d65f48", "#f0913f", "#fac765", "#fdf3c4"],
    two: ["#b9dcff", "#6fb0ef", "#3378bd", "#234a75", "#1b1e25", "#5a3913", "#a8651b", "#eb9c45", "#ffd9a8"],
  },
};
const sheet = document.styleSheets[0];
const first = sheet.cssRules.length;
for (let k = 0; k < STEPS; k++) sheet.insertRule(`.k${k} {}`, first + k);

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function mixed(stops, share) {
  const place = share * (stops.length - 1), left = Math.min(Math.floor(place), stops.length - 2);
  const [from, to] = [channels(stops[left]), channels(stops[left + 1])];
  return from.map((channel, c) => Math.round(channel + (to[c] - channel) * (place - left)));
}

// Contrast as defined in WCAG 2
function luminance(colour) {
  const [r, g, b] = colour.map((c) => (c <= 10 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [dim, bright] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (bright + 0.05) / (dim + 0.05);
}

// Black or white has a contrast of at least 4.58 on any color; prefer the theme's softer ink if it reaches 4.5
function inkOn(ground, ink) {
  const inks = [channels(ink), [0, 0, 0], [255, 255, 255]];
  return inks.find((colour) => contrast(colour, ground) >= 4.5);
}

let painted = "";
function paint(theme, diverges) {
  if (painted === (painted = `${theme} ${diverges}`)) return; // changing the rules costs as much as changing every span
  const { ink, one, two } = SCALES[theme];
  for (let k = 0; k < STEPS; k++) {
    const ground = mixed(diverges ? two : one, k / (STEPS - 1)), rule = sheet.cssRules[first + k].style;
    rule.backgroundColor = `rgb(${ground})`;
    rule.color = `rgb(${inkOn(ground, ink)})`;
  }
}

// The step of a value between low and high
const step = (value, low, high) =>
  Math.round(Math.min(Math.max((value - low) / (high - low || 1), 0), 1) * (STEPS - 1));
