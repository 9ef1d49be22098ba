import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QUIET_KERNEL, quietProcess } from '../../../../../tests/support/process.ts';
import type { Condition } from './condition.ts';
import { guardProcess, processConditions } from './guard.ts';
import { ownProcess, type ProcessFacts } from './process-facts.ts';

const OPENSSL = '/etc/ssl/openssl.cnf';
const MAPS = '/proc/self/maps';

async function condition(about: string, facts: ProcessFacts): Promise<Condition> {
  const found = (await processConditions(facts)).find((each) => each.about === about);
  if (found?.status === 'problem') await assert.rejects(guardProcess(facts), { code: 'PROCESS_UNSAFE' });
  return found ?? assert.fail(about);
}
const openssl = (text: string): Promise<Condition> =>
  condition('OpenSSL configuration', quietProcess({}, { ...QUIET_KERNEL, [OPENSSL]: text }));
const mapped = (path: string, permissions = 'r-xp'): Promise<Condition> => {
  const line = `7f00fc3eb000-7f07fc411000 ${permissions} 00001000 fe:00 338944                     ${path}\n`;
  return condition('native code', quietProcess({}, { ...QUIET_KERNEL, [MAPS]: `${QUIET_KERNEL[MAPS]}${line}` }));
};

test('a configuration of OpenSSL that can make Node.js load a library is refused, in every way to write it', async () => {
  const refused = [
    'nodejs_conf = nodejs_init\n[nodejs_init]\nproviders = p\n',
    'a = b\n \tnodejs_conf=x',
    '[ any ]\ndefault::nodejs_conf = x\n',
    'x = "#" \n nodejs_conf = x # and a comment\n',
    '# comment\r\nnodejs_conf = x\r\n',
    '\v# nodejs_conf = x\n',
    '.include /etc/other.cnf\n',
    '.include = /etc/other.d\n',
    '[ section ]\n\t.include other.cnf\n',
  ];
  for (const text of refused) {
    const { status, found, fix } = await openssl(text);
    assert.equal(status, 'problem', JSON.stringify(text));
    assert.match(found, /^\/etc\/ssl\/openssl\.cnf contains (?:nodejs_conf|\.include), by which/);
    assert.match(fix ?? '', /BindReadOnlyPaths=\/dev\/null:\/etc\/ssl\/openssl\.cnf/);
  }
});

test('a configuration of OpenSSL whose lines may be others to OpenSSL is refused, comments too', async () => {
  const refused: [why: string, text: string][] = [
    ['a backslash at the end of a line', 'nodejs\\\n_conf = x\n'],
    ['a backslash at the end of a line', 'nodejs\\\r\n_conf = x\r\n'],
    ['a backslash at the end of a line', '# C:\\\\\nnodejs\\\n_conf = x\n'],
    ['a backslash at the end of a line', '# a comment that runs on \\\nnodejs_conf = x\n'],
    ['a backslash at the end of a line', '.inc\\\r\r\nlude other.cnf'],
    ['a backslash at the end of a line', 'a = b\\'],
    ['a zero byte', 'nodejs_\0\nconf = x\n'],
    ['a line of more than 500 bytes', `nodejs${' '.repeat(504)}\\_conf = x\n`],
    ['a line of more than 500 bytes', `#${'ä'.repeat(250)}\n`],
    ['a carriage return within a line', '# comment\rnodejs_conf = x\n'],
  ];
  for (const [why, text] of refused) {
    const { status, found } = await openssl(text);
    assert.equal(status, 'problem', JSON.stringify(text));
    assert.equal(found, `what ${OPENSSL} makes Node.js load cannot be told, because it has ${why}`);
  }
  assert.equal((await openssl(`#${'x'.repeat(499)}\n# C:\\x \n`)).status, 'ok');
});

test('a configuration of OpenSSL as distributions bring it is accepted, and so is none; one that cannot be read is not', async () => {
  const stock = `# Note that you can include other files from the main configuration
# file using the .include directive.
#.include filename
HOME\t\t\t= .
 # Use this in order to automatically load providers.
openssl_conf = openssl_init
[openssl_init]
providers = provider_sect
ssl_conf = ssl_sect
# .include fipsmodule.cnf
# nodejs_conf = x
[ CA_default ]
dir\t\t= ./demoCA\t\t# Where everything is kept
`;
  for (const text of [stock, stock.replaceAll('\n', '\r\n'), '']) assert.equal((await openssl(text)).status, 'ok');
  assert.match((await condition('OpenSSL configuration', quietProcess())).found, /there is no/);
  const locked = quietProcess({ exists: async (path) => path === OPENSSL });
  assert.match((await condition('OpenSSL configuration', locked)).found, /cannot be read/);
});

test('libraries that no measurement knows are refused when they are loaded, by path', async () => {
  const refused = [
    '/tmp/evil.so',
    '/usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so',
    '/usr/lib/x86_64-linux-gnu/libevil.so.6',
    '/usr/lib/x86_64-linux-gnu/libcrypto.so.3',
    '/usr/lib/x86_64-linux-gnu/libnss_x.so.2',
    '/usr/lib/x86_64-linux-gnu/libnss_filesx.so.2',
    '/home/user/lib/libc.so.6',
    '/usr/lib/x86_64-linux-gnu/../../../tmp/libc.so.6',
    '/usr/lib/x86_64-linux-gnu/libc.so.6 (deleted)',
    '/opt/node/bin/node (deleted)',
    '/opt/other/bin/node',
    '/memfd:x (deleted)',
    '/dev/shm/x',
    'relative/libc.so.6',
    '/opt/cmcp/node_modules/x/build/addon.node',
  ];
  for (const path of refused) {
    const { status, found } = await mapped(path);
    assert.equal(status, 'problem', path);
    assert.ok(found.startsWith(`${path} is loaded`), found);
    assert.equal((await mapped(path, 'r--p')).status, 'ok', `${path} as data`);
    assert.equal((await mapped(path, 'rwxs')).status, 'problem', `${path} as shared memory`);
  }
  const deleted = { [MAPS]: (QUIET_KERNEL[MAPS] ?? '').replaceAll('/bin/node', '/bin/node (deleted)') };
  const updated = quietProcess({ executable: '/opt/node/bin/node (deleted)' }, { ...QUIET_KERNEL, ...deleted });
  assert.equal((await condition('native code', updated)).status, 'ok', 'what is measured is what runs');
  for (const text of ['', 'no mapping\n']) {
    const unknown = quietProcess({}, { ...QUIET_KERNEL, [MAPS]: text });
    assert.match((await condition('native code', unknown)).found, /cannot be told/);
  }
});

const service = (name: string): string => `/usr/lib/x86_64-linux-gnu/libnss_${name}.so.2`;

test('the C and C++ runtimes of glibc and musl are accepted where distributions put them', async () => {
  const accepted = [
    '/lib/x86_64-linux-gnu/libc-2.31.so',
    '/lib/x86_64-linux-gnu/ld-2.31.so',
    '/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
    '/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1',
    '/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30',
    '/usr/lib64/libgcc_s-13-20231011.so.1',
    '/lib64/libm.so.6',
    '/lib64/libdl.so.2',
    '/lib64/libpthread-2.28.so',
    '/usr/lib64/libatomic.so.1.2.0',
    '/usr/lib/libresolv.so.2',
    ...'files dns compat systemd myhostname mymachines resolve sss ldap mdns mdns4 mdns4_minimal mdns_minimal'
      .split(' ')
      .map(service),
    ...'nis nisplus hesiod db winbind wins'.split(' ').map(service),
    '/lib/x86_64-linux-gnu/libnss_files-2.31.so',
    '/lib/ld-musl-x86_64.so.1',
    '/lib/libc.musl-x86_64.so.1',
    '/usr/lib/libstdc++.so.6.0.33',
    '/usr/lib64/glibc-hwcaps/x86-64-v3/libstdc++.so.6.0.33',
    '/usr/lib/gcc/x86_64-pc-linux-gnu/13/libgcc_s.so.1',
    '[vsyscall]',
    '[anon:code]',
  ];
  for (const path of accepted) assert.equal((await mapped(path)).status, 'ok', path);
});

test('the folders that require looks in last are refused when they are there', async () => {
  const variables = { HOME: '/home/gateway' };
  for (const folder of ['/home/gateway/.node_modules', '/home/gateway/.node_libraries', '/opt/node/lib/node']) {
    const { status, found } = await condition(
      'global folders',
      quietProcess({ variables, exists: async (path) => path === folder }),
    );
    assert.deepEqual([status, found.split(':')[0]], ['problem', folder]);
  }
  for (const none of [quietProcess({ variables }), quietProcess({ variables: {} })])
    assert.equal((await condition('global folders', none)).status, 'ok');
});

test('this process has loaded nothing but Node.js and the runtimes of the system', async (t) => {
  if (process.platform !== 'linux') return t.skip('only Linux tells');
  const { ignoreSignal: _signal, write: _write, ...facts } = ownProcess({});
  const own = quietProcess({ ...facts, flags: [] });
  for (const about of ['native code', 'OpenSSL configuration'])
    assert.equal((await condition(about, own)).status, 'ok', about);
});
