import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeHex } from '../bytes/hex.ts';
import { FormatError } from '../format-error.ts';
import { newKeyPair } from '../testing/pki.ts';
import { readDer, TAG, writeDer } from './der.ts';
import { type PublicKey, parseSpki, rsaKey, samePublicKey, spkiOf } from './key.ts';
import { ecdsaFromDer, p1363, type Scheme, verifySignature } from './signature.ts';

const MESSAGE = new TextEncoder().encode('what is signed');
const RSA = decodeHex('06092a864886f70d010101');
const EC = decodeHex('06072a8648ce3d0201');
const P256 = decodeHex('06082a8648ce3d030107');
const NULL = Uint8Array.of(5, 0);
const F4 = writeDer(TAG.integer, Uint8Array.of(1, 0, 1));

function spki(algorithm: Uint8Array[], bits: Uint8Array): Uint8Array<ArrayBuffer> {
  const zero = Uint8Array.of(0);
  return writeDer(TAG.sequence, writeDer(TAG.sequence, ...algorithm), writeDer(TAG.bitString, zero, bits));
}

function modulus(bytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes).fill(0xff);
}

function rsaSpki(n: Uint8Array, e: Uint8Array = F4, parameters: Uint8Array[] = [NULL]): Uint8Array<ArrayBuffer> {
  const numbers = writeDer(TAG.sequence, writeDer(TAG.integer, Uint8Array.of(0), n), e);
  return spki([RSA, ...parameters], numbers);
}

function refused(read: () => unknown, why: RegExp): void {
  assert.throws(read, (error: Error) => error instanceof FormatError && why.test(error.message));
}

test('keys of every accepted kind are read and written back', async () => {
  for (const kind of ['p256', 'p384', 'rsa2048-pkcs1'] as const) {
    const { spki: der } = await newKeyPair(kind);
    assert.deepEqual(spkiOf(parseSpki(der)), der);
  }
  const ed25519 = decodeHex(`302a300506032b6570032100${'11'.repeat(32)}`);
  assert.deepEqual(spkiOf(parseSpki(ed25519)), ed25519);
  const point = Uint8Array.of(4, ...new Uint8Array(2 * 66));
  const p521 = spki([EC, decodeHex('06052b81040023')], point);
  assert.deepEqual(spkiOf(parseSpki(p521)), p521);
});

test('RSA keys below 2048 or above 8192 bits, even moduli and other exponents than 65537 are refused', async () => {
  const short = await newKeyPair('rsa1024-pkcs1');
  refused(() => parseSpki(short.spki), /modulus of 1024 bits is not accepted/);
  assert.equal((parseSpki(rsaSpki(modulus(256))) as PublicKey & { kind: 'rsa' }).bits, 2048);
  const justShort = Uint8Array.of(0x7f, ...modulus(255));
  refused(() => parseSpki(writeDer(TAG.sequence, ...parts(rsaSpki(justShort)))), /padded/);
  refused(() => rsaKey(justShort, Uint8Array.of(1, 0, 1)), /modulus of 2047 bits/);
  refused(() => parseSpki(rsaSpki(modulus(1025))), /modulus of 8200 bits/);
  refused(() => rsaKey(Uint8Array.of(0, ...modulus(256)), Uint8Array.of(1, 0, 1)), /modulus/);
  const even = modulus(256);
  even[255] = 0xfe;
  refused(() => parseSpki(rsaSpki(even)), /modulus/);
  for (const e of ['020103', '020101', '02050100000001', '0203010003']) {
    refused(() => parseSpki(rsaSpki(modulus(256), decodeHex(e))), /exponent/);
  }
});

function parts(der: Uint8Array<ArrayBuffer>): Uint8Array[] {
  return readDer(der, 'test')
    .children()
    .map((each) => each.bytes);
}

test('a key whose parameters or encoding are not exactly those of its kind is refused', () => {
  const point = Uint8Array.of(4, ...new Uint8Array(64));
  refused(() => parseSpki(rsaSpki(modulus(256), F4, [])), /has parameters/);
  refused(() => parseSpki(rsaSpki(modulus(256), F4, [P256])), /has parameters/);
  refused(() => parseSpki(spki([RSA, NULL], writeDer(TAG.sequence, F4))), /modulus and exponent/);
  refused(() => parseSpki(spki([RSA, NULL], writeDer(TAG.sequence, F4, F4, F4))), /modulus and exponent/);
  refused(() => parseSpki(spki([EC], point)), /curve that is not named/);
  refused(() => parseSpki(spki([EC, decodeHex('06052b8104000a')], point)), /curve 1\.3\.132\.0\.10 is not accepted/);
  refused(() => parseSpki(spki([EC, P256], point.subarray(0, 64))), /not an uncompressed point/);
  refused(() => parseSpki(spki([EC, P256], Uint8Array.of(2, ...new Uint8Array(32)))), /not an uncompressed point/);
  refused(() => parseSpki(spki([EC, P256], Uint8Array.of(6, ...new Uint8Array(64)))), /not an uncompressed point/);
  refused(() => parseSpki(spki([EC, P256, NULL], point)), /has not the parts/);
  refused(() => parseSpki(spki([decodeHex('06032b6570'), NULL], new Uint8Array(32))), /Ed25519/);
  refused(() => parseSpki(spki([decodeHex('06032b6570')], new Uint8Array(31))), /Ed25519/);
  refused(() => parseSpki(spki([decodeHex('06032b6571')], new Uint8Array(57))), /1\.3\.101\.113 are not accepted/);
  refused(() => parseSpki(writeDer(TAG.sequence)), /has not the parts/);
});

test('two keys are the same only when all of them is', async () => {
  const [a, b] = await Promise.all([newKeyPair('p256'), newKeyPair('p256')]);
  assert.ok(samePublicKey(parseSpki(a.spki), parseSpki(a.spki)));
  assert.ok(!samePublicKey(parseSpki(a.spki), parseSpki(b.spki)));
});

const SCHEMES: Scheme[] = [
  { kind: 'ecdsa', hash: 'sha256' },
  { kind: 'ecdsa', hash: 'sha384' },
  { kind: 'rsassa-pkcs1', hash: 'sha256' },
  { kind: 'rsassa-pss', hash: 'sha384', saltLength: 48 },
  { kind: 'ed25519' },
];

test('a signature is valid under its own key and scheme and under no other [ATK-37]', async () => {
  const own: Record<string, Scheme | undefined> = {
    p256: SCHEMES[0],
    p384: SCHEMES[1],
    'rsa2048-pkcs1': SCHEMES[2],
    'rsa2048-pss': SCHEMES[3],
  };
  for (const kind of ['p256', 'p384', 'rsa2048-pkcs1', 'rsa2048-pss'] as const) {
    const [keys, others] = await Promise.all([newKeyPair(kind), newKeyPair(kind)]);
    const signature = await keys.sign(MESSAGE);
    for (const scheme of SCHEMES) {
      const expected = scheme === own[kind] ? 'valid' : 'invalid';
      assert.equal(await verifySignature(parseSpki(keys.spki), scheme, signature, MESSAGE), expected);
      assert.equal(await verifySignature(parseSpki(others.spki), scheme, signature, MESSAGE), 'invalid');
      assert.equal(await verifySignature(parseSpki(keys.spki), scheme, signature, MESSAGE.subarray(1)), 'invalid');
    }
  }
});

test('a key that is no point of its curve, or no key at all, signs nothing and throws nothing', async () => {
  const { spki: der, sign } = await newKeyPair('p256');
  const signature = await sign(MESSAGE);
  const key = parseSpki(der);
  assert.ok(key.kind === 'ec');
  const zeros = new Uint8Array(32);
  const ones = new Uint8Array(32).fill(0xff);
  const off = Uint8Array.from(key.y);
  off[31] = (off[31] ?? 0) ^ 1;
  for (const wrong of [{ y: off }, { x: zeros, y: zeros }, { x: ones, y: ones }, { x: key.y, y: key.x }]) {
    assert.equal(
      await verifySignature({ ...key, ...wrong }, { kind: 'ecdsa', hash: 'sha256' }, signature, MESSAGE),
      'invalid',
    );
  }
  const identity: PublicKey = { kind: 'ed25519', raw: Uint8Array.of(1, ...new Uint8Array(31)) };
  const fits = Uint8Array.of(1, ...new Uint8Array(63));
  assert.equal(
    await verifySignature(identity, { kind: 'ed25519' }, fits, MESSAGE),
    'invalid',
    'a key of small order [ATK-38]',
  );
});

test('an ECDSA signature with r or s outside of 1 to the order less 1, or of another width, is invalid [ATK-36]', async () => {
  const { spki: der, sign } = await newKeyPair('p256');
  const key = parseSpki(der);
  const signature = await sign(MESSAGE);
  const [r, s] = [signature.slice(0, 32), signature.slice(32)];
  const zero = new Uint8Array(32);
  const order = decodeHex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
  const check = (...halves: Uint8Array[]) =>
    verifySignature(
      key,
      { kind: 'ecdsa', hash: 'sha256' },
      Uint8Array.from(halves.flatMap((half) => [...half])),
      MESSAGE,
    );
  assert.equal(await check(r, s), 'valid');
  for (const halves of [[zero, s], [r, zero], [zero, zero], [order, s], [r, order], [r], [r, s, zero], []]) {
    assert.equal(await check(...halves), 'invalid');
  }
});

test('what no engine should accept is refused before an engine is asked [ATK-36] [ATK-37]', async () => {
  const [ec, rsa] = await Promise.all([newKeyPair('p256'), newKeyPair('rsa2048-pkcs1')]);
  const [ecKey, rsaKey] = [parseSpki(ec.spki), parseSpki(rsa.spki)];
  const ed25519: PublicKey = { kind: 'ed25519', raw: Uint8Array.of(3, ...new Uint8Array(31)) };
  const half = (fill: number) => new Uint8Array(32).fill(fill);
  const { verify } = crypto.subtle;
  crypto.subtle.verify = () => Promise.resolve(true);
  try {
    for (const [key, scheme, signature, expected] of [
      [ecKey, SCHEMES[0], Uint8Array.of(...half(1), ...half(1)), 'valid'],
      [ecKey, SCHEMES[0], Uint8Array.of(...half(0), ...half(1)), 'invalid'],
      [ecKey, SCHEMES[0], Uint8Array.of(...half(1), ...half(0)), 'invalid'],
      [ecKey, SCHEMES[0], Uint8Array.of(...half(255), ...half(1)), 'invalid'],
      [ecKey, SCHEMES[0], Uint8Array.of(...half(1), ...half(255)), 'invalid'],
      [ecKey, SCHEMES[0], Uint8Array.of(...half(1), ...half(1), 1), 'invalid'],
      [ecKey, SCHEMES[0], Uint8Array.of(...half(1), ...half(1).subarray(1)), 'invalid'],
      [ecKey, SCHEMES[2], Uint8Array.of(...half(1), ...half(1)), 'invalid'],
      [rsaKey, SCHEMES[2], new Uint8Array(256), 'valid'],
      [rsaKey, SCHEMES[2], new Uint8Array(255), 'invalid'],
      [rsaKey, SCHEMES[0], new Uint8Array(256), 'invalid'],
      [ed25519, SCHEMES[4], new Uint8Array(64), 'valid'],
      [ed25519, SCHEMES[0], new Uint8Array(64), 'invalid'],
    ] as const) {
      assert.ok(scheme !== undefined);
      assert.equal(await verifySignature(key, scheme, signature, MESSAGE), expected);
    }
  } finally {
    crypto.subtle.verify = verify;
  }
});

test('an ECDSA signature in DER has one form [ATK-36]', async () => {
  const numbers = (r: string, s: string) => ecdsaFromDer(writeDer(0x30, decodeHex(r), decodeHex(s)), 'P-256');
  assert.deepEqual(numbers('020105', '020107'), p1363(Uint8Array.of(5), Uint8Array.of(7), 'P-256'));
  assert.equal(numbers('02020005', '020107'), null, 'padded');
  assert.equal(numbers('020185', '020107'), null, 'negative');
  assert.equal(numbers('020105', ''), null, 'one number');
  assert.equal(numbers('020105', '020107020107'), null, 'three numbers');
  assert.equal(numbers(`0221${'7f'.repeat(33)}`, '020107'), null, 'too wide');
  assert.equal(ecdsaFromDer(decodeHex('300602010502010700'), 'P-256'), null, 'followed by something');
  assert.equal(ecdsaFromDer(new Uint8Array(), 'P-256'), null);
});

test('an RSA signature is as long as the modulus, and engines without an algorithm check nothing', async () => {
  const { spki: der, sign } = await newKeyPair('rsa2048-pkcs1');
  const key = parseSpki(der);
  const signature = await sign(MESSAGE);
  const scheme = { kind: 'rsassa-pkcs1', hash: 'sha256' } as const;
  assert.equal(await verifySignature(key, scheme, Uint8Array.of(0, ...signature), MESSAGE), 'invalid');
  assert.equal(await verifySignature(key, scheme, signature.slice(1), MESSAGE), 'invalid');
  const real = Object.getOwnPropertyDescriptor(globalThis, 'crypto') ?? {};
  try {
    Object.defineProperty(globalThis, 'crypto', { configurable: true, value: undefined });
    assert.equal(await verifySignature(key, scheme, signature, MESSAGE), 'unsupported');
  } finally {
    Object.defineProperty(globalThis, 'crypto', real);
  }
  assert.equal(await verifySignature(key, scheme, signature, MESSAGE), 'valid');
});
