/**
 * Flags as the sheet knows them: bit, sign on the picture, and in words.
 * @type {[number, string, string][]}
 */
export const MARKS = [
  [1, "?", "unsure"],
  [2, "⊘", "excluded"],
  [4, "★", "starred"],
  [8, "✎", "with a note"],
];

/** The flags of one picture: signs, and words for those who do not see them. */
export function marksOf(bits) {
  const has = MARKS.filter(([bit]) => bits & bit);
  return { signs: has.map(([, sign]) => sign).join(""), words: has.map(([, , word]) => word).join(", ") };
}

/**
 * Which pictures stand on a sheet when each stack of copies is one cell.
 *
 * @param {number} n pictures, in their order
 * @param {ArrayLike<number>} stacks number of the stack of each, −1: none
 * @param {Set<number>} open stacks whose pictures all stand there
 * @returns {{cells: number[], sizes: number[]}} place of the picture in each cell, and how many it stands for (1: it is
 *   alone, or its stack is open)
 */
export function fold(n, stacks, open) {
  const cells = [],
    sizes = [],
    cellOf = new Map();
  for (let i = 0; i < n; i++) {
    const stack = i < stacks.length ? stacks[i] : -1,
      cell = stack >= 0 && !open.has(stack) ? cellOf.get(stack) : undefined;
    if (cell !== undefined) {
      sizes[cell]++;
      continue;
    }
    if (stack >= 0) cellOf.set(stack, cells.length);
    cells.push(i);
    sizes.push(1);
  }
  return { cells, sizes };
}

/** Places of the pictures of each stack. @param {ArrayLike<number>} stacks @returns {Map<number, number[]>} */
export function placesOf(stacks) {
  const among = new Map();
  for (let i = 0; i < stacks.length; i++) {
    if (!(stacks[i] >= 0)) continue;
    const all = among.get(stacks[i]);
    if (all) all.push(i);
    else among.set(stacks[i], [i]);
  }
  return among;
}

/** Places of all pictures that a cell stands for; `among` is of `placesOf`. */
export function members(place, size, stacks, among) {
  return size < 2 ? [place] : among.get(stacks[place]);
}
