/** Class colors on a dark page, where the map and all that stands beside it show the same ones. Pure; tested in node. */

/** "#rrggbb" to 0x00bbggrr, the order of bytes in ImageData. Anything else is mid gray. */
export function packColor(hex) {
  const m = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(String(hex));
  return m ? (parseInt(m[3], 16) << 16) | (parseInt(m[2], 16) << 8) | parseInt(m[1], 16) : 0x888888;
}

/** How much light 0x00bbggrr sends, 0..1 (WCAG). */
const luminance = (c) =>
  [c & 255, (c >> 8) & 255, (c >> 16) & 255].reduce(
    (sum, v, k) => sum + [0.2126, 0.7152, 0.0722][k] * (v <= 10 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4),
    0,
  );

/** A class color for a dark page: black turns white, others get lighter until they stand out 3 to 1. @returns {string} "#rrggbb" */
export function onDark(hex) {
  if (/^#(0{6}|1a1a1a)$/i.test(hex)) return "#f1f3f4";
  const c = packColor(hex),
    behind = luminance(0x212121) + 0.05;
  for (let t = 0; ; t += 0.04) {
    const mix = [0, 8, 16].map((at) => Math.round(((c >> at) & 255) * (1 - t) + 255 * t));
    if ((luminance(mix[0] | (mix[1] << 8) | (mix[2] << 16)) + 0.05) / behind >= 3)
      return t ? `#${mix.map((v) => v.toString(16).padStart(2, "0")).join("")}` : hex;
  }
}
