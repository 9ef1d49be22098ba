import { writeFile } from 'node:fs/promises';
import { claimedIds } from '../tests/requirements/collect.ts';

/** Writes tests/requirements/manifest.json anew. The diff shows which requirement gained or lost a test: review it. */
const manifest = Object.fromEntries(await claimedIds());
await writeFile(
  new URL('../tests/requirements/manifest.json', import.meta.url),
  `${JSON.stringify(manifest, null, 2)}\n`,
);
