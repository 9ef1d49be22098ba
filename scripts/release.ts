import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildTwice } from './release/build-twice.ts';
import { describe, installation } from './release/installation.ts';
import { measureInstallation, writeInstallation } from './release/measurements.ts';
import { nodeBinaries } from './release/node-binaries.ts';
import { output } from './release/run.ts';
import { publicJwk, readSigningKey, signed } from './release/sign.ts';

/**
 * `npm run release -- --key FILE`: builds the commit that is checked out twice, from nothing, refuses when the two differ by a byte, and
 * writes the packages, a lockfile to install them with, and signed measurements to `release/`.
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const USAGE =
  'usage: npm run release -- --key FILE [--out DIR] [--platform NAME]…\n' +
  '  --key       the publisher’s private key, Ed25519 as PEM: openssl genpkey -algorithm ed25519 -out publisher.pem\n' +
  '  --out       folder for the release (default: release)\n' +
  '  --platform  measure with this pinned Node.js only, such as linux-x64 (default: every one)\n';

async function release(keyFile: string, out: string, platforms: string[], work: string): Promise<string[]> {
  const key = await readSigningKey(keyFile);
  const commit = (await output('git', ['rev-parse', 'HEAD'], root)).trim();
  const source = join(work, 'source');
  await mkdir(source);
  // What is committed, and nothing else: files that only lie in the working tree are not part of a release.
  await output('git', ['archive', '--format=tar', '-o', join(work, 'source.tar'), commit], root);
  await output('tar', ['-xf', join(work, 'source.tar')], source);
  const { folder, tarballs } = await buildTwice(source, join(root, 'node_modules'), work);
  const packages = await describe(source, folder, tarballs);
  const installed = await installation(source, packages);
  await rm(out, { recursive: true, force: true });
  await writeInstallation(out, folder, packages, installed);
  const code = await measureInstallation(out, work, await nodeBinaries(root, work, platforms));
  const version = packages.find(({ name }) => name === '@cmcp/cli')?.version ?? '';
  const { dependencies } = installed;
  const document = { format: 'cmcp-measurements/1', version, commit, packages, dependencies, code };
  // Through text, so that what is signed is what is written.
  const plain = JSON.parse(JSON.stringify(document)) as Parameters<typeof signed>[0];
  await writeFile(join(out, 'measurements.json'), `${JSON.stringify(signed(plain, key), null, 2)}\n`);
  const rows = code.map(({ platform, digest }) => `  ${platform}  ${digest}`);
  return [
    `release ${version} of commit ${commit}: two builds gave the same bytes`,
    ...packages.map(({ file, sha256 }) => `  ${sha256}  ${file}`),
    'code:',
    ...rows,
    `signed; who checks needs this key, from you and not from the release: ${JSON.stringify(publicJwk(key))}`,
  ];
}

const { values } = parseArgs({
  options: {
    key: { type: 'string' },
    out: { type: 'string', default: join(root, 'release') },
    platform: { type: 'string', multiple: true, default: [] },
  },
});
if (values.key === undefined) {
  process.stderr.write(USAGE);
  process.exit(2);
}
// Modes of packed files come from here.
process.umask(0o022);
const work = await mkdtemp(join(tmpdir(), 'cmcp-release-'));
try {
  const lines = await release(values.key, resolve(values.out), values.platform, work);
  process.stdout.write(`${lines.join('\n')}\n`);
} catch (error) {
  process.stderr.write(`no release: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await rm(work, { recursive: true, force: true });
}
