import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** A requirement id, or the id of a defect or weakness of the reference that must not come back. */
const ID = /^[A-Z][A-Z0-9]*-?[A-Z]?[0-9][0-9.]*$/;
/** The id of a behaviour that the protocol demands: tests/behaviour/manifest.json. */
export const BEHAVIOUR_ID = /^B2[56]-[0-9]{3}$/;
const TITLE = /\btest\(\s*(['"`])((?:\\.|(?!\1)[\s\S])*)\1/g;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Which test files claim which ids in the titles of their tests, as `[ID]`. Ids and files are sorted. */
export type Claims = Map<string, string[]>;

export const claimedIds = (): Promise<Claims> => claims((id) => ID.test(id) && !BEHAVIOUR_ID.test(id));

export const claimedBehaviours = (): Promise<Claims> => claims((id) => BEHAVIOUR_ID.test(id));

/** The text of a test file. */
export const sourceOf = (file: string): Promise<string> => readFile(`${ROOT}/${file}`, 'utf8');

async function claims(counts: (id: string) => boolean): Promise<Claims> {
  const claimed = new Map<string, Set<string>>();
  for await (const file of glob(['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts'], { cwd: ROOT })) {
    const ids = marksIn(await sourceOf(file)).filter(counts);
    for (const id of ids) claimed.set(id, (claimed.get(id) ?? new Set()).add(file));
  }
  const sorted = [...claimed].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(sorted.map(([id, files]) => [id, [...files].sort()]));
}

function marksIn(source: string): string[] {
  const titles = [...source.matchAll(TITLE)].map((match) => match[2] ?? '');
  return titles.flatMap((title) => [...title.matchAll(/\[([^\]]+)\]/g)].map((match) => match[1] ?? ''));
}
