import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { realpath, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { folderOf } from '../../../../../tests/support/policy.ts';
import { QUIET_KERNEL, quietProcess } from '../../../../../tests/support/process.ts';
import type { GatewayError } from '../../errors.ts';
import type { Condition } from './condition.ts';
import { guardProcess, processConditions } from './guard.ts';
import type { ProcessFacts } from './process-facts.ts';

/** A script that prints what it takes for the program of its process. */
const PROGRAM_TOLD = `import(${JSON.stringify(new URL('process-facts.ts', import.meta.url).href)}).then(({ ownProcess }) =>
  console.log(JSON.stringify(ownProcess({}).program)));\n`;

/** What the refusal says, all of it. */
async function refusal(facts: ProcessFacts): Promise<string> {
  const error = await guardProcess(facts).then(
    () => assert.fail('accepted'),
    (reason: unknown) => reason as GatewayError,
  );
  assert.equal(error.code, 'PROCESS_UNSAFE');
  return error.detail;
}

const kernel = (path: string, text: string | null): Record<string, string> => {
  const { [path]: _before, ...others } = QUIET_KERNEL;
  return text === null ? others : { ...others, [path]: text };
};
const about = (conditions: readonly Condition[], name: string): Condition =>
  conditions.find((each) => each.about === name) ?? assert.fail(name);

test('a process that was started plainly is accepted, and nothing is said', async () => {
  assert.deepEqual(await guardProcess(quietProcess()), []);
});

test('flags that load code or open the process are refused by name; harmless ones are not', async () => {
  const harmless = ['--disable-sigusr1', '--max-old-space-size=4096', '--max_old_space_size=4096', '--no-warnings'];
  assert.deepEqual(await guardProcess(quietProcess({ flags: harmless })), []);
  const refused = [
    ['--require', '/tmp/x.js'],
    ['-r', '/tmp/x.js'],
    ['--import=/tmp/x.js'],
    ['--loader=/tmp/x.js'],
    ['--experimental-loader=/tmp/x.js'],
    ['--experimental_loader=/tmp/x.js'],
    ['--inspect'],
    ['--inspect-brk=0.0.0.0:9229'],
    ['--inspect-port=0'],
    ['--eval', '1'],
    ['-e', '1'],
    ['--env-file=/tmp/env'],
    ['--conditions=cmcp-source'],
    ['--experimental-config-file=/tmp/node.json'],
    ['--experimental-default-config-file'],
    ['--openssl-config=/tmp/openssl.cnf'],
    ['--snapshot-blob=/tmp/x'],
    ['--allow-natives-syntax'],
    ['--expose-internals'],
    ['--abort-on-uncaught-exception'],
    ['--heapsnapshot-signal=SIGUSR2'],
    ['--report-on-signal'],
    ['--tls-keylog=/tmp/keys'],
    ['--prof'],
    ['--a-flag-of-a-later-version'],
    ['/tmp/x.js'],
  ];
  for (const flags of refused) assert.match(await refusal(quietProcess({ flags })), /^flags of Node\.js: /, flags[0]);
  const detail = await refusal(quietProcess({ flags: ['--no-warnings', '--import=/tmp/x.js'] }));
  assert.match(detail, /--import=\/tmp\/x\.js/);
  assert.doesNotMatch(detail, /--no-warnings/);
});

test('variables that load code or let secrets out are refused by name, and their values are never shown', async () => {
  const harmless = {
    PATH: '/bin',
    NODE_ENV: 'production',
    NODE_VERSION: '24.21.0',
    NODE_EXTRA_CA_CERTS: '/ca.pem',
    RES_OPTIONS: 'x',
  };
  assert.deepEqual(await guardProcess(quietProcess({ variables: harmless })), []);
  const refused = [
    'NODE_OPTIONS',
    'NODE_PATH',
    'NODE_V8_COVERAGE',
    'NODE_COMPILE_CACHE',
    'NODE_DEBUG',
    'NODE_TLS_REJECT_UNAUTHORIZED',
    'NODE_REPL_EXTERNAL_MODULE',
    'NODE_A_LATER_VARIABLE',
    'LD_PRELOAD',
    'LD_LIBRARY_PATH',
    'LD_AUDIT',
    'LD_DEBUG_OUTPUT',
    'DYLD_INSERT_LIBRARIES',
    'GCONV_PATH',
    'GLIBC_TUNABLES',
    'LOCPATH',
    'HOSTALIASES',
    'OPENSSL_CONF',
    'OPENSSL_MODULES',
    'SSLKEYLOGFILE',
  ];
  for (const name of refused) {
    for (const value of ['hidden-value', '']) {
      const detail = await refusal(quietProcess({ variables: { ...harmless, [name]: value } }));
      assert.match(detail, new RegExp(`^variables: ${name} is set: .*unset ${name}\\.`));
      assert.doesNotMatch(detail, /hidden-value/);
    }
  }
});

test('libraries that the dynamic linker loads into every program are refused', async () => {
  const preload = (text: string): Record<string, string> => ({ ...QUIET_KERNEL, '/etc/ld.so.preload': text });
  const detail = await refusal(quietProcess({}, preload('/lib/one.so:/lib/two.so\n')));
  assert.match(detail, /^preloaded libraries: .*\/lib\/one\.so, \/lib\/two\.so/);
  assert.deepEqual(await guardProcess(quietProcess({}, preload('# nothing\n\n'))), []);
});

test('the inspector is refused when it listens, and its signal is made to do nothing', async () => {
  const facts = quietProcess();
  await guardProcess(facts);
  assert.deepEqual(facts.ignored, ['SIGUSR1']);
  const detail = await refusal(quietProcess({ inspectorUrl: () => 'ws://127.0.0.1:9229/x' }));
  assert.match(detail, /^inspector: listens at ws:\/\/127\.0\.0\.1:9229\/x/);
});

test('memory is kept out of core dumps: by the process itself where the kernel lets it, else by its limit', async () => {
  const filter = '/proc/self/coredump_filter';
  const unlimited = {
    '/proc/self/limits': 'Max core file size        unlimited            unlimited            bytes\n',
  };
  const closed = quietProcess({}, { ...QUIET_KERNEL, ...unlimited });
  assert.deepEqual(await guardProcess(closed), []);
  assert.equal(await closed.read(filter), '00000000\n');
  assert.deepEqual(await guardProcess(quietProcess({}, kernel(filter, null))), [], 'the limit is 0');
  const open = await refusal(quietProcess({}, { ...kernel(filter, null), ...unlimited }));
  assert.match(open, /^core dumps: are written \(the limit is unlimited\).*ulimit -c 0/);
  const piped = { ...kernel(filter, null), '/proc/sys/kernel/core_pattern': '|/usr/lib/systemd/systemd-coredump\n' };
  assert.match(await refusal(quietProcess({}, piped)), /^core dumps: are written/);
  const unknown = { ...kernel(filter, null), '/proc/self/limits': '' };
  assert.match(await refusal(quietProcess({}, unknown)), /^core dumps: whether they are written cannot be told/);
  const ignored = quietProcess({ write: async () => {} }, { ...QUIET_KERNEL, ...unlimited });
  assert.match(await refusal(ignored), /^core dumps: are written/, 'what was written did not take effect');
});

test('a tracer is refused; what only the system can forbid is told', async () => {
  const traced = quietProcess({}, kernel('/proc/self/status', 'TracerPid:\t4711\n'));
  assert.match(await refusal(traced), /^tracer: process 4711 is attached/);
  assert.match(await refusal(quietProcess({}, kernel('/proc/self/status', null))), /^tracer: .* does not say/);
  const scope = '/proc/sys/kernel/yama/ptrace_scope';
  for (const text of ['0\n', null]) {
    const [warning = '', ...more] = await guardProcess(quietProcess({}, kernel(scope, text)));
    assert.match(warning, /^tracing by others: .*kernel\.yama\.ptrace_scope/);
    assert.deepEqual(more, []);
  }
  for (const text of ['1\n', '2\n', '3\n'])
    assert.deepEqual(await guardProcess(quietProcess({}, kernel(scope, text))), []);
  const [root = ''] = await guardProcess(quietProcess({ user: 0 }));
  assert.match(root, /^user: runs as root/);
});

test('a script besides the command line that was measured is refused by name, and so is none', async () => {
  const { program } = quietProcess();
  assert.match(program ?? '', /cli\/bin\/cmcp\.js$/);
  for (const other of ['/srv/a10.mjs', `${program}x`, 'cmcp.js', null]) {
    const detail = await refusal(quietProcess({ program: other }));
    assert.match(detail, /^program: .*nothing measured what it does\. Start `cmcp` itself/);
    assert.ok(detail.includes(other || 'Node.js was given no script'), detail);
  }
});

test('the program of a process is the script that Node.js was given, links followed', async (t) => {
  const folder = await folderOf(t, { 'real.mjs': PROGRAM_TOLD });
  await symlink('real.mjs', join(folder, 'link.mjs'));
  // A link that is named as Node.js names a script from standard input.
  await symlink('real.mjs', join(folder, '-'));
  const told = (args: string[], input = ''): unknown =>
    JSON.parse(
      execFileSync(process.execPath, ['--conditions=cmcp-source', ...args], { cwd: folder, input }).toString(),
    );
  const real = await realpath(join(folder, 'real.mjs'));
  for (const name of ['real.mjs', 'link.mjs', join(folder, 'link.mjs')]) assert.equal(told([name]), real, name);
  for (const args of [['-'], [], ['--input-type=module', '-']]) assert.equal(told(args, PROGRAM_TOLD), null, args[0]);
});

test('all problems are told at once, one a line, each with what to do', async () => {
  const detail = await refusal(quietProcess({ flags: ['--inspect'], variables: { LD_PRELOAD: '/x.so' } }));
  const lines = detail.split('\n');
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? '', /--inspect .*Start `cmcp` without them/);
  assert.match(lines[1] ?? '', /LD_PRELOAD is set: .*UnsetEnvironment=LD_PRELOAD/);
});

test('on another system than Linux what cannot be told is said, and no file of its kernel is looked for', async () => {
  const asked: string[] = [];
  const read = async (path: string): Promise<null> => {
    asked.push(path);
    return null;
  };
  const facts = quietProcess({ platform: 'darwin', read });
  const conditions = await processConditions(facts);
  assert.deepEqual(asked, []);
  for (const name of ['core dumps', 'tracer', 'tracing by others'])
    assert.match(about(conditions, name).found, /cannot be told/);
  assert.equal(
    conditions.some(({ status }) => status === 'problem'),
    false,
  );
});
