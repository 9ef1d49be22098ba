import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JsonObject, JsonValue } from '../json/value.ts';
import { CallGraph, type Crossing, crossingsInClaim, EDGES_REPRESENT, MAX_CROSSINGS } from './call-graph.ts';

/** An entry with the members that edges are drawn from; `sources` are the domains whose answers gave what it carried. */
function entry(sequence: number, tool: string, domain: string, sources: JsonValue = null, more: JsonObject = {}) {
  return {
    entry_type: 'tool_call',
    call_id: `call-${sequence}`,
    sequence_number: sequence,
    tool_name: tool,
    policy_decision: 'allow',
    detail: { compliance_domain: domain },
    flow: sources === null ? null : { tools: ['x'], domains: sources, complete: 1 },
    ...more,
  };
}

function crossingsOf(...entries: JsonObject[]): Crossing[] {
  const graph = new CallGraph();
  for (const one of entries) graph.see(one);
  return graph.crossings;
}

const brief = (all: readonly Crossing[]): string[] =>
  all.map((item) => {
    const count = item.count === undefined ? '' : ` x${String(item.count)}`;
    return `${item.basis} ${item.from_domain}>${item.to_domain} ${item.call_id} ${item.decision}${count}`;
  });

test('an edge has the members of the reference, how it is known, and what became of the call [G22]', () => {
  const found = crossingsOf(
    entry(1, 'ehr.get', 'hipaa_phi'),
    entry(2, 'mail.send', 'external', ['hipaa_phi'], { policy_decision: 'step_up' }),
  );
  const shared = {
    from_domain: 'hipaa_phi',
    to_domain: 'external',
    call_id: 'call-2',
    tool_name: 'mail.send',
    sequence_number: 2,
    decision: 'deny',
  };
  assert.deepEqual(found, [
    { ...shared, basis: 'observed' },
    { ...shared, basis: 'temporal' },
  ]);
});

test('what was carried is observed however long ago it was read; what is only next to it is temporal [L-09]', () => {
  const found = crossingsOf(
    entry(1, 'ehr.get', 'hipaa_phi'),
    entry(2, 'clock.now', 'public'),
    entry(3, 'clock.now', 'public'),
    entry(4, 'mail.send', 'external', ['hipaa_phi']),
  );
  assert.deepEqual(brief(found), [
    'temporal hipaa_phi>public call-2 allow',
    'observed hipaa_phi>external call-4 allow',
  ]);
});

test('order draws an edge from the four sensitive domains only, and values draw one from any other domain', () => {
  for (const domain of ['pii', 'hipaa_phi', 'pci_data', 'mnpi']) {
    assert.deepEqual(brief(crossingsOf(entry(1, 'a', domain), entry(2, 'b', 'external'))), [
      `temporal ${domain}>external call-2 allow`,
    ]);
    assert.deepEqual(crossingsOf(entry(1, 'a', domain), entry(2, 'b', domain, [domain])), [], 'not within one domain');
  }
  for (const domain of ['internal', 'external', 'public', 'unknown']) {
    assert.deepEqual(crossingsOf(entry(1, 'a', domain), entry(2, 'b', 'mnpi')), []);
    assert.deepEqual(brief(crossingsOf(entry(2, 'b', 'mnpi', [domain]))), [`observed ${domain}>mnpi call-2 allow`]);
  }
});

test('a call that met no catalog entry is in the domain unknown; a resource read can carry, and is in no order of calls', () => {
  const found = crossingsOf(
    entry(1, 'crm.query', 'pii'),
    entry(2, 'docs://{id}', 'internal', ['pii'], { entry_type: 'mcp_request' }),
    entry(3, 'nope', 'x', null, { detail: null, policy_decision: 'deny' }),
    entry(4, 'late', 'internal', ['pii', 'pii'], { entry_type: 'fault', policy_decision: 'deny' }),
  );
  assert.deepEqual(brief(found), [
    'observed pii>internal call-2 allow',
    'temporal pii>unknown call-3 deny',
    'observed pii>internal call-4 fault',
  ]);
});

test('what no claim could hold is called unknown: names outside of ASCII, and what is no text [C-03]', () => {
  const [edge] = crossingsOf(entry(1, 'é', 'é', ['pii'], { call_id: null, sequence_number: 1.5 }));
  assert.deepEqual(edge, {
    from_domain: 'pii',
    to_domain: 'unknown',
    call_id: '',
    tool_name: 'unknown',
    sequence_number: 0,
    basis: 'observed',
    decision: 'allow',
  });
});

test('the first crossings are listed; the others are counted by basis and domains, so that a claim stays small', () => {
  const entries = Array.from({ length: MAX_CROSSINGS + 50 }, (_, i) => entry(i + 1, 'mail.send', 'external', ['pii']));
  const found = crossingsOf(...entries, entry(400, 'a', 'mnpi', ['pii']), entry(401, 'b', 'public'));
  assert.equal(found.length, MAX_CROSSINGS + 3);
  assert.deepEqual(brief(found.slice(MAX_CROSSINGS)), [
    `observed pii>external call-${MAX_CROSSINGS + 1} allow x50`,
    'observed pii>mnpi call-400 allow x1',
    'temporal mnpi>public call-401 allow x1',
  ]);
});

test('the disclaimer stands wherever there is an edge, and nowhere else', () => {
  assert.deepEqual(crossingsInClaim([]), { cross_boundary_events: [] });
  const found = crossingsOf(entry(1, 'a', 'pii'), entry(2, 'b', 'external'));
  assert.deepEqual(crossingsInClaim(found), { cross_boundary_events: found, edges_represent: EDGES_REPRESENT });
  assert.match(EDGES_REPRESENT, /^[\x20-\x7e]+$/);
});

const anything = fc.jsonValue() as fc.Arbitrary<JsonValue>;
const anyEntry = fc.record({
  entry_type: fc.oneof(fc.constantFrom<JsonValue>('tool_call', 'fault', 'mcp_request'), anything),
  call_id: anything,
  sequence_number: anything,
  tool_name: anything,
  policy_decision: anything,
  detail: fc.oneof(anything, fc.record({ compliance_domain: fc.oneof(fc.constant<JsonValue>('pii'), anything) })),
  flow: fc.oneof(anything, fc.record({ domains: fc.oneof(fc.array(anything), anything) })),
}) as fc.Arbitrary<JsonObject>;

test('entries of any form give edges that a claim can hold, the same ones each time', () => {
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 12 }), (entries) => {
      const found = crossingsOf(...entries);
      assert.deepEqual(crossingsOf(...structuredClone(entries)), found);
      for (const item of found) {
        assert.notEqual(item.from_domain, item.to_domain);
        const texts = Object.values(item).filter((value) => typeof value === 'string');
        assert.ok(texts.length >= 6 && texts.every((text) => /^[\x20-\x7e]*$/.test(text)));
        assert.ok(Number.isSafeInteger(item.sequence_number));
      }
    }),
  );
});
