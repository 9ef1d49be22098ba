import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { sharedPath } from '../../../../tests/shared.ts';
import { decodeBase64Url, encodeBase64Url } from '../bytes/base64url.ts';
import { decodeHex, encodeHex } from '../bytes/hex.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { sha256Hex } from '../crypto/sha256.ts';
import { canonicalJcs, canonicalSorted } from '../json/canonical.ts';
import { stringifyJson } from '../json/stringify.ts';
import type { JsonObject } from '../json/value.ts';
import type { Check } from '../report.ts';
import { newKey, type TestKey } from '../testing/session.ts';
import { altered, bitFlips, failures, open, outcomeOf } from '../testing/signed.ts';
import { type DecisionGiven, verifyDecisionReceipt } from './decision.ts';

const WORDS: Record<string, string> = { proven: 'pass', failed: 'fail', 'not checked': 'n/a' };

/** The checks in the words of the vectors. */
function inWords(checks: readonly Check[]): Record<string, string | undefined> {
  const word = (what: string) => WORDS[outcomeOf(checks, `decision-receipt.${what}`) ?? ''];
  return {
    signature: word('signature'),
    chain: word('chain'),
    policy_freshness: word('policy_freshness'),
    session_binding: word('session_binding'),
  };
}

test('every ACTA receipt of the vectors gets its results', async (t) => {
  const folder = sharedPath('vectors', 'action-receipts', 'acta');
  if (folder === null) return t.skip('the shared vectors are not here');
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  const expected = JSON.parse(read('expected.json'));
  assert.ok(Object.keys(expected.results).length >= 3);
  for (const [name, result] of Object.entries(expected.results)) {
    const previous = expected.chain[name];
    const checks = await verifyDecisionReceipt(read(name), {
      key: { x: encodeBase64Url(decodeHex(expected.signer_public_key_hex)), source: 'signer-public-key.txt' },
      policyDigest: expected.current_policy_digest,
      sessionId: expected.expected_session_id,
      ...(previous === undefined ? {} : { previous: read(previous) }),
    });
    assert.deepEqual(inWords(checks), result, name);
  }
});

test('the receipt that another key signed verifies under that key', async (t) => {
  const folder = sharedPath('vectors', 'action-receipts', 'acta');
  if (folder === null) return t.skip('the shared vectors are not here');
  const text = readFileSync(join(folder, '03-signature-key-mismatch.json'), 'utf8');
  const hex = readFileSync(join(folder, 'mismatched-signer-public-key.txt'), 'utf8').trim();
  const key = { x: encodeBase64Url(decodeHex(hex)), source: 'mismatched' };
  const given = { key, policyDigest: '', sessionId: 'ses_8f31ab' };
  const checks = await verifyDecisionReceipt(text, given);
  assert.deepEqual(failures(checks), ['decision-receipt.policy_freshness']);
});

const PAYLOAD: JsonObject = {
  type: 'protectmcp:decision',
  tool_name: 'search',
  decision: 'allow',
  policy_digest: 'sha256:policy',
  session_id: 'session-1',
  issued_at: '2026-09-21T14:13:10.000Z',
  issuer_id: 'issuer-1',
};

async function signed(payload: JsonObject, key: TestKey, form = canonicalJcs): Promise<JsonObject> {
  const sig = encodeHex(decodeBase64Url(await key.sign(encodeUtf8(form(payload)))));
  return { payload, signature: { alg: 'EdDSA', kid: 'issuer-1', sig } };
}

const givenOf = (key: TestKey): DecisionGiven => ({
  key: { x: key.x, source: 'issuer.jwk' },
  policyDigest: 'sha256:policy',
  sessionId: 'session-1',
});

test('the wrong and the right key; of a receipt that is not genuine nothing is compared', async () => {
  const [key, other] = await Promise.all([newKey(), newKey()]);
  const receipt = stringifyJson(await signed(PAYLOAD, key));
  const wrong = await verifyDecisionReceipt(receipt, givenOf(other));
  assert.deepEqual(inWords(wrong), {
    signature: 'fail',
    chain: 'n/a',
    policy_freshness: 'n/a',
    session_binding: 'n/a',
  });
  const right = await verifyDecisionReceipt(receipt, givenOf(key));
  assert.deepEqual(inWords(right), {
    signature: 'pass',
    chain: 'n/a',
    policy_freshness: 'pass',
    session_binding: 'pass',
  });
});

test('policy and session are compared exactly', async () => {
  const key = await newKey();
  const receipt = stringifyJson(await signed(PAYLOAD, key));
  const ask = async (given: Partial<DecisionGiven>) =>
    failures(await verifyDecisionReceipt(receipt, { ...givenOf(key), ...given }));
  assert.deepEqual(await ask({ policyDigest: 'sha256:Policy' }), ['decision-receipt.policy_freshness']);
  assert.deepEqual(await ask({ sessionId: 'session-2' }), ['decision-receipt.session_binding']);
});

test('a receipt follows the whole of its predecessor, signature included', async () => {
  const key = await newKey();
  const first = await signed(PAYLOAD, key);
  const linkTo = async (hash: string) => stringifyJson(await signed({ ...PAYLOAD, previousReceiptHash: hash }, key));
  const chain = async (receipt: string, previous?: JsonObject) =>
    outcomeOf(
      await verifyDecisionReceipt(receipt, {
        ...givenOf(key),
        ...(previous === undefined ? {} : { previous: stringifyJson(previous) }),
      }),
      'decision-receipt.chain',
    );
  const next = await linkTo(sha256Hex(canonicalJcs(first)));
  assert.equal(await chain(next, first), 'proven');
  assert.equal(await chain(next), 'not checked');
  assert.equal(await chain(await linkTo(sha256Hex(canonicalJcs(PAYLOAD))), first), 'failed');
  assert.equal(await chain(next, altered(first, 'payload.tool_name', 'other')), 'failed');
  // One that names none follows none.
  assert.equal(await chain(stringifyJson(first), first), 'failed');
});

test('a signature over another canonical form is none', async () => {
  const key = await newKey();
  const payload = { ...PAYLOAD, tool_name: 'größer' };
  assert.deepEqual(failures(await verifyDecisionReceipt(stringifyJson(await signed(payload, key)), givenOf(key))), []);
  const sorted = stringifyJson(await signed(payload, key, canonicalSorted));
  assert.deepEqual(failures(await verifyDecisionReceipt(sorted, givenOf(key))), ['decision-receipt.signature']);
});

test('a receipt of another form, algorithm, decision or issuer than its key id is refused', async () => {
  const key = await newKey();
  const receipt = await signed(PAYLOAD, key);
  const cases: [string, unknown][] = [
    ['payload.type', 'protectmcp:lifecycle'],
    ['payload.decision', 'maybe'],
    ['payload.issued_at', 'now'],
    ['payload.session_id', undefined],
    ['payload.previousReceiptHash', 'sha256:00'],
    ['payload.issuer_id', 'issuer-2'],
    ['signature.alg', 'none'],
    ['signature.alg', 'ES256'],
    ['signature.kid', 'issuer-2'],
    ['signature.sig', 'AA'],
    ['signature.extra', 1],
    ['extra', 1],
  ];
  for (const [path, value] of cases) {
    const checks = await verifyDecisionReceipt(
      stringifyJson(altered(receipt, path, value) as JsonObject),
      givenOf(key),
    );
    assert.deepEqual(failures(checks), ['decision-receipt.form'], path);
  }
  const damaged = { ...givenOf(key), previous: '{}' };
  assert.deepEqual(failures(await verifyDecisionReceipt(stringifyJson(receipt), damaged)), ['decision-receipt.form']);
});

test('a receipt with any bit flipped fails', async () => {
  const key = await newKey();
  for (const bytes of bitFlips(await signed(PAYLOAD, key))) {
    assert.notDeepEqual(failures(await verifyDecisionReceipt(bytes, givenOf(key))), []);
  }
});

test('any input gives checks, never an exception', async () => {
  const key = await newKey();
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.json(),
    fc.constantFrom('['.repeat(100_000), '{"__proto__":{}}', ''),
  );
  await fc.assert(
    fc.asyncProperty(any, any, async (input, previous) => {
      assert.deepEqual(open(await verifyDecisionReceipt(input, { ...givenOf(key), previous })), [
        'decision-receipt.form',
      ]);
    }),
    { numRuns: 300 },
  );
});
