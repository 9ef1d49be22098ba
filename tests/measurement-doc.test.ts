import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { installedCode, measureCode, PLAIN_LAUNCH } from '@cmcp/gateway';
import { measureAction } from '../packages/cli/src/attest/measure.ts';
import { connectCommand } from '../packages/cli/src/commands/connect.ts';
import { doctorCommand } from '../packages/cli/src/commands/doctor.ts';
import { verifyCommand } from '../packages/cli/src/commands/verify.ts';
import { unsafeFlags } from '../packages/gateway/src/attestation/process-guards/launch-flags.ts';
import { unsafeVariables } from '../packages/gateway/src/attestation/process-guards/launch-variables.ts';
import { publicJwk, signed } from '../scripts/release/sign.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { TestBed } from './support/gateway.ts';
import { folderOf } from './support/policy.ts';

const doc = await readFile(new URL('../docs/measurement.md', import.meta.url), 'utf8');
/** Commands in blocks of shell, a line each. */
const commands = [...doc.matchAll(/^```sh\n([^`]*)^```$/gm)].flatMap(([, block = '']) => block.trim().split('\n'));

let bed: TestBed;
before(async () => {
  bed = await TestBed.create({ tools: [{ name: 'echo' }] });
});
after(() => bed.close());

test('its table of contents names its headings', () => {
  const headings = [...doc.matchAll(/^## (.*)$/gm)].map(([, title = '']) => title);
  const listed = [...doc.matchAll(/^- \[(.*?)\]\(#/gm)].map(([, title = '']) => title);
  assert.deepEqual(listed, headings);
});

test('every command in docs/measurement.md that can run here runs, and does what the text says', async (t) => {
  const installation = await folderOf(t, {
    'node_modules/@cmcp/cli/package.json': '{"name":"@cmcp/cli","version":"0.1.0"}',
    'bin/node': 'the Node.js binary',
  });
  const node = join(installation, 'bin/node');
  const { privateKey } = generateKeyPairSync('ed25519');
  const { digest, parts } = measureCode(installedCode(installation, node, PLAIN_LAUNCH));
  const code = [{ platform: 'linux-x64', node_version: '24.21.0', ...parts, digest }];
  const [packages, dependencies, commit] = [[], [], '0'.repeat(40)];
  const release = { format: 'cmcp-measurements/1', version: '0.1.0', commit, packages, dependencies, code };
  const file = (name: string): string => join(bed.folder, name);
  await writeFile(file('measurements.json'), JSON.stringify(signed(release, privateKey)));
  await writeFile(file('publisher.jwk'), JSON.stringify(publicJwk(privateKey)));
  const places: Record<string, string> = {
    'cmcp.yaml': bed.configFile,
    '/opt/cmcp': installation,
    '/opt/node/bin/node': node,
    'measurements.json': file('measurements.json'),
    'publisher.jwk': file('publisher.jwk'),
  };
  assert.equal(commands.length, 5);
  for (const command of commands) {
    const [program, ...words] = command.split(' ');
    assert.equal(program, 'cmcp', command);
    const ran = await cmcpInProcess(
      words.map((word) => places[word] ?? word),
      bed.folder,
    );
    // Whether this machine is sound is not for this test to say.
    assert.ok(ran.code === 0 || words[0] === 'doctor', `${command}: ${ran.stderr}`);
    assert.notEqual(ran.stdout, '', command);
    if (words.includes('--check')) assert.match(ran.stdout, /The code is that of release 0\.1\.0/);
  }
});

test('the unit of the measured loader is the same on both pages, and takes the machine down when it fails', async () => {
  const deploy = await readFile(new URL('../docs/deploy/README.md', import.meta.url), 'utf8');
  const [here, there] = [doc, deploy].map((text) =>
    [...text.matchAll(/^```ini\n([^`]*)^```$/gm)]
      .map(([, unit = '']) => unit)
      .filter((unit) => /--extend$/m.test(unit)),
  );
  assert.equal(here?.length, 1);
  assert.deepEqual(there, here);
  const [unit = ''] = here ?? [];
  assert.match(unit, /^FailureAction=poweroff-force$/m);
  const named = (key: string): string[] => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1]?.split(' ') ?? [];
  assert.ok(named('Before').includes('systemd-user-sessions.service'));
  for (const before of named('Before')) assert.ok(named('RequiredBy').includes(before), before);
});

test('docs/measurement.md names no option that its commands do not have', () => {
  const known = new Set(
    [measureAction, connectCommand, doctorCommand, verifyCommand].flatMap(({ options }) => Object.keys(options)),
  );
  const lines = doc.split('\n').filter((line) => /\bcmcp (?:attest measure|connect|doctor|verify)\b/.test(line));
  const named = lines.flatMap((line) => [...line.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map(([, flag = '']) => flag));
  assert.ok(named.length > 10);
  for (const flag of named) assert.ok(known.has(flag), `--${flag}`);
});

test('what docs/measurement.md says is refused at start is refused', () => {
  const section = doc.slice(doc.indexOf('## What is refused at start'), doc.indexOf('## Releases'));
  const named = [...section.matchAll(/`([A-Z][A-Z_]+[A-Z])`/g)].map(([, name = '']) => name);
  const variables = named.filter((name) => name !== 'PROCESS_UNSAFE');
  assert.ok(variables.length > 10);
  for (const name of variables) assert.equal(unsafeVariables({ [name]: '' }).length, 1, name);
  const flags = [...section.matchAll(/`(--[a-z-]+)`/g)].map(([, flag = '']) => flag);
  assert.ok(flags.length > 4);
  for (const flag of flags) assert.deepEqual(unsafeFlags([flag]), [flag]);
});
