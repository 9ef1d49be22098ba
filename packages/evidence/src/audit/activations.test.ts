import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Expectations, type JsonObject, type Report, type SessionFile, stringifyJson, verify } from '../index.ts';
import {
  blank,
  CATALOG_HASH,
  type EventSpec,
  makeSession,
  newKey,
  numbered,
  POLICY_HASH,
  seal,
} from '../testing/session.ts';

const CALL: EventSpec = { kind: 'allow', tool: 'read', domain: 'internal', dataClass: 'public' };
const OTHER = `sha256:${'77'.repeat(32)}`;
const key = await newKey();
const PINS: Expectations = {
  keys: [{ x: key.x, source: 'given' }],
  policyHash: POLICY_HASH,
  catalogHash: CATALOG_HASH,
  acceptSoftware: true,
};

type Activation = ['policy_load' | 'catalog_load', JsonObject | null];

/** The report on a session in which these were activated after its calls and before its last entry. */
async function activating(events: EventSpec[], ...activations: Activation[]): Promise<Report> {
  const file: SessionFile = await makeSession(key, events);
  const { entries } = file.bundle;
  const added = activations.map(([type, detail]) => ({
    ...blank(file.claim.gateway.session_id, type, 'public'),
    detail: detail as (typeof entries)[number]['detail'],
  }));
  entries.splice(-1, 0, ...added);
  numbered(entries);
  file.claim.trace.iat += added.length;
  await seal(file, key);
  return verify(stringifyJson(file), PINS);
}

const authority = ({ checks }: Report) => checks.find(({ id }) => id === 'session.authority');
const RIGHT: Activation[] = [
  ['policy_load', { bundle_hash: POLICY_HASH }],
  ['catalog_load', { catalog_hash: CATALOG_HASH }],
];

test('a session of calls under one bundle and one catalog may say so again', async () => {
  for (const activations of [[], RIGHT]) {
    const report = await activating([CALL], ...activations);
    assert.equal(report.verdict, 'verified', report.summary);
    assert.equal(authority(report)?.detail, 'no other bundle or catalog was activated in the session');
  }
});

test('a session with calls in which another bundle or catalog was activated is refused, and the entry is named', async () => {
  const wrong: Activation[] = [
    ['policy_load', { bundle_hash: OTHER }],
    ['catalog_load', { catalog_hash: OTHER }],
    ['policy_load', { catalog_hash: POLICY_HASH }],
    ['policy_load', { bundle_hash: CATALOG_HASH }],
    ['policy_load', {}],
    ['catalog_load', null],
  ];
  for (const activation of wrong) {
    const report = await activating([CALL], activation);
    assert.equal(report.verdict, 'refused', JSON.stringify(activation));
    assert.match(authority(report)?.detail ?? '', /^entry 2 activates another bundle or catalog/);
  }
});

test('going back to the approved bundle does not undo that another one was in force', async () => {
  const report = await activating([CALL], ['policy_load', { bundle_hash: OTHER }], ...RIGHT);
  assert.equal(authority(report)?.outcome, 'failed');
  assert.match(authority(report)?.detail ?? '', /^entry 2 /);
});

test('of several activations the first that is not of the session is named', async () => {
  const other: Activation[] = [
    ['policy_load', { bundle_hash: OTHER }],
    ['catalog_load', { catalog_hash: OTHER }],
  ];
  assert.match(authority(await activating([CALL], ...other))?.detail ?? '', /^entry 2 /);
});

test('a call that was refused or failed was decided too', async () => {
  for (const kind of ['egress_denied', 'fault', 'deny'] as const) {
    const report = await activating([{ ...CALL, kind }], ['policy_load', { bundle_hash: OTHER }]);
    assert.equal(authority(report)?.outcome, 'failed', kind);
  }
});

test('the chain of the gateway records what it activated, and has no calls that another bundle could have decided', async () => {
  const events: EventSpec[] = [{ kind: 'gateway_event' }, { kind: 'catalog_drift' }];
  const report = await activating(
    events,
    ['policy_load', { bundle_hash: OTHER }],
    ['catalog_load', { catalog_hash: OTHER }],
  );
  assert.equal(report.verdict, 'verified', report.summary);
  assert.equal(authority(report)?.detail, 'activations are recorded, and the chain has no calls');
});
