import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { appendFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildTwice } from '../scripts/release/build-twice.ts';
import { describe, installation } from '../scripts/release/installation.ts';
import { measureInstallation, writeInstallation } from '../scripts/release/measurements.ts';
import { nodeBinaries } from '../scripts/release/node-binaries.ts';
import { publicJwk, signed } from '../scripts/release/sign.ts';
import { cliEnvironment } from './support/cli.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));

let work = '';
const release = (): string => join(work, 'release');
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'cmcp-release-test-'));
});
after(() => rm(work, { recursive: true, force: true }));

interface Said {
  code: { digest: string; parts: Record<string, string | null>; tree: string };
  release: { same: boolean; differences: string[] };
}

test('two builds of the same source give the same packages, byte for byte', async () => {
  const { folder, tarballs } = await buildTwice(root, join(root, 'node_modules'), work);
  assert.equal(tarballs.length, 5);
  const packages = await describe(root, folder, tarballs);
  const installed = await installation(root, packages);
  await writeInstallation(release(), folder, packages, installed);
  const platform = `${process.platform}-${process.arch}`;
  const nodes = await nodeBinaries(root, work, [platform]);
  const code = await measureInstallation(release(), work, nodes);
  assert.deepEqual(
    code.map((each) => each.platform),
    [platform],
  );
  const { privateKey } = generateKeyPairSync('ed25519');
  const { dependencies } = installed;
  const document = {
    format: 'cmcp-measurements/1',
    version: '0.1.0',
    commit: '0'.repeat(40),
    packages,
    dependencies,
    code,
  };
  await writeFile(
    join(release(), 'measurements.json'),
    JSON.stringify(signed(JSON.parse(JSON.stringify(document)), privateKey)),
  );
  await writeFile(join(work, 'publisher.jwk'), JSON.stringify(publicJwk(privateKey)));
});

/** Installs the release in a folder of its own, as on another machine, and returns its `cmcp`. */
async function installed(name: string): Promise<{ folder: string; cmcp: string }> {
  const folder = join(work, name);
  await mkdir(folder, { recursive: true });
  await cp(release(), folder, { recursive: true });
  await run('npm', ['ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: folder });
  return { folder, cmcp: join(folder, 'node_modules', '.bin', 'cmcp') };
}

const check = (): string[] => [
  ...['attest', 'measure', '--json', '--check', join(release(), 'measurements.json')],
  ...['--key', join(work, 'publisher.jwk')],
];

test('the released packages measure the same wherever they are installed, and as the release says [W-11]', async () => {
  const { folder, cmcp } = await installed('a-machine');
  const own = JSON.parse(
    (await run(process.execPath, [cmcp, ...check()], { cwd: folder, env: cliEnvironment(folder) })).stdout,
  ) as Said;
  assert.deepEqual([own.release.same, own.release.differences, own.code.tree], [true, [], 'installed']);
  const other = await installed('deep/in/another/machine');
  const args = [...check(), '--package', other.folder, '--node', process.execPath];
  const from = await cmcpInProcess(args, work);
  assert.equal(from.code, 0, from.stderr);
  assert.equal((JSON.parse(from.stdout) as Said).code.digest, own.code.digest);
});

test('one changed byte of an installed file, another Node.js or a lost lockfile is found, and named', async () => {
  const { folder } = await installed('changed');
  const differences = async (...args: string[]): Promise<string[]> => {
    const ran = await cmcpInProcess([...check(), '--package', folder, ...args], work);
    assert.equal(ran.code, 1, ran.stderr);
    return (JSON.parse(ran.stdout) as Said).release.differences;
  };
  await writeFile(join(work, 'node'), 'another binary');
  assert.match((await differences('--node', join(work, 'node'))).join('\n'), /^the Node\.js binary is none that/);
  const lockfile = join(folder, 'node_modules', '.package-lock.json');
  const lock = await readFile(lockfile);
  await rm(lockfile);
  assert.match((await differences()).join('\n'), /^there is no lockfile: install with `npm ci`/);
  await writeFile(lockfile, lock);
  await appendFile(join(folder, 'node_modules', 'undici', 'index.js'), '\n');
  assert.deepEqual(await differences(), ['the files of the packages are not those of the release']);
});

test('measurements that another publisher signed convince nobody', async () => {
  const other = generateKeyPairSync('ed25519').privateKey;
  await writeFile(join(work, 'other.jwk'), JSON.stringify(publicJwk(other)));
  const args = check().map((word) => (word.endsWith('publisher.jwk') ? join(work, 'other.jwk') : word));
  const ran = await cmcpInProcess(args, work);
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /measurements\.json: .*signature/);
});
