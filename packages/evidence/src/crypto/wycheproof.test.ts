import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { sharedPath } from '../../../../tests/shared.ts';
import { decodeBase64Url } from '../bytes/base64url.ts';
import { decodeHex } from '../bytes/hex.ts';
import { FormatError } from '../format-error.ts';
import { type JwsAlgorithm, parseJws, verifyJws } from './jws.ts';
import { type Curve, type PublicKey, parseSpki, spkiOf } from './key.ts';
import { ecdsaFromDer, type Scheme, verifySignature } from './signature.ts';

interface Group<T> {
  publicKeyDer: string;
  public?: Record<string, string>;
  private?: Record<string, string>;
  tests: ({ tcId: number; result: string } & T)[];
}

/** The groups of a Wycheproof file, or null after the test has said that it skips. */
function groups<T>(t: TestContext, file: string): Group<T>[] | null {
  const path = sharedPath('datasets', 'wycheproof', file);
  if (path === null) {
    t.skip('the vectors are not there');
    return null;
  }
  return (JSON.parse(readFileSync(path, 'utf8')) as { testGroups: Group<T>[] }).testGroups;
}

type SignatureTest = { msg: string; sig: string };

/** Runs every signature of a file: no result is `acceptable` in any of them, so each one has one right answer. */
async function everySignature(
  t: TestContext,
  file: string,
  scheme: Scheme,
  encoding: (signature: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | null = (signature) => signature,
): Promise<void> {
  const wrong: number[] = [];
  let count = 0;
  for (const group of groups<SignatureTest>(t, file) ?? []) {
    const key = parseSpki(decodeHex(group.publicKeyDer));
    assert.deepEqual(spkiOf(key), decodeHex(group.publicKeyDer));
    for (const one of group.tests) {
      const signature = encoding(decodeHex(one.sig));
      const result = signature === null ? 'invalid' : await verifySignature(key, scheme, signature, decodeHex(one.msg));
      assert.ok(one.result === 'valid' || one.result === 'invalid');
      if (result !== one.result) wrong.push(one.tcId);
      count++;
    }
  }
  assert.deepEqual(wrong, []);
  if (sharedPath('datasets') !== null) assert.ok(count > 100);
}

const CURVES: [Curve, 'sha256' | 'sha384', string][] = [
  ['P-256', 'sha256', 'ecdsa_secp256r1_sha256'],
  ['P-384', 'sha384', 'ecdsa_secp384r1_sha384'],
];
for (const [curve, hash, file] of CURVES) {
  test(`Wycheproof: every valid ECDSA ${curve} signature of fixed width is accepted, every invalid one refused [ATK-36]`, (t) =>
    everySignature(t, `${file}_p1363_test.json`, { kind: 'ecdsa', hash }));

  test(`Wycheproof: every valid ECDSA ${curve} signature in DER is accepted, every invalid one refused [ATK-36]`, (t) =>
    everySignature(t, `${file}_test.json`, { kind: 'ecdsa', hash }, (der) => ecdsaFromDer(der, curve)));
}

test('Wycheproof: every valid RSASSA-PSS signature is accepted, every invalid one refused [ATK-36]', (t) =>
  everySignature(t, 'rsa_pss_2048_sha256_mgf1_32_test.json', { kind: 'rsassa-pss', hash: 'sha256', saltLength: 32 }));

test('Wycheproof: every valid Ed25519 signature under a certificate key is accepted, every invalid one refused [ATK-36]', (t) =>
  everySignature(t, 'ed25519_test.json', { kind: 'ed25519' }));

/** Cases about the `use` or `key_ops` of a JWK: who reads a key set decides which of its keys verify; here a key is one. */
const ABOUT_THE_JWK = [354, 356];
/** The algorithms that no evidence uses are outside of the allow-list: their tokens are refused, the valid ones too. */
const ALLOWED = 'ES256';

test('Wycheproof: of the JWS, those of an allowed algorithm are judged as expected and all others refused [ATK-36] [ATK-37]', async (t) => {
  const found = groups<{ jws: unknown; comment: string }>(t, 'json_web_signature_test.json');
  if (found === null) return;
  const wrong: number[] = [];
  let accepted = 0;
  for (const group of found) {
    const jwk = group.public ?? group.private ?? {};
    const key = jwk.kty === 'EC' ? ecKey(jwk) : null;
    for (const one of group.tests) {
      if (ABOUT_THE_JWK.includes(one.tcId)) continue;
      const allowed = key !== null && jwk.alg === ALLOWED && one.result === 'valid';
      if ((await accepts(one.jws, key)) !== allowed) wrong.push(one.tcId);
      if (allowed) accepted++;
    }
  }
  assert.deepEqual(wrong, []);
  assert.equal(accepted, 2);
});

/** Whether any algorithm of the allow-list accepts the token under `key`, or where there is no such key under another one. */
async function accepts(jws: unknown, key: PublicKey | null): Promise<boolean> {
  if (typeof jws !== 'string') return false;
  const algorithms: JwsAlgorithm[] = ['ES256', 'ES384'];
  try {
    const parsed = parseJws(jws);
    const results = await Promise.all(algorithms.map((each) => verifyJws(parsed, key ?? OTHER_KEY, each)));
    return results.includes('valid');
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

function ecKey(jwk: Record<string, string>): PublicKey | null {
  if (jwk.crv !== 'P-256' || jwk.x === undefined || jwk.y === undefined) return null;
  return { kind: 'ec', curve: 'P-256', x: decodeBase64Url(jwk.x), y: decodeBase64Url(jwk.y) };
}

/** The generator of P-256 (SP 800-186 section 3.2.1.3): anyone knows its private key, 1, and no token is under it. */
const OTHER_KEY: PublicKey = {
  kind: 'ec',
  curve: 'P-256',
  x: decodeHex('6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296'),
  y: decodeHex('4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5'),
};
