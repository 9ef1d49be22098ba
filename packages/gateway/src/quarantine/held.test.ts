import assert from 'node:assert/strict';
import { test } from 'node:test';
import { releasable } from '../inspection/response.ts';
import { type Held, shown } from './held.ts';

test('what an operator is shown hides nothing: each character that is not seen, or turns the writing round, is spelt out', () => {
  const text = 'a\u202eb\u200bc\u{e0041}d\u3164e\u0007f\\u{202e}g';
  const held: Held = {
    id: '00000000-0000-4000-8000-000000000001',
    ...{ sessionId: 's', subject: 'agent', owner: 'o', exposed: 'agent', generation: 0, request: 'r', governedBy: 'g' },
    ...{ method: 'tools/call', item: 'echo', server: 's', heldMicros: 0, endsAt: 1000, released: null },
    answer: releasable({ text }),
    findings: [
      {
        outcome: 'quarantine',
        finding: {
          ...{
            kind: 'injection',
            rule: 'x',
            start: 0,
            end: text.length,
            via: ['invisible'],
            label: null,
            instead: null,
          },
          passage: { path: ['te\u202ext'], kind: 'text', text },
        },
      },
    ],
  };
  const written = 'a\\u{202e}b\\u{200b}c\\u{e0041}d\\u{3164}e\\u0007f\\\\u{202e}g';
  const { answer, findings } = shown(held, 0);
  assert.equal(answer, `{"text":"${written}"}`);
  assert.deepEqual(findings, [
    {
      ...{ rule: 'x', kind: 'injection', outcome: 'quarantine', label: null, via: ['invisible'] },
      ...{ path: 'te\\u{202e}xt', text: `"${written}"` },
    },
  ]);
});
