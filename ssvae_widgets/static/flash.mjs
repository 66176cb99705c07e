/** A flash of the class color on a point whose label has landed: it is on the disk. Pure, so that `node --test` can import it. */
export const FLASH = 450; // milliseconds

/** How a flash looks at an age: radius beyond the ring of a point and opacity. Without motion it stands still, then it is gone. */
export function flashShape(age, calm) {
  const t = Math.min(Math.max(age / FLASH, 0), 1);
  return calm ? { radius: 6, alpha: t < 1 ? 0.9 : 0 } : { radius: 3 + 13 * (1 - (1 - t) ** 2), alpha: 0.9 * (1 - t) };
}

export class Flashes {
  /** @param {number} most points that flash at once; of more only some do */
  constructor(most = 150) {
    this.most = most;
    /** @type {{i: number, color: string, since: number}[]} */
    this.now = [];
  }

  /** Labels have landed on some points. @param {ArrayLike<number>} serials @param {string} color @param {number} now */
  land(serials, color, now) {
    const step = Math.ceil(serials.length / this.most) || 1;
    for (let k = 0; k < serials.length; k += step) this.now.push({ i: serials[k], color, since: now });
    this.now = this.now.slice(-2 * this.most);
  }

  /**
   * Draw what still flashes. @returns {boolean} whether there is more to draw in the next frame
   * @param {CanvasRenderingContext2D} g
   * @param {(i: number) => number[]} place of a point in pixels
   * @param {number} r radius of a ring around a point
   */
  draw(g, place, r, now, calm) {
    this.now = this.now.filter((f) => now - f.since < FLASH);
    for (const { i, color, since } of this.now) {
      const [x, y] = place(i),
        { radius, alpha } = flashShape(now - since, calm);
      g.globalAlpha = alpha;
      g.beginPath();
      g.arc(x, y, r + radius, 0, 2 * Math.PI);
      g.lineWidth = 3;
      g.strokeStyle = color;
      g.stroke();
    }
    g.globalAlpha = 1;
    return this.now.length > 0;
  }
}
