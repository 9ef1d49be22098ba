import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Ran } from './support/cli.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { TestBed } from './support/gateway.ts';
import { sessionFile } from './support/session-files.ts';

const RULES = `inspection: 1
version: "2026-11-a"
rules:
  - id: project-code
    kind: personal
    pattern: \\bNJ-\\d{4}\\b
    tests: { match: [see NJ-1234], pass: [see NJ-1] }
off: [email-address]
labels: { payment: confidential }
tools:
  echo: { outcomes: { personal: redact } }
  other: { outcomes: { personal: deny } }
`;

interface Scene {
  bed: TestBed;
  file: string;
  run(...args: string[]): Promise<Ran>;
}

async function scene(rules: string | null, act: (scene: Scene) => Promise<void>): Promise<void> {
  const config = rules === null ? '' : 'inspection: ./inspection.yaml';
  const bed = await TestBed.create({ tools: [{ name: 'echo' }, { name: 'other' }], config });
  try {
    const file = join(bed.folder, 'inspection.yaml');
    if (rules !== null) await writeFile(file, rules);
    const run = (...args: string[]): Promise<Ran> =>
      cmcpInProcess(['inspection', ...args, '--config', bed.configFile], bed.folder, { CMCP_DEV_MODE: '1' });
    await act({ bed, file, run });
  } finally {
    await bed.close();
  }
}

test('`test` runs the tests beside each rule, and names the line of each that fails', () =>
  scene(RULES, async ({ file, run }) => {
    const passed = await run('test');
    assert.equal(passed.code, 0);
    assert.match(
      passed.stdout,
      /inspection\.yaml, version 2026-11-a\n\nrule.*\n.*\nproject-code +personal +2 texts +passed/,
    );
    await writeFile(file, RULES.replace('NJ-1]', 'NJ-1111]'));
    const failed = await run('test');
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /inspection\.yaml:7:\d+: rules\[0\]\.tests\.pass\[0\]: the rule finds something/);
  }));

test('`test` says so where no file is configured', () =>
  scene(null, async ({ run }) => {
    const { code, stdout } = await run('test');
    assert.equal(code, 0);
    assert.match(stdout, /No file is configured/);
  }));

test('`rules` lists own and built-in rules with kind and label, and which are switched off', () =>
  scene(RULES, async ({ run }) => {
    const { stdout } = await run('rules');
    assert.match(stdout, /^project-code +personal +pii +own +\\bNJ-\\d\{4\}\\b$/m);
    assert.match(stdout, /^email-address +personal +pii +switched off /m);
    assert.match(stdout, /^iban +payment +confidential +built in /m);
    const { rules } = JSON.parse((await run('rules', '--json')).stdout) as { rules: { id: string; used: boolean }[] };
    assert.equal(rules.find(({ id }) => id === 'email-address')?.used, false);
    assert.equal(new Set(rules.map(({ id }) => id)).size, rules.length);
  }));

test('a built-in rule that is switched off finds nothing, and the others do', () =>
  scene(RULES, async ({ bed, file, run }) => {
    const answer = join(bed.folder, 'text');
    await writeFile(answer, 'jane.doe@corp.example.com, GB29NWBK60161331926819');
    assert.match((await run('try', answer)).stdout, /^iban /m);
    assert.doesNotMatch((await run('try', answer)).stdout, /email-address/);
    await writeFile(file, RULES.replace(/^off: .*$/m, ''));
    assert.match((await run('try', answer)).stdout, /^email-address +personal +flag +pii/m);
  }));

test('`hash` prints what sessions commit to', () =>
  scene(RULES, async ({ bed, run }) => {
    const { stdout } = await run('hash');
    const { gateway, started } = await bed.start();
    await gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    assert.equal(stdout, `${bundle.entries[0]?.detail?.rules_hash}\n`);
  }));

test('`try` shows what is found and what is passed on, by the settings of the tool', () =>
  scene(RULES, async ({ bed, run }) => {
    const answer = join(bed.folder, 'answer.json');
    await writeFile(
      answer,
      JSON.stringify({ structuredContent: { ref: 'NJ-1234', n: 12345678901234567890n.toString() } }),
    );
    const redacted = await run('try', answer, '--tool', 'echo');
    assert.equal(redacted.code, 0);
    assert.match(redacted.stdout, /^project-code +personal +redact +pii +- +structuredContent\.ref +NJ-1234$/m);
    assert.match(redacted.stdout, /"ref": ?"\[redacted: project-code\]"/);
    const denied = await run('try', answer, '--tool', 'other', '--json');
    assert.equal(denied.code, 1);
    assert.deepEqual(
      { ...JSON.parse(denied.stdout), findings: [] },
      {
        outcome: 'deny',
        findings: [],
        bodiesNotScanned: 0,
        released: null,
      },
    );
    const text = join(bed.folder, 'text');
    await writeFile(text, 'about \u202eNJ-1234\u202c');
    const flagged = await run('try', text);
    assert.match(flagged.stdout, /flag.*\n\nPassed on:\nabout \\u\{202e\}NJ-1234\\u\{202c\}\n$/);
    await writeFile(text, Uint8Array.of(0xff));
    assert.match((await run('try', text)).stderr, /not valid UTF-8/);
    assert.match((await run('try', join(bed.folder, 'none'))).stderr, /cannot be read \(ENOENT\)/);
    assert.equal((await run('try')).code, 2);
    assert.equal((await run('try', answer, '--tool', 'ecko')).code, 1);
  }));
