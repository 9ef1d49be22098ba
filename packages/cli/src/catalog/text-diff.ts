/** One line of a text: only before, only after, or in both. */
export interface DiffLine {
  side: '-' | '+' | ' ';
  text: string;
}

const MAX_LINES = 1_000;

/** How a text changed, line by line; long lines count as several, by sentence. Nothing is left out. */
export function textDiff(before: string, after: string): DiffLine[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  if (old.length > MAX_LINES || now.length > MAX_LINES) return [...marked('-', old), ...marked('+', now)];
  const lengths = commonLengths(old, now);
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    const [left = '', right = ''] = [old[i], now[j]];
    if (i < old.length && j < now.length && left === right) {
      lines.push({ side: ' ', text: left });
      i += 1;
      j += 1;
    } else if (j >= now.length || (i < old.length && at(lengths, i + 1, j) >= at(lengths, i, j + 1))) {
      lines.push({ side: '-', text: left });
      i += 1;
    } else {
      lines.push({ side: '+', text: right });
      j += 1;
    }
  }
  return lines;
}

function linesOf(text: string): string[] {
  return text.split(/\n|(?<=[.!?]) /);
}

/** Length of the longest common subsequence of the rests from i and j on. */
function commonLengths(old: readonly string[], now: readonly string[]): number[][] {
  const lengths = Array.from({ length: old.length + 1 }, () => new Array<number>(now.length + 1).fill(0));
  for (let i = old.length - 1; i >= 0; i--) {
    const row = lengths[i] ?? [];
    for (let j = now.length - 1; j >= 0; j--) {
      row[j] =
        old[i] === now[j] ? at(lengths, i + 1, j + 1) + 1 : Math.max(at(lengths, i + 1, j), at(lengths, i, j + 1));
    }
  }
  return lengths;
}

function at(lengths: readonly number[][], i: number, j: number): number {
  return lengths[i]?.[j] ?? 0;
}

function marked(side: DiffLine['side'], lines: readonly string[]): DiffLine[] {
  return lines.map((text) => ({ side, text }));
}
