import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildCopy } from './build-copy.ts';
import { output } from './run.ts';

/**
 * Builds and packs everything twice, in two places with names of different length, and demands the same bytes: only then can anyone
 * rebuild a release and see that it is what the source says.
 *
 * @param root the sources, and `modules` the installed dependencies
 * @param work a folder for the copies
 * @returns the folder with the tarballs, and their names
 */
export async function buildTwice(
  root: string,
  modules: string,
  work: string,
): Promise<{ folder: string; tarballs: string[] }> {
  const folder = join(work, 'packed');
  const again = join(work, 'packed-again');
  const first = join(work, 'first');
  const tarballs = await buildCopy(root, modules, first, folder);
  // From the sources that the first had, so that nobody's edit in between counts.
  await buildCopy(first, modules, join(work, 'the-second-build'), again);
  for (const name of tarballs) {
    const [one, other] = await Promise.all([folder, again].map((place) => readFile(join(place, name))));
    if (one === undefined || other === undefined || !one.equals(other)) {
      throw new Error(
        `${name} differs between two builds of the same source:\n${await whatDiffers(name, folder, again)}`,
      );
    }
  }
  return { folder, tarballs };
}

async function whatDiffers(name: string, first: string, second: string): Promise<string> {
  const listings = await Promise.all(
    [first, second].map(async (place) => {
      const paths = (await output('tar', ['-tzf', name], place)).trim().split('\n');
      return new Map(
        await Promise.all(
          paths.map(async (path) => [path, await output('tar', ['-xzOf', name, path], place)] as const),
        ),
      );
    }),
  );
  const paths = new Set(listings.flatMap((listing) => [...listing.keys()]));
  const different = [...paths].filter((path) => listings[0]?.get(path) !== listings[1]?.get(path));
  return different.length === 0
    ? '  the order or the headers of the archive'
    : different.map((path) => `  ${path}`).join('\n');
}
