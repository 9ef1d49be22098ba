import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { Gateway, loadConfig, readEnvironment } from '@cmcp/gateway';
import { guardProcess } from '../packages/gateway/src/attestation/process-guards/guard.ts';
import { ownProcess, type ProcessFacts } from '../packages/gateway/src/attestation/process-guards/process-facts.ts';
import { CLI, cliEnvironment, cmcp, startProcess } from './support/cli.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { TestBed } from './support/gateway.ts';
import { quietProcess } from './support/process.ts';

async function withBed(run: (bed: TestBed) => Promise<void>): Promise<void> {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  try {
    await run(bed);
  } finally {
    await bed.close();
  }
}

/** The pins that a start outside dev mode needs. */
async function pins(bed: TestBed): Promise<Record<string, string>> {
  const { gateway, started } = await bed.start();
  await gateway.stop();
  return { CMCP_POLICY_HASH: started.policyHash, CMCP_CATALOG_HASH: started.catalogHash };
}

test('outside dev mode a process that could run other code does not serve, before anything is opened', () =>
  withBed(async (bed) => {
    const environment = readEnvironment(await pins(bed));
    await bed.writeConfig('data: ./production');
    const config = await loadConfig(bed.configFile, environment);
    const launches: Partial<ProcessFacts>[] = [
      { flags: ['--require=/tmp/x.js'] },
      { variables: { NODE_OPTIONS: '--import=/tmp/x.js' } },
      { program: '/srv/other.mjs' },
    ];
    for (const unsafe of launches) {
      const process = quietProcess(unsafe);
      const gateway = new Gateway(config, { environment, report: () => {}, process });
      await assert.rejects(gateway.start(), { code: 'PROCESS_UNSAFE' });
      assert.equal(existsSync(join(bed.folder, 'production')), false);
    }
    const dev = await bed.start({
      process: quietProcess({ flags: ['--require=/tmp/x.js'], program: '/srv/embeds.mjs' }),
    });
    assert.equal(dev.started.trustLevel, 'software', 'dev mode is for trying out');
  }));

test('what only the system can forbid is told to the operator at start', () =>
  withBed(async (bed) => {
    const environment = readEnvironment(await pins(bed));
    const config = await loadConfig(bed.configFile, environment);
    const said: string[] = [];
    const report = (event: string, detail: string): void => void said.push(`${event}: ${detail}`);
    const gateway = new Gateway(config, { environment, report, process: quietProcess({ user: 0 }) });
    await assert.rejects(gateway.start(), { code: 'ATTESTATION_UNAVAILABLE' });
    assert.match(said.join('\n'), /^process: user: runs as root/m);
  }));

test('cmcp start refuses variables and flags that load code, and says which', () =>
  withBed(async (bed) => {
    const env: Record<string, string> = { ...cliEnvironment(bed.folder), ...(await pins(bed)), CMCP_DEV_MODE: '0' };
    const args = ['start', '--config', bed.configFile];
    const variable = await cmcp(args, bed.folder, { ...env, NODE_OPTIONS: '--no-warnings' });
    assert.deepEqual([variable.code, variable.stdout], [1, '']);
    assert.match(variable.stderr, /PROCESS_UNSAFE\)\n.*NODE_OPTIONS is set: .*unset NODE_OPTIONS/);
    const child = spawn(process.execPath, ['--inspect-port=0', CLI, ...args], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const lines: string[] = [];
    createInterface(child.stderr).on('line', (line) => lines.push(line));
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 1);
    assert.match(lines.join('\n'), /flags of Node\.js: --inspect-port=0 can change/);
  }));

test('SIGUSR1, which starts the inspector of any other program, does nothing to cmcp', () =>
  withBed(async (bed) => {
    const gateway = await startProcess(bed.configFile, bed.folder);
    const said: string[] = [];
    createInterface(gateway.child.stderr ?? assert.fail()).on('line', (line) => said.push(line));
    const other = spawn(
      process.execPath,
      ['--inspect-port=0', '-e', 'setInterval(() => {}, 1000); console.log("up")'],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    try {
      await once(other.stdout, 'data');
      gateway.child.kill('SIGUSR1');
      other.kill('SIGUSR1');
      // When it listens there, it would listen here.
      assert.match(String((await once(other.stderr, 'data'))[0]), /Debugger listening/);
    } finally {
      other.kill('SIGKILL');
      await gateway.stop();
    }
    assert.doesNotMatch(said.join('\n'), /Debugger/);
  }));

test('a process keeps its memory out of core dumps by itself', async (t) => {
  if (process.platform !== 'linux') return t.skip('only Linux lets a process do that');
  const { write, ...facts } = ownProcess({});
  const filter = '/proc/self/coredump_filter';
  const before = await readFile(filter, 'utf8');
  try {
    await guardProcess({ ...facts, write, flags: [], program: quietProcess().program });
    assert.match(await readFile(filter, 'utf8'), /^0{8}$/m);
  } finally {
    await write(filter, `0x${before.trim()}`);
  }
  assert.equal(await readFile(filter, 'utf8'), before);
});

test('cmcp doctor looks at this machine, says what it found as a table or as JSON, and its exit code tells', () =>
  withBed(async (bed) => {
    const args = ['doctor', '--config', bed.configFile];
    const json = await cmcpInProcess([...args, '--json'], bed.folder);
    const { ok, sections } = JSON.parse(json.stdout) as {
      ok: boolean;
      sections: { title: string; conditions: { about: string; status: string }[] }[];
    };
    assert.equal(json.code, ok ? 0 : 1);
    const rows = sections.flatMap(({ conditions }) => conditions);
    assert.equal(
      ok,
      rows.every(({ status }) => status !== 'problem'),
    );
    for (const name of [
      'configuration',
      'kernel',
      'tpm',
      'TLS',
      'clock',
      'program',
      'core dumps',
      'tracing by others',
      'disk space',
    ])
      assert.ok(
        rows.some((row) => row.about === name),
        name,
      );
    const text = await cmcpInProcess(args, bed.folder);
    for (const { title } of sections) assert.match(text.stdout, new RegExp(`^${title}$`, 'm'));
  }));
