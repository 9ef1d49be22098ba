import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VENDOR_ANCHORS } from '@cmcp/evidence';
import type { FileFlag, PinFile } from './pin-files.ts';
import { type ChoiceFlag, expectationsOf, NO_PINS, type Pins, problemsOf } from './pins.ts';

const HASH = `sha256:${'ab'.repeat(32)}`;
const X = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';
const never = (): number => assert.fail('the clock was read');

function withFields(fields: Partial<Pins['fields']>): Pins {
  return { ...NO_PINS, fields: { ...NO_PINS.fields, ...fields } };
}

function withFile(flag: FileFlag, text: string): Pins {
  const file: PinFile = { id: 1, name: 'given', bytes: new TextEncoder().encode(text), flag };
  return { ...NO_PINS, files: [file] };
}

test('an empty form expects nothing, accepts nothing, and trusts the roots of the makers', () => {
  assert.deepEqual(problemsOf(NO_PINS), {});
  assert.deepEqual(expectationsOf(NO_PINS, never), {
    anchors: VENDOR_ANCHORS,
    acceptSoftware: false,
    acceptSoftwareTpm: false,
    acceptOperatorRoot: false,
    allowModes: [],
    unpinnedPolicy: false,
    unpinnedCatalog: false,
    allowExceptions: false,
  });
});

test('each choice is one relaxation, and no other', () => {
  const set = (flag: ChoiceFlag) => {
    const plain = expectationsOf(NO_PINS, never) as Record<string, unknown>;
    const chosen = expectationsOf({ ...NO_PINS, chosen: [flag] }, never) as Record<string, unknown>;
    return Object.keys(chosen).filter((key) => JSON.stringify(chosen[key]) !== JSON.stringify(plain[key]));
  };
  assert.deepEqual(set('--accept-software'), ['acceptSoftware']);
  assert.deepEqual(set('--accept-software-tpm'), ['acceptSoftwareTpm']);
  assert.deepEqual(set('--accept-operator-root'), ['acceptOperatorRoot']);
  assert.deepEqual(set('--allow-mode advisory'), ['allowModes']);
  assert.deepEqual(set('--allow-mode silent'), ['allowModes']);
  assert.deepEqual(set('--unpinned-policy'), ['unpinnedPolicy']);
  assert.deepEqual(set('--unpinned-catalog'), ['unpinnedCatalog']);
  assert.deepEqual(set('--tpm-makers'), ['anchors']);
  assert.deepEqual(set('--immutable-image'), ['immutableImage']);
});

test('fields are read as the flags of the command line are', () => {
  const read = expectationsOf(
    withFields({
      '--policy-hash': ` ${HASH} `,
      '--catalog-hash': HASH.slice(7),
      '--measurement': 'sha384:00',
      '--rules-hash': HASH,
      '--gateway-measurement': HASH,
      '--at': '2026-01-31T12:00:00.5+01:00',
      '--max-age': '60',
      '--min-evidence-class': 'tls-pinned',
    }),
    never,
  );
  assert.equal(read.policyHash, HASH);
  assert.equal(read.catalogHash, HASH.slice(7));
  assert.equal(read.measurement, 'sha384:00');
  assert.equal(read.rulesHash, HASH);
  assert.equal(read.gatewayMeasurement, HASH);
  assert.equal(read.now, Date.UTC(2026, 0, 31, 11) / 1000);
  assert.equal(read.maxAgeSeconds, 60);
  assert.equal(read.minEvidenceClass, 'tls-pinned');
});

test('an age without a time is judged by the clock of this machine, a time without an age is not', () => {
  const asked = expectationsOf(withFields({ '--max-age': '60' }), () => 1234);
  assert.deepEqual([asked.now, asked.maxAgeSeconds], [1234, 60]);
});

test('a field that cannot be read is a problem, and not an empty field', () => {
  for (const [flag, texts] of [
    ['--policy-hash', ['sha256:12', `${HASH}0`, HASH.toUpperCase(), 'sha384:00']],
    ['--catalog-hash', ['x']],
    ['--rules-hash', ['x', HASH.slice(7)]],
    ['--gateway-measurement', ['x', HASH.slice(7), 'sha384:00']],
    ['--at', ['2026-01-31', '2026-02-30T00:00:00Z', '2026-01-31T12:00:00', 'now']],
    ['--max-age', ['-1', '1.5', '1e3', '12345678901']],
    ['--min-evidence-class', ['strong', 'hash-only,tls-pinned']],
  ] as const) {
    for (const text of texts) assert.deepEqual(Object.keys(problemsOf(withFields({ [flag]: text }))), [flag], text);
  }
});

test('a document in a field is read, and one that is something else is a problem', () => {
  const key = withFile('--key', JSON.stringify({ kty: 'OKP', crv: 'Ed25519', x: X }));
  assert.deepEqual(problemsOf(key), {});
  assert.deepEqual(expectationsOf(key, never).keys, [{ x: X, source: 'given' }]);
  assert.deepEqual(expectationsOf(withFile('--controller-key', X), never).controllerKeys, [{ x: X, source: 'given' }]);
  const policy = withFile('--evidence-policy', '{"sevSnp":{"maxVmpl":0}}');
  assert.deepEqual(expectationsOf(policy, never).evidencePolicy, { sevSnp: { maxVmpl: 0 } });
  assert.match(expectationsOf(withFile('--catalog', '[]'), never).catalogHash ?? '', /^sha256:/);
  for (const [flag, text] of [
    ['--key', '{"kty":"RSA"}'],
    ['--key', 'short'],
    ['--root', 'not a certificate'],
    ['--evidence-policy', '{"sevSnp":{"maxVmpI":0}}'],
    ['--catalog', '7'],
    ['--catalog', '[1,'],
    ['--controller-key', ''],
  ] as const) {
    assert.deepEqual(Object.keys(problemsOf(withFile(flag, text))), [flag], text);
  }
});

test('a catalog and its hash are not both given: one would be ignored', () => {
  const both = { ...withFields({ '--catalog-hash': HASH }), files: withFile('--catalog', '[]').files };
  assert.deepEqual(Object.keys(problemsOf(both)), ['--catalog']);
});
