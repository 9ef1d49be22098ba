/**
 * Number of single-character edits (insert, delete, replace, swap of neighbours) from `a` to `b`: the optimal string
 * alignment distance. Cost is the product of the lengths, so callers bound both.
 */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, (before[column - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** Longer input is cut: nobody misspells that much, and the cost of comparing stays bounded. */
const COMPARED_CHARACTERS = 64;

/** The known word that is at most `edits` edits from `word` and nearest to it; the first of equals, else null. */
export function nearest(
  word: string,
  known: readonly string[],
  edits: number = Number.POSITIVE_INFINITY,
): string | null {
  const typed = word.slice(0, COMPARED_CHARACTERS).toLowerCase();
  let best: { name: string; distance: number } | null = null;
  for (const name of known) {
    const distance = editDistance(typed, name.slice(0, COMPARED_CHARACTERS).toLowerCase());
    if (best === null || distance < best.distance) best = { name, distance };
  }
  return best !== null && best.distance <= edits ? best.name : null;
}
