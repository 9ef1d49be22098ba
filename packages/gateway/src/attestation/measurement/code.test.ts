import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { canonicalSorted, digest } from '@cmcp/evidence';
import { folderOf } from '../../../../../tests/support/policy.ts';
import { type CodeMeasurement, measureCode, PLAIN_LAUNCH } from './code.ts';
import { installedCode, ownCode } from './program.ts';

const manifest = (
  name: string,
  version: string,
  dependencies: Record<string, string> = {},
  more: object = {},
): string => JSON.stringify({ name, version, dependencies, ...more });

/** An installation as npm makes it: the program, the gateway, one package that others share and one that is nested. */
const INSTALLED = {
  'node_modules/@cmcp/cli/package.json': manifest('@cmcp/cli', '1.0.0', { '@cmcp/gateway': '1.0.0', shared: '1' }),
  'node_modules/@cmcp/cli/bin/cmcp.js': 'import("../dist/main.js");\n',
  'node_modules/@cmcp/cli/dist/main.js': 'export {};\n',
  'node_modules/@cmcp/gateway/package.json': manifest('@cmcp/gateway', '1.0.0', { shared: '2', engine: '^3' }),
  'node_modules/@cmcp/gateway/dist/index.js': 'export const open = false;\n',
  'node_modules/@cmcp/gateway/node_modules/shared/package.json': manifest('shared', '2.0.0'),
  'node_modules/@cmcp/gateway/node_modules/shared/index.js': 'export default 2;\n',
  'node_modules/shared/package.json': manifest('shared', '1.0.0'),
  'node_modules/shared/index.js': 'export default 1;\n',
  'node_modules/engine/package.json': manifest(
    'engine',
    '3.1.0',
    { shared: '1' },
    { peerDependencies: { absent: '*' } },
  ),
  'node_modules/engine/engine.wasm': '\0asm',
  'node_modules/engine/build/addon.node': 'ELF',
  'node_modules/unrelated/package.json': manifest('unrelated', '9.0.0'),
  'node_modules/.package-lock.json': JSON.stringify({
    packages: {
      'node_modules/@cmcp/gateway': { version: '1.0.0', integrity: 'sha512-gateway' },
      'node_modules/@cmcp/gateway/node_modules/shared': { version: '2.0.0', integrity: 'sha512-two' },
      'node_modules/shared': { version: '1.0.0', integrity: 'sha512-one' },
      'node_modules/unrelated': { version: '9.0.0', integrity: 'sha512-unrelated' },
    },
  }),
  'bin/node': 'the Node.js binary',
};

const measured = (folder: string): CodeMeasurement =>
  measureCode(installedCode(folder, join(folder, 'bin/node'), PLAIN_LAUNCH));

/** Fails unless each change of the installation changes `part`, and the measurement with it. */
async function changes(
  t: TestContext,
  part: keyof CodeMeasurement['parts'],
  edits: Record<string, (folder: string) => Promise<unknown>>,
): Promise<void> {
  for (const [what, edit] of Object.entries(edits)) {
    const folder = await folderOf(t, INSTALLED);
    const before = measured(folder);
    await edit(folder);
    const after = measured(folder);
    assert.notEqual(after.parts[part], before.parts[part], what);
    assert.notEqual(after.digest, before.digest, what);
  }
}

const write = (path: string, text: string) => (folder: string) => writeFile(join(folder, path), text);

/** Installations with something in the way of what they need. */
function shadowing(t: TestContext) {
  const installed = (more: Record<string, string>): Promise<string> => folderOf(t, { ...INSTALLED, ...more });
  const refused = async (
    what: string,
    added: Record<string, string> | ((folder: string) => Promise<unknown>),
    detail: RegExp,
  ): Promise<void> => {
    const folder = await installed(typeof added === 'function' ? {} : added);
    if (typeof added === 'function') await added(folder);
    assert.throws(() => measured(folder), { code: 'PROCESS_UNSAFE', detail }, what);
  };
  return { installed, refused };
}

test('one byte of one file that the process can load changes the measurement, and so does one file or one name [W-11]', (t) =>
  changes(t, 'packages', {
    'a byte of the gateway': write('node_modules/@cmcp/gateway/dist/index.js', 'export const open = true; \n'),
    'a byte of the launcher': write('node_modules/@cmcp/cli/bin/cmcp.js', 'import("../dist/other.js");\n'),
    'a byte of a nested dependency': write('node_modules/@cmcp/gateway/node_modules/shared/index.js', 'export {};'),
    'a byte of WebAssembly': write('node_modules/engine/engine.wasm', '\0asn'),
    'a byte of a native addon': write('node_modules/engine/build/addon.node', 'ELE'),
    'a byte of a package.json': write('node_modules/shared/package.json', `${manifest('shared', '1.0.0')} `),
    'another file': write('node_modules/shared/more.cjs', ''),
    'a file less': (folder) => rm(join(folder, 'node_modules/@cmcp/cli/dist/main.js')),
    'another name': (folder) =>
      rename(join(folder, 'node_modules/shared/index.js'), join(folder, 'node_modules/shared/index.cjs')),
  }));

test('a package that shadows another, or that lies nested though nobody declared it, is measured', (t) =>
  changes(t, 'packages', {
    'a nested copy shadows the shared one': async (folder) => {
      await mkdir(join(folder, 'node_modules/engine/node_modules/shared'), { recursive: true });
      await write('node_modules/engine/node_modules/shared/package.json', manifest('shared', '1.0.1'))(folder);
    },
    'a nested package that is not declared': async (folder) => {
      await mkdir(join(folder, 'node_modules/engine/node_modules/@scope/quiet'), { recursive: true });
      await write('node_modules/engine/node_modules/@scope/quiet/package.json', manifest('quiet', '1.0.0'))(folder);
    },
    'a peer that was absent': async (folder) => {
      await mkdir(join(folder, 'node_modules/absent'));
      await write('node_modules/absent/package.json', manifest('absent', '1.0.0'))(folder);
    },
    'the same packages, and another one behind a name': async (folder) => {
      const [shared, nested] = ['node_modules/shared', 'node_modules/@cmcp/gateway/node_modules/shared'];
      await rename(join(folder, shared), join(folder, 'aside'));
      await rename(join(folder, nested), join(folder, shared));
      await rename(join(folder, 'aside'), join(folder, nested));
    },
  }));

test('what Node.js would load instead of a measured package is measured or refused, whatever is put there', async (t) => {
  const { installed, refused } = shadowing(t);
  const nearest = 'node_modules/@cmcp/node_modules';
  const code = 'export default 3;\n';
  await refused(
    'a folder with code alone, beside a scope',
    { [`${nearest}/shared/index.js`]: code },
    /shared has no package\.json/,
  );
  await refused(
    'an empty folder',
    (folder) => mkdir(join(folder, nearest, 'shared'), { recursive: true }),
    /shared has no package/,
  );
  await refused('a file in place of it', { [`${nearest}/shared`]: code }, /shared is no folder/);
  for (const ending of ['js', 'json', 'node'])
    await refused(
      `a file of its name .${ending}`,
      { [`${nearest}/shared.${ending}`]: code },
      /shared\.\w+ is no folder/,
    );
  await refused('such a file beside the package', { 'node_modules/shared.js': code }, /shared\.js is no folder/);
  await refused('one in a scope', { 'node_modules/@cmcp/gateway.js': code }, /@cmcp\/gateway\.js is no folder/);
  await refused(
    'a link to a folder',
    async (folder) => {
      await mkdir(join(folder, nearest), { recursive: true });
      await symlink(await folderOf(t, { 'index.js': code }), join(folder, nearest, 'shared'));
    },
    /shared has no package/,
  );
  await refused(
    'a package that nobody names',
    { [`${nearest}/quiet/package.json`]: manifest('quiet', '1.0.0') },
    /quiet is nearer/,
  );
  await refused('one in a scope of it', { [`${nearest}/@s/quiet/package.json`]: '{}' }, /@s\/quiet is nearer/);
  await refused('an empty node_modules', (folder) => mkdir(join(folder, nearest)), /belongs to no package/);
  await refused('a file named node_modules', { [nearest]: '' }, /node_modules is no folder/);
  await refused(
    'code alone in the own folder',
    { 'node_modules/engine/node_modules/odd/index.js': code },
    /odd\/package\.json does not exist/,
  );
  const measuredToo = {
    [`${nearest}/shared/package.json`]: manifest('shared', '1.0.1'),
    [`${nearest}/shared/a.js`]: code,
  };
  assert.notEqual(measured(await installed(measuredToo)).parts.packages, measured(await installed({})).parts.packages);
});

test('Node.js takes what is refused: a folder without package.json that lies nearer', async (t) => {
  const folder = await folderOf(t, {
    'node_modules/@s/main/index.mjs':
      'import("yaml").then(({ default: it }) => console.log(it), () => console.log("none"));',
    'node_modules/@s/main/index.cjs': 'console.log(require("yaml"));',
    'node_modules/@s/node_modules/yaml/index.js': 'module.exports = "shadow";',
    'node_modules/yaml/package.json': manifest('yaml', '1.0.0'),
    'node_modules/yaml/index.js': 'module.exports = "real";',
  });
  const run = (file: string): string =>
    execFileSync(process.execPath, [join(folder, 'node_modules/@s/main', file)], { encoding: 'utf8' });
  assert.deepEqual([run('index.mjs'), run('index.cjs')], ['shadow\n', 'shadow\n']);
  await rm(join(folder, 'node_modules/@s/node_modules/yaml/index.js'));
  assert.equal(run('index.mjs'), 'none\n', 'an empty folder hides the package');
  await write('node_modules/yaml.js', 'module.exports = "file";')(folder);
  assert.equal(run('index.cjs'), 'file\n', 'require takes a file before a folder');
});

test('the Node.js binary and the integrity that npm checked are parts of their own', async (t) => {
  await changes(t, 'node', { 'a byte of the binary': write('bin/node', 'the Node.js binari') });
  const lock = INSTALLED['node_modules/.package-lock.json'];
  await changes(t, 'lockfile', {
    'another integrity': write('node_modules/.package-lock.json', lock.replace('sha512-two', 'sha512-owt')),
    'no lockfile': (folder) => rm(join(folder, 'node_modules/.package-lock.json')),
  });
  const folder = await folderOf(t, INSTALLED);
  const before = measured(folder);
  assert.equal(before.parts.node, `sha256:${createHash('sha256').update('the Node.js binary').digest('hex')}`);
  await write('node_modules/.package-lock.json', lock.replace('sha512-unrelated', 'sha512-other'))(folder);
  assert.equal(measured(folder).digest, before.digest, 'of a package that is not loaded');
  await rm(join(folder, 'node_modules/.package-lock.json'));
  assert.equal(measured(folder).parts.lockfile, null);
});

test('flags and variables that can change what code runs are measured, others are not', async (t) => {
  const folder = await folderOf(t, INSTALLED);
  const launched = (flags: string[], variables: Record<string, string>): string =>
    measureCode(installedCode(folder, join(folder, 'bin/node'), { flags, variables })).parts.launch;
  const plain = launched([], {});
  assert.equal(launched(['--disable-sigusr1', '--max-old-space-size=4096'], { PATH: '/bin', NODE_ENV: 'x' }), plain);
  const different = [
    launched(['--require=/tmp/x.js'], {}),
    launched(['--import', './x.js'], {}),
    launched([], { NODE_OPTIONS: '--require=/tmp/x.js' }),
    launched([], { NODE_OPTIONS: '--require=/tmp/y.js' }),
    launched([], { LD_PRELOAD: '/tmp/x.so' }),
  ];
  assert.equal(new Set([plain, ...different]).size, different.length + 1);
});

test('certificates that variables bring are measured by their bytes, wherever they lie; without any nothing changes', async (t) => {
  const folder = await folderOf(t, INSTALLED);
  const certificates = { 'ca.pem': 'one', 'more/a1.0': 'one', 'more/b2.0': 'two', 'more/inside/x': '' };
  const [here, there] = [await folderOf(t, certificates), await folderOf(t, certificates)];
  const launch = (variables: Record<string, string>, flags: string[] = []): CodeMeasurement =>
    measureCode(installedCode(folder, join(folder, 'bin/node'), { flags, variables }));
  const of = (place: string): CodeMeasurement[] => [
    launch({ NODE_EXTRA_CA_CERTS: join(place, 'ca.pem') }),
    launch({ SSL_CERT_FILE: join(place, 'ca.pem') }),
    launch({ SSL_CERT_DIR: join(place, 'more') }),
  ];
  const plain = digest(canonicalSorted({ flags: [], variables: {} }));
  assert.deepEqual([launch({}).parts.launch, launch({}).addedTrust], [plain, {}]);
  const before = of(here);
  assert.deepEqual(of(there), before);
  assert.deepEqual(
    before.map(({ addedTrust }) => Object.keys(addedTrust)),
    [['NODE_EXTRA_CA_CERTS'], ['SSL_CERT_FILE'], ['SSL_CERT_DIR']],
  );
  const system = [
    launch({ NODE_USE_SYSTEM_CA: '1' }),
    launch({}, ['--use-system-ca']),
    launch({}, ['--use_system_ca']),
  ];
  const empty = launch({ SSL_CERT_FILE: '' });
  await write('ca.pem', 'One')(here);
  await write('more/a1.0', 'One')(here);
  const after = of(here);
  await rename(join(there, 'more/a1.0'), join(there, 'more/a2.0'));
  const renamed = of(there).slice(2);
  await symlink(join(there, 'ca.pem'), join(there, 'more/c3.0'));
  const all = [launch({}), empty, ...system, ...before, ...after, ...renamed, ...of(there).slice(2)];
  assert.equal(new Set(all.map((each) => each.parts.launch)).size, all.length);
  assert.equal(new Set(all.map((each) => each.digest)).size, all.length);
  for (const name of ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'])
    assert.throws(() => launch({ [name]: join(here, 'absent') }), { code: 'PROCESS_UNSAFE', detail: /absent/ });
});

test('what is no regular file cannot bring certificates: whoever feeds it could give Node.js others than were measured', async (t) => {
  const folder = await folderOf(t, { ...INSTALLED, 'more/a1.0': 'one' });
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  await symlink(join(folder, 'pipe'), join(folder, 'more/b2.0'));
  const named: [name: string, path: string][] = [
    ['NODE_EXTRA_CA_CERTS', join(folder, 'pipe')],
    ['SSL_CERT_FILE', join(folder, 'more/b2.0')],
    ['SSL_CERT_FILE', '/dev/null'],
    ['SSL_CERT_FILE', join(folder, 'more')],
    ['SSL_CERT_DIR', join(folder, 'more')],
  ];
  for (const [name, path] of named) {
    const launch = { flags: [], variables: { [name]: path } };
    assert.throws(() => measureCode(installedCode(folder, join(folder, 'bin/node'), launch)), {
      code: 'PROCESS_UNSAFE',
      detail: /is no regular file/,
    });
  }
});

test('two installations of the same packages measure the same, wherever they lie and however they nest [W-11]', async (t) => {
  const [folder, elsewhere] = [await folderOf(t, INSTALLED), await folderOf(t, INSTALLED)];
  const here = measured(folder);
  assert.deepEqual(measured(elsewhere), here);
  assert.deepEqual(here.packages, [
    '@cmcp/cli@1.0.0',
    '@cmcp/gateway@1.0.0',
    'engine@3.1.0',
    'shared@1.0.0',
    'shared@2.0.0',
  ]);
  assert.equal(here.tree, 'installed');
  assert.equal(here.files, 13, 'twelve, and the binary');
  assert.equal(here.digest, digest(canonicalSorted({ ...here.parts })));
  // A second copy where another package manager would put one.
  await mkdir(join(elsewhere, 'node_modules/@cmcp/cli/node_modules'));
  const copy = join(elsewhere, 'node_modules/@cmcp/cli/node_modules/shared');
  await cp(join(elsewhere, 'node_modules/shared'), copy, { recursive: true });
  assert.equal(measured(elsewhere).parts.packages, here.parts.packages);
  // The package itself may be named, and what nobody loads does not count.
  await rm(join(elsewhere, 'node_modules/unrelated'), { recursive: true });
  const named = installedCode(join(folder, 'node_modules/@cmcp/cli'), join(folder, 'bin/node'), PLAIN_LAUNCH);
  assert.equal(measureCode(named).digest, here.digest);
});

test('what cannot be measured is refused by name: a link, a missing package, a damaged manifest or lockfile', async (t) => {
  const refused = async (edit: (folder: string) => Promise<unknown>, detail: RegExp): Promise<void> => {
    const folder = await folderOf(t, INSTALLED);
    await edit(folder);
    assert.throws(() => measured(folder), { code: 'PROCESS_UNSAFE', detail });
  };
  await refused(
    (folder) => symlink('/etc/hostname', join(folder, 'node_modules/shared/link.js')),
    /link\.js is a link/,
  );
  await refused((folder) => rm(join(folder, 'node_modules/engine'), { recursive: true }), /^engine, which .* needs/);
  await refused((folder) => rm(join(folder, 'node_modules/@cmcp/cli'), { recursive: true }), /is not installed in/);
  await refused((folder) => rm(join(folder, 'bin/node')), /bin\/node cannot be read/);
  await refused(write('node_modules/engine/package.json', '{"name":"engine"}'), /names no package and version/);
  await refused(write('node_modules/engine/package.json', '{"a":1,"a":2}'), /is not acceptable JSON/);
  await refused(write('node_modules/engine/package.json', '[]'), /is no JSON object/);
  await refused(write('node_modules/.package-lock.json', '{'), /is damaged/);
  await refused(write('node_modules/.package-lock.json', '[]'), /lists no packages/);
});

test('a run from source measures what it runs, without tests, and says that it is a source tree', () => {
  const { tree, packages, files } = measureCode(ownCode(PLAIN_LAUNCH));
  assert.equal(tree, 'source');
  assert.ok(
    packages.some((name) => name.startsWith('@cmcp/cli@')) && packages.some((name) => name.startsWith('undici@')),
  );
  assert.ok(files > 1000);
});

test('of a source tree only what a build or a run from source reads is measured', async (t) => {
  const tree = {
    'package.json': manifest('@cmcp/cli', '1.0.0'),
    'bin/cmcp.js': '',
    'dist/main.js': 'export {};',
    'src/main.ts': 'export {};',
    'src/main.test.ts': '',
    'notes.md': '',
    'bin/node': 'node',
  };
  const folder = await folderOf(t, tree);
  const of = (half: 'dist' | 'src'): CodeMeasurement =>
    measureCode({ packages: [folder], node: join(folder, 'bin/node'), launch: PLAIN_LAUNCH, half });
  const [built, source] = [of('dist'), of('src')];
  assert.notEqual(built.digest, source.digest);
  await write('src/main.test.ts', 'changed')(folder);
  await write('notes.md', 'changed')(folder);
  await write('dist/main.d.ts', 'declare const x: 1;')(folder);
  assert.equal(of('dist').digest, built.digest);
  assert.equal(of('src').digest, source.digest);
  await write('package.json', manifest('@cmcp/cli', '1.0.0', {}, { type: 'commonjs' }))(folder);
  assert.notEqual(of('dist').digest, built.digest, 'it decides how the files are read');
  await write('package.json', tree['package.json'])(folder);
  await write('src/main.ts', 'export const changed = 1;')(folder);
  assert.equal(of('dist').digest, built.digest);
  assert.notEqual(of('src').digest, source.digest);
});
