import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogWith, promptRecord, resourceRecord, templateRecord } from '../../../../../../tests/support/catalog.ts';
import { toolRecord } from '../../../../../../tests/support/policy.ts';
import { TRUST_LEVELS } from '../../../attestation/types.ts';
import { ACTION_FORMS } from '../../../policy/actions.ts';
import { sensitivityRanks } from '../../../policy/sensitivity.ts';
import { itemsOf } from '../items-of.ts';
import { Seeded } from './choose.ts';
import { Ideas } from './ideas.ts';
import { Requests } from './requests.ts';

const catalog = catalogWith({
  tools: [toolRecord('look', { sensitivity: 'pii' }), toolRecord('send', { server: 'web', effects: 'write' })],
  resources: [
    resourceRecord('note', 'file:///note', { sensitivity: 'confidential' }),
    templateRecord('logs', 'file:///logs/{day}{?page}'),
    templateRecord('tree', 'file:///tree{/path}'),
  ],
  prompts: [promptRecord('greet')],
  servers: { web: { asks: ['elicit', 'sample', 'list_roots'] } },
});
const ranks = sensitivityRanks();

function made(count: number) {
  const ideas = new Ideas().learnMembers({ caller: ['ada', 'bob'], uri: 'file:///logs/monday', in_flight: 3 });
  const requests = new Requests({ catalog, ranks }, { choose: new Seeded(4), ideas });
  return Array.from({ length: count }, () => requests.next()?.input).filter((input) => input !== undefined);
}

test('random requests are of every kind that the catalog makes possible, at both decisions', () => {
  const inputs = made(1500);
  assert.equal(inputs.length, 1500);
  const seen = (of: (input: (typeof inputs)[number]) => string): Set<string> => new Set(inputs.map(of));
  const actions = ['call_tool', ...ACTION_FORMS.flatMap(({ actions: each }) => each)];
  assert.deepEqual([...seen(({ asked }) => asked.action)].sort(), actions.sort());
  assert.deepEqual([...seen(({ caller }) => caller.subject)].sort(), ['ada', 'bob', 'somebody']);
  assert.deepEqual([...seen(({ session }) => session.class)].sort(), [...ranks.keys()].sort());
  assert.deepEqual([...seen(({ trustLevel }) => trustLevel)].sort(), [...TRUST_LEVELS].sort());
  assert.deepEqual([...seen(({ response }) => String(response === undefined))].sort(), ['false', 'true']);
  const uris = seen(({ asked }) => ('uri' in asked ? asked.uri : ''));
  for (const uri of ['file:///note', 'file:///logs/monday', 'file:///logs/x?page=x', 'file:///tree/x'])
    assert.ok(uris.has(uri), uri);
});

test('no random request is one that the path could not make', () => {
  for (const { asked, session, response } of made(1500)) {
    const revealed = Math.max(...itemsOf(asked, catalog).map(({ sensitivityRank }) => sensitivityRank));
    const alone = Math.max(session.classRank, revealed);
    assert.ok(session.maxClassRank >= alone);
    assert.ok(session.maxClassRank === alone || session.inFlight > 0, 'others that may show more are in flight');
    assert.ok(response === undefined || response.classRank >= revealed);
    if ('during' in asked) assert.equal(asked.server.id, 'web');
  }
});
