/**
 * What a click or a key means for the pictures of a sheet, as file managers have it: alone or with Ctrl (Cmd) it leaves
 * one out or takes it in, with Shift only those from the last one to here stay, with both these stay too.
 * @param {{shiftKey: boolean, ctrlKey: boolean, metaKey: boolean}} event
 * @returns {"one" | "only" | "also"}
 */
export function meant({ shiftKey, ctrlKey, metaKey }) {
  return !shiftKey ? "one" : ctrlKey || metaKey ? "also" : "only";
}

/**
 * Whether each picture is left out, once those of a range of cells stay. Pictures of a folded stack go together.
 * @param {ArrayLike<number>} out 1: left out until now
 * @param {(cell: number) => number[]} held places of the pictures that a cell stands for
 * @param {number} from a cell @param {number} to another, before or after it
 * @param {boolean} also what was not left out until now stays, too
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function keepRange(out, held, from, to, also) {
  const now = also ? Uint8Array.from(out) : new Uint8Array(out.length).fill(1);
  for (let cell = Math.min(from, to); cell <= Math.max(from, to); cell++) for (const at of held(cell)) now[at] = 0;
  return now;
}

/** The pictures that stay, in ascending order. @param {Uint32Array} serials @param {ArrayLike<number>} out */
export function kept(serials, out) {
  return serials.filter((_, at) => out[at] !== 1).sort();
}
