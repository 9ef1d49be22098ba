import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckReport, ServerCheck } from '@cmcp/gateway';
import { checkText } from './check-text.ts';

const server = (id: string, members: Partial<ServerCheck> = {}): ServerCheck => ({
  id,
  name: id,
  status: 'as approved',
  approved: 3,
  changed: [],
  unapproved: [],
  resources: { approved: 2, unapproved: [] },
  templates: { approved: 1, unapproved: [] },
  prompts: { approved: 0, changed: [], unapproved: [] },
  instructions: 'none',
  detail: null,
  ...members,
});

const report = (...servers: ServerCheck[]): CheckReport => ({
  mode: 'enforcing',
  ok: servers.every(({ status }) => status === 'as approved'),
  policy: {
    path: './policy',
    hash: 'sha256:p',
    pin: 'matches',
    approval: 'not asked for',
    signature: 'valid',
    version: '1.0.0',
    warnings: [],
  },
  catalog: {
    path: './c.json',
    hash: 'sha256:c',
    pin: 'differs',
    approval: 'missing',
    tools: 3,
    resources: 2,
    templates: 1,
    prompts: 0,
  },
  inspection: { path: './i.yaml', hash: 'sha256:i', version: '7', own: 2 },
  servers,
  problems: [],
});

const row = (check: ServerCheck): string =>
  checkText('cmcp.yaml', report(check))
    .split('\n')
    .find((line) => line.startsWith(check.id)) ?? '';

test('a check says how much is approved of each kind, in all and of each server', () => {
  const text = checkText('cmcp.yaml', report(server('files')));
  assert.match(text, /^mode +enforcing: what policy denies is refused$/m);
  assert.match(
    text,
    /^catalog +\.\/c\.json \(3 tools, 2 resources, 1 templates, 0 prompts, hash differs, approval missing\)$/m,
  );
  assert.match(text, /^inspection +\.\/i\.yaml \(version 7, 2 rules of yours, sha256:i\)$/m);
  assert.match(text, /^server +status +tools +resources +templates +prompts +remarks$/m);
  assert.match(text, /^files +as approved +3 +2 +1 +0$/m);
  assert.match(text, /All is well\./);
});

test('every change of a server, and what is offered and not approved, is a remark', () => {
  const line = row(
    server('files', {
      status: 'changed',
      changed: [
        { tool: 'read', kind: 'definition_changed', classification: 'description' },
        { tool: 'write', kind: 'withdrawn', classification: 'withdrawn' },
      ],
      unapproved: ['new'],
      prompts: {
        approved: 1,
        changed: [{ prompt: 'greet', kind: 'definition_changed', classification: 'arguments' }],
        unapproved: ['other'],
      },
      resources: { approved: 2, unapproved: Array.from({ length: 12 }, (_, index) => `x:${index}`) },
      templates: { approved: 1, unapproved: ['x:{a}'] },
      instructions: 'changed',
      detail: 'a detail',
    }),
  );
  assert.match(line, /^files +changed +3 +2 +1 +1 +/);
  const remarks = [
    'read changed (description)',
    'write is no longer offered',
    'prompt greet changed (arguments)',
    'its instructions changed',
    'offered but not approved: new',
    'resources offered but not approved: x:0, x:1, x:2, x:3, x:4, x:5, x:6, x:7, x:8, x:9 and 2 more',
    'templates offered but not approved: x:{a}',
    'prompts offered but not approved: other',
    'a detail',
  ];
  assert.ok(line.endsWith(remarks.join('; ')), line);
  assert.match(row(server('files', { instructions: 'not approved' })), /its instructions are not approved$/);
});

test('what a server calls its own is printed safely', () => {
  assert.ok(!row(server('files', { unapproved: ['\u001b[8mhidden'] })).includes('\u001b'));
});
