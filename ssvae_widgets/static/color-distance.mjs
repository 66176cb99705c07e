/** How far apart two colors look: CIEDE2000 (Sharma, Wu and Dalal 2005), as `palettes.color_distance` in Python. Pure; tested in node. */

/** Nearer than this, two classes are easily mixed up. */
export const NEAR = 15;

/** `#rrggbb` of what somebody typed, also of `b16` or `B01060`; empty when it is no color. @param {unknown} text */
export function hexColor(text) {
  const digits = String(text).trim().toLowerCase().replace(/^#/, "");
  const six = digits.length === 3 ? digits.replace(/./g, "$&$&") : digits;
  return /^[0-9a-f]{6}$/.test(six) ? `#${six}` : "";
}

/** L*, a*, b* of `#rrggbb` under D65. @param {string} hex */
export function lab(hex) {
  const [r, g, b] = [1, 3, 5]
    .map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  const f = (t) => (t > (6 / 29) ** 3 ? Math.cbrt(t) : t / (3 * (6 / 29) ** 2) + 4 / 29);
  const x = f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047),
    y = f(0.2126729 * r + 0.7151522 * g + 0.072175 * b),
    z = f((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** CIEDE2000 of two colors. @param {string} one @param {string} other */
export function colorDistance(one, other) {
  const [l1, a1, b1] = lab(one),
    [l2, a2, b2] = lab(other),
    deg = Math.PI / 180;
  const c7 = ((Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2) ** 7,
    g = 1.5 - 0.5 * Math.sqrt(c7 / (c7 + 25 ** 7));
  const c1 = Math.hypot(g * a1, b1),
    c2 = Math.hypot(g * a2, b2),
    h1 = Math.atan2(b1, g * a1),
    h2 = Math.atan2(b2, g * a2);
  const round = 2 * Math.PI,
    turn = c1 * c2 ? ((((h2 - h1 + Math.PI) % round) + round) % round) - Math.PI : 0;
  const light = (l1 + l2) / 2,
    chroma = (c1 + c2) / 2,
    hue = c1 * c2 ? h1 + turn / 2 : h1 + h2;
  const t =
    1 -
    0.17 * Math.cos(hue - 30 * deg) +
    0.24 * Math.cos(2 * hue) +
    0.32 * Math.cos(3 * hue + 6 * deg) -
    0.2 * Math.cos(4 * hue - 63 * deg);
  const dl = (l2 - l1) / (1 + (0.015 * (light - 50) ** 2) / Math.sqrt(20 + (light - 50) ** 2)),
    dc = (c2 - c1) / (1 + 0.045 * chroma),
    dh = (2 * Math.sqrt(c1 * c2) * Math.sin(turn / 2)) / (1 + 0.015 * chroma * t);
  const blue = 30 * Math.exp(-(((((((hue / deg) % 360) + 360) % 360) - 275) / 25) ** 2)),
    mixed = -Math.sin(2 * blue * deg) * 2 * Math.sqrt(chroma ** 7 / (chroma ** 7 + 25 ** 7));
  return Math.sqrt(dl * dl + dc * dc + dh * dh + mixed * dc * dh);
}

/** Which of some named colors a color is easily mixed up with, nearest first. @param {string} hex @param {[string, string][]} others name and color */
export function tooNear(hex, others) {
  return others
    .map(([name, other]) => /** @type {[string, number]} */ ([name, colorDistance(hex, other)]))
    .filter(([, d]) => d < NEAR)
    .sort((a, b) => a[1] - b[1])
    .map(([name]) => name);
}
