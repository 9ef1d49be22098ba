import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { parseSpki, samePublicKey } from '../crypto/key.ts';
import { FormatError } from '../format-error.ts';
import { readRevocationKey } from './key-file.ts';

const read = (text: string) => readRevocationKey(encodeUtf8(text), 'keys/revoker');
const ed = generateKeyPairSync('ed25519').publicKey;
const pem = (key: KeyObject): string => String(key.export({ type: 'spki', format: 'pem' }));
const der = (key: KeyObject) => new Uint8Array(key.export({ type: 'spki', format: 'der' }));

test('an Ed25519 key is read as a JWK, as its x alone and as PEM', () => {
  const jwk = ed.export({ format: 'jwk' });
  for (const text of [JSON.stringify(jwk), `${jwk.x}\n`, pem(ed)]) {
    const { key, source } = read(text);
    assert.ok(samePublicKey(key, parseSpki(der(ed))), text);
    assert.equal(source, 'keys/revoker');
  }
});

test('a key on P-256 or P-384 is read as PEM', () => {
  for (const namedCurve of ['P-256', 'P-384']) {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve });
    assert.ok(samePublicKey(read(pem(publicKey)).key, parseSpki(der(publicKey))), namedCurve);
  }
});

test('what holds no public key, or more than one, is refused by the name of the file', () => {
  const secret = String(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const jwk = ed.export({ format: 'jwk' });
  const wrong: [string, RegExp][] = [
    [pem(ed) + pem(ed), /keys\/revoker does not hold one public key$/],
    [secret, /keys\/revoker does not hold one public key$/],
    ['-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n', /./],
    ['-----BEGIN', /./],
    ['', /keys\/revoker holds no public key: expected a JWK, its x, or PEM$/],
    ['a key', /holds no public key/],
    ['{}', /holds no public key/],
    [JSON.stringify({ ...jwk, crv: 'X25519' }), /holds no public key/],
    [JSON.stringify({ ...jwk, x: 'AA' }), /holds no public key/],
    [`AQ${'A'.repeat(41)}`, /holds no public key/],
  ];
  for (const [text, said] of wrong) {
    assert.throws(() => read(text), FormatError, text);
    assert.throws(() => read(text), said, text);
  }
  assert.throws(() => readRevocationKey(Uint8Array.of(0xff, 0xfe), 'noise'), new FormatError('noise is not text'));
});
