import { cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { output } from './run.ts';

/** What a build reads besides the packages. */
const SETTINGS = ['tsconfig.base.json', 'tsconfig.build.json'];

/** Our packages, by the name of their folder. */
export async function packageFolders(root: string): Promise<string[]> {
  return (await readdir(join(root, 'packages'))).sort();
}

/**
 * Copies the sources below `root` to `copy`, builds them there from nothing, and packs every package into `into`. Dependencies are
 * those that are installed in `modules`; nothing that was built before is seen.
 *
 * @returns the names of the tarballs
 */
export async function buildCopy(root: string, modules: string, copy: string, into: string): Promise<string[]> {
  await copySources(root, copy);
  await linkModules(modules, copy);
  await mkdir(into, { recursive: true });
  const binary = (name: string): string => join(modules, '.bin', name);
  await output(binary('tsc'), ['-b', 'tsconfig.build.json'], copy);
  await output(process.execPath, ['build.ts'], join(copy, 'packages', 'console'));
  const folders = (await packageFolders(copy)).map((folder) => `./packages/${folder}`);
  const said = await output('npm', ['pack', '--json', '--pack-destination', into, ...folders], copy);
  return (JSON.parse(said) as { filename: string }[]).map(({ filename }) => filename);
}

async function copySources(root: string, copy: string): Promise<void> {
  const left = /(?:^|\/)(?:node_modules|dist|[^/]*\.tsbuildinfo)$/;
  const filter = (path: string): boolean => !left.test(relative(root, path));
  await cp(join(root, 'packages'), join(copy, 'packages'), { recursive: true, filter });
  for (const name of SETTINGS) await cp(join(root, name), join(copy, name));
}

/** Links to everything that is installed, and to our packages in the copy: a build must not see those beside it. */
async function linkModules(modules: string, copy: string): Promise<void> {
  const target = join(copy, 'node_modules');
  await mkdir(join(target, '@cmcp'), { recursive: true });
  for (const name of await readdir(modules)) {
    if (name !== '@cmcp') await symlink(join(modules, name), join(target, name));
  }
  for (const folder of await packageFolders(copy)) {
    const manifest = await readFile(join(copy, 'packages', folder, 'package.json'), 'utf8');
    const { name } = JSON.parse(manifest) as { name: string };
    await symlink(join(copy, 'packages', folder), join(target, name));
  }
}
