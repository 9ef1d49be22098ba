import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBase64Url } from '../bytes/base64url.ts';
import { decodeUtf8, encodeUtf8 } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';
import { newKeyPair, type TestKeyPair } from '../testing/pki.ts';
import { parseJws, verifyJws } from './jws.ts';
import { parseSpki } from './key.ts';

const part = (value: unknown): string => encodeBase64Url(encodeUtf8(JSON.stringify(value)));

async function token(keys: TestKeyPair, header: object, payload: object = { a: 1 }): Promise<string> {
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${encodeBase64Url(await keys.sign(new Uint8Array(encodeUtf8(signed))))}`;
}

test('a token is valid under the key and the algorithm that the caller expects, and under no others [ATK-37]', async () => {
  const [p384, p256, rsa] = await Promise.all([newKeyPair('p384'), newKeyPair('p256'), newKeyPair('rsa2048-pkcs1')]);
  const [key, other] = [parseSpki(p384.spki), parseSpki((await newKeyPair('p384')).spki)];
  const jws = parseJws(await token(p384, { alg: 'ES384', kid: 'one' }));
  assert.equal(jws.kid, 'one');
  assert.equal(decodeUtf8(jws.payload), '{"a":1}');
  assert.equal(await verifyJws(jws, key, 'ES384'), 'valid');
  assert.equal(await verifyJws(jws, other, 'ES384'), 'invalid');
  assert.equal(await verifyJws(jws, key, 'ES256'), 'invalid');
  assert.equal(await verifyJws(jws, parseSpki(p256.spki), 'ES256'), 'invalid');
  assert.equal(await verifyJws(jws, parseSpki(rsa.spki), 'ES384'), 'invalid');
  const swapped = `${part({ alg: 'ES384' })}.${part({})}`;
  const bytes = new Uint8Array(encodeUtf8(swapped));
  const curve256 = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-384' }, p256.privateKey, bytes);
  const confused = parseJws(`${swapped}.${encodeBase64Url(new Uint8Array(curve256))}`);
  assert.equal(await verifyJws(confused, parseSpki(p256.spki), 'ES384'), 'invalid');
  const es256 = parseJws(await token(p256, { alg: 'ES256' }));
  assert.equal(es256.kid, null);
  assert.equal(await verifyJws(es256, parseSpki(p256.spki), 'ES256'), 'valid');
});

test('a token whose header names another algorithm, or none, is invalid although its signature fits [ATK-37]', async () => {
  const keys = await newKeyPair('p384');
  for (const header of [
    { alg: 'none' },
    { alg: 'HS384' },
    { alg: 'ES256' },
    { alg: 'es384' },
    { alg: ['ES384'] },
    {},
  ]) {
    assert.equal(await verifyJws(parseJws(await token(keys, header)), parseSpki(keys.spki), 'ES384'), 'invalid');
  }
});

test('every bit of a token is covered', async () => {
  const keys = await newKeyPair('p384');
  const text = await token(keys, { alg: 'ES384' });
  const key = parseSpki(keys.spki);
  const bytes = encodeUtf8(text);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Uint8Array.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const read = attempt(String.fromCharCode(...flipped));
    assert.ok(read === null || (await verifyJws(read, key, 'ES384')) !== 'valid', `bit ${bit}`);
  }
  assert.equal(await verifyJws(parseJws(text), key, 'ES384'), 'valid');
});

function attempt(text: string): ReturnType<typeof parseJws> | null {
  try {
    return parseJws(text);
  } catch (error) {
    assert.ok(error instanceof FormatError);
    return null;
  }
}

test('a header that brings its own key or changes what is signed is not read [ATK-37]', async () => {
  const keys = await newKeyPair('p384');
  for (const name of ['jwk', 'jku', 'x5u', 'b64', 'crit']) {
    const text = await token(keys, { alg: 'ES384', [name]: null });
    assert.throws(
      () => parseJws(text),
      (error: Error) => error instanceof FormatError && error.message.includes(name),
    );
  }
});

test('a token that is not three parts of strict base64url with an object in front is not read [ATK-36]', async () => {
  const good = await token(await newKeyPair('p384'), { alg: 'ES384' });
  const [header = '', payload = '', signature = ''] = good.split('.');
  for (const text of [
    '',
    '..',
    'a.b',
    `${header}.${payload}`,
    `${good}.`,
    `${good}.${signature}`,
    `${header}=.${payload}.${signature}`,
    `${header}.${payload} .${signature}`,
    `${header}.${payload}.${signature}\n`,
    `${header}.${payload}.+${signature}`,
    `${header}.${payload}.${signature}A`,
    `${part([])}.${payload}.${signature}`,
    `${part('x')}.${payload}.${signature}`,
    `${part({ kid: 7 })}.${payload}.${signature}`,
    `${encodeBase64Url(encodeUtf8('{"alg":"ES384","alg":"ES384"}'))}.${payload}.${signature}`,
    `${encodeBase64Url(encodeUtf8('{'))}.${payload}.${signature}`,
    `${encodeBase64Url(encodeUtf8('['.repeat(1000)))}.${payload}.${signature}`,
  ]) {
    assert.throws(() => parseJws(text), FormatError, text);
  }
});

test('any text is a token or a FormatError', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => void attempt(text)));
  const piece = fc.oneof(
    fc.base64String(),
    fc.json().map((json) => encodeBase64Url(encodeUtf8(json))),
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => void attempt(pieces.join('.'))));
});
