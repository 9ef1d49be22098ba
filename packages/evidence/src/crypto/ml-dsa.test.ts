import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha512 } from '@noble/hashes/sha2.js';
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js';
import { verifyMlDsa65 } from './ml-dsa.ts';

const { publicKey, secretKey } = ml_dsa65.keygen(new Uint8Array(32).fill(7));
const message = Uint8Array.of(1, 2, 3);
const signature = ml_dsa65.sign(message, secretKey);

test('a signature holds for its message and key, and for no others', () => {
  assert.ok(verifyMlDsa65(publicKey, signature, message));
  assert.ok(!verifyMlDsa65(publicKey, signature, Uint8Array.of(1, 2)));
  assert.ok(!verifyMlDsa65(ml_dsa65.keygen(new Uint8Array(32)).publicKey, signature, message));
  // The commitment, the response and the hint of a signature, its last byte included.
  for (const at of [0, 47, 48, 3000, signature.length - 62, signature.length - 1]) {
    const flipped = signature.slice();
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    assert.ok(!verifyMlDsa65(publicKey, flipped, message), String(at));
  }
});

test('a signature with a context, or over a hash of the message, is another signature (FIPS 204 section 5.2)', () => {
  const context = Uint8Array.of(1);
  assert.ok(!verifyMlDsa65(publicKey, ml_dsa65.sign(message, secretKey, { context }), message));
  const prehashed = ml_dsa65.prehash(sha512).sign(message, secretKey);
  assert.ok(!verifyMlDsa65(publicKey, prehashed, message));
});

test('keys and signatures of another length are no exception', () => {
  for (const length of [0, 1, 32, 64, 1951, 1953, 3308, 3310]) {
    assert.ok(!verifyMlDsa65(new Uint8Array(length), signature, message));
    assert.ok(!verifyMlDsa65(publicKey, new Uint8Array(length), message));
  }
});
