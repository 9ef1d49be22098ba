/** Entries from `start` up to, not including, `end`. */
export interface Range {
  start: number;
  end: number;
}

/** More than this at one level are shown in groups: a picture of ten thousand squares says nothing, and takes long to draw. */
const MOST = 250;
const STEP = 100;

/** The range cut into parts of one entry each, or, when that would be too many, of a hundred, ten thousand, … entries. */
export function parts({ start, end }: Range): Range[] {
  let size = 1;
  while ((end - start) / size > MOST) size *= STEP;
  const cut: Range[] = [];
  for (let from = start; from < end; from += size) cut.push({ start: from, end: Math.min(from + size, end) });
  return cut;
}
