import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** A requirement id, or the id of a defect or weakness of the reference that must not come back. */
const ID = /^[A-Z][A-Z0-9]*-?[A-Z]?[0-9][0-9.]*$/;
const TITLE = /\btest\(\s*(['"`])((?:\\.|(?!\1)[\s\S])*)\1/g;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Which test files claim which ids in the titles of their tests, as `[ID]`. Ids and files are sorted. */
export async function claimedIds(): Promise<Map<string, string[]>> {
  const claimed = new Map<string, Set<string>>();
  for await (const file of glob(['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts'], { cwd: ROOT })) {
    const source = await readFile(`${ROOT}/${file}`, 'utf8');
    for (const id of idsIn(source)) claimed.set(id, (claimed.get(id) ?? new Set()).add(file));
  }
  const sorted = [...claimed].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(sorted.map(([id, files]) => [id, [...files].sort()]));
}

function idsIn(source: string): string[] {
  const titles = [...source.matchAll(TITLE)].map((match) => match[2] ?? '');
  const marked = titles.flatMap((title) => [...title.matchAll(/\[([^\]]+)\]/g)].map((match) => match[1] ?? ''));
  return marked.filter((mark) => ID.test(mark));
}
