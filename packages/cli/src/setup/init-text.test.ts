import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InitResult } from '@cmcp/gateway';
import { approvedText, leftOutText } from './init-text.ts';

const result = (members: Partial<InitResult> = {}): InitResult => ({
  config: '/x/cmcp.yaml',
  policyHash: null,
  catalogHash: null,
  agent: null,
  operator: null,
  servers: [
    {
      id: 'files',
      name: 'Files',
      transport: 'stdio',
      tools: [
        { name: 'read', effects: 'read' },
        { name: 'write', effects: 'write' },
      ],
      resources: [{ name: 'readme', uri: 'file:///readme' }],
      templates: [],
      prompts: [{ name: 'greet' }],
      instructions: true,
    },
    {
      id: 'notes',
      name: 'Notes',
      transport: 'http',
      tools: [],
      resources: [],
      templates: [{ name: 'note', uriTemplate: 'note:///{id}' }],
      prompts: [],
      instructions: false,
    },
  ],
  leftOut: [],
  leftOutItems: [],
  findings: [],
  putAside: [],
  ...members,
});

test('what was approved is counted by kind, and what was suggested is listed', () => {
  assert.equal(
    approvedText(result()),
    `server  tools  resources  templates  prompts  instructions
------  -----  ---------  ---------  -------  ------------
files   2      1          0          1        yes
notes   0      0          1          0        no

server  tool   effects (suggested)
------  ----   -------------------
files   read   read
        write  write

`,
  );
  assert.equal(approvedText(result({ servers: [] })), '');
});

test('what was left out is named with the reason, in characters that are safe to print', () => {
  const text = leftOutText(
    result({
      leftOut: [{ name: 'gone', reason: 'UPSTREAM_UNAVAILABLE: it ended' }],
      leftOutItems: [
        { server: 'files', kind: 'resources', key: 'file:///my\u001b[8m file', reason: 'not a URI' },
        { server: 'files', kind: 'templates', key: null, reason: 'UPSTREAM_TOOL_ERROR: none' },
        { server: 'notes', kind: 'instructions', key: null, reason: 'too long' },
      ],
    }),
  );
  const lines = text.split('\n');
  assert.equal(lines[0], 'left out: gone: UPSTREAM_UNAVAILABLE: it ended');
  assert.match(lines[1] ?? '', /^left out: files: resource file:\/\/\/my.*8m file: not a URI$/);
  assert.ok(!text.includes('\u001b'));
  assert.equal(lines[2], 'left out: files: all templates: UPSTREAM_TOOL_ERROR: none');
  assert.equal(lines[3], 'left out: notes: all instructions: too long');
});

test('a long list of what was left out is cut, and says by how much', () => {
  const leftOutItems = Array.from({ length: 50 }, (_, index) => {
    return { server: 'files', kind: 'resources' as const, key: `x ${index}`, reason: 'not a URI' };
  });
  const lines = leftOutText(result({ leftOutItems })).trimEnd().split('\n');
  assert.equal(lines.length, 21);
  assert.equal(lines.at(-1), 'left out: and 30 more, which --json names');
});
