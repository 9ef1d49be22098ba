import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig, readEnvironment } from '@cmcp/gateway';
import { approveCommand } from '../packages/cli/src/commands/approve.ts';
import { toolRecord } from './support/policy.ts';
import { policyBench } from './support/policy-bench.ts';

const PAGE = await readFile(new URL('../docs/approvals.md', import.meta.url), 'utf8');
const blocks = (language: string): string[] =>
  [...PAGE.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, inside = '']) => inside);

const BENCH = {
  servers: { bank: { transport: 'stdio', spawn: { command: '/usr/bin/true', args: [] } } },
  tools: [toolRecord('pay', { server: 'bank', effects: 'write' }, { amount: { type: 'integer' } })],
};
const TESTS = `defaults: { caller: agent, call: pay, arguments: { amount: 2000 } }
tests:
  - { name: small, arguments: { amount: 9 }, expect: allow }
  - { name: large, expect: step_up, policies: [large-payments], advice: { approver: finance } }
  - name: approved
    approval: { policies: [large-payments], approvers: [finance], signed: true }
    expect: allow
  - name: approved without a signature
    approval: { policies: [large-payments], approvers: [finance] }
    expect: deny
    policies: [signed-only]
  - name: another was approved
    approval: { policies: [other], signed: true }
    expect: step_up
  - name: its answer
    approval: { policies: [large-payments], channel: callback, signed: true }
    response: { size: 9 }
    expect: allow
`;

test('the rules of the page decide as it says, on what is approved as on what is not', async (t) => {
  const permit = 'permit (principal, action == Action::"pay", resource);';
  const files = { 'all.cedar': [permit, ...blocks('cedar')].join('\n'), 'tests/a.yaml': TESTS };
  const bench = await policyBench(t, BENCH, files);
  const tested = await bench.policy('test');
  assert.equal(tested.code, 0, tested.stdout + tested.stderr);
  const linted = await bench.policy('lint');
  assert.match(linted.stdout, /^0 errors|no problems|Nothing/i, linted.stdout);
  await bench.bundle('policy', { 'tests/a.yaml': TESTS.replace('channel: callback', 'channel: owl') });
  const wrong = await bench.policy('test');
  assert.match(
    wrong.stdout + wrong.stderr,
    /at \/tests\/5\/approval\/channel: must be one of "operator", "user", "callback"/,
  );
  const [config = ''] = blocks('yaml');
  const file = join(bench.folder, 'approvals.yaml');
  await writeFile(file, `stdio: desk\n${config}`);
  const { approvals } = await loadConfig(file, readEnvironment({ CMCP_DEV_MODE: '1' }));
  assert.deepEqual(approvals.approvers.finance?.operators, ['anna', 'bert']);
});

test('the page shows every action of the command, with options that it has', () => {
  const [commands = ''] = blocks('sh');
  const shown = [...`${commands}\ncmcp approve keygen --out anna.jwk`.matchAll(/^cmcp approve (\w+)(.*)$/gm)];
  assert.deepEqual(shown.map(([, name]) => name).sort(), (approveCommand.actions ?? []).map(({ name }) => name).sort());
  for (const [, name, rest = ''] of shown) {
    const action = approveCommand.actions?.find((each) => each.name === name);
    for (const [, option = ''] of rest.matchAll(/--([a-z]+)/g))
      assert.ok(action?.options[option], `${name} --${option}`);
  }
});
