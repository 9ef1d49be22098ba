import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { ABLE } from '../../../../tests/support/upstreams.ts';
import { covers, offerOf } from './ask-offer.ts';
import { type AskKind, type ClientAbilities, NO_ABILITIES } from './asks.ts';

test('a server is offered what the client can be asked, as far as the catalog lets it ask [MCP25-11] [MCP26-28]', () => {
  const { tasks, ...asks } = ABLE;
  assert.deepEqual(offerOf(ABLE, ['elicit', 'sample', 'list_roots']), { ...asks, tasks });
  assert.deepEqual(offerOf(ABLE, []), { ...NO_ABILITIES, tasks: true });
  assert.deepEqual(offerOf(NO_ABILITIES, ['elicit', 'sample', 'list_roots']), NO_ABILITIES);
  assert.deepEqual(offerOf(ABLE, ['elicit']), { ...NO_ABILITIES, elicitForm: true, elicitUrl: true, tasks: true });
});

test('only what was declared may be asked, in the mode and with the means that were declared [MCP25-12] [MCP26-28]', () => {
  const asked = (offer: Partial<ClientAbilities>, kind: AskKind, params: JsonObject = {}) =>
    covers({ ...NO_ABILITIES, ...offer }, { kind, params });
  assert.equal(asked({ elicitForm: true }, 'elicit'), true);
  assert.equal(asked({ elicitForm: true }, 'elicit', { mode: 'form' }), true);
  assert.equal(asked({ elicitForm: true }, 'elicit', { mode: 'url' }), false);
  assert.equal(asked({ elicitUrl: true }, 'elicit', { mode: 'url' }), true);
  assert.equal(asked({ elicitUrl: true }, 'elicit'), false);
  assert.equal(asked({ elicitForm: true, elicitUrl: true }, 'elicit', { mode: 'new' }), false);
  assert.equal(asked({ sample: true }, 'sample'), true);
  assert.equal(asked({ sample: true }, 'sample', { tools: [] }), false);
  assert.equal(asked({ sample: true }, 'sample', { toolChoice: {} }), false);
  assert.equal(asked({ sample: true, sampleTools: true }, 'sample', { tools: [] }), true);
  assert.equal(asked({ sampleTools: true }, 'sample'), false);
  assert.equal(asked({ roots: true }, 'list_roots'), true);
  assert.equal(asked({}, 'list_roots'), false);
});
