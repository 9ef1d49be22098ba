import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256Hex } from '@cmcp/evidence';
import fc from 'fast-check';
import { GatewayError } from '../errors.ts';
import { TokenDigests } from './token-digests.ts';

const digests = new TokenDigests([
  { holder: 'alice', sha256: sha256Hex('s3cret-of-alice') },
  { holder: 'bob', sha256: sha256Hex('s3cret-of-bob') },
]);
const authenticate = (header: string | undefined): string | null => digests.holderOf(header);

test('a bearer token names its subject, whatever the case of the scheme [AISVS-10.2.1]', () => {
  assert.equal(authenticate('Bearer s3cret-of-alice'), 'alice');
  assert.equal(authenticate('bearer  s3cret-of-bob'), 'bob');
});

test('a header that is absent, malformed, oversize or not ASCII names nobody [AUTHZ-14] [D-52]', () => {
  const token = 's3cret-of-alice';
  const bad = [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    token,
    `Basic ${token}`,
    `Bearer ${token} `,
    `Bearer ${token},${token}`,
  ];
  bad.push(
    `Bearer ${token}\u00e9`,
    `Bearer\t${token}`,
    ` Bearer ${token}`,
    `Bearer ${token}\u0000`,
    `Bearer ${'a'.repeat(5000)}`,
  );
  for (const header of bad) assert.equal(authenticate(header), null, JSON.stringify(header));
});

test('a token longer than a header may be is refused even when it is known [AUTHZ-14]', () => {
  const long = 'x'.repeat(5000);
  const known = new TokenDigests([{ holder: 'carol', sha256: sha256Hex(long) }]);
  assert.equal(known.holderOf(`Bearer ${long}`), null);
});

test('only the exact token is accepted, and no header makes it throw [AUTHZ-14]', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.equal(authenticate(`Bearer ${text}`), text === 's3cret-of-alice' ? 'alice' : null);
    }),
  );
});

test('a digest that is not 32 bytes of hex is refused when the credentials are read', () => {
  for (const sha256 of ['', 'zz', 'ab', `${sha256Hex('x')}00`, sha256Hex('x').toUpperCase()]) {
    assert.throws(
      () => new TokenDigests([{ holder: 'a', sha256 }]),
      (error) => error instanceof GatewayError && error.code === 'CONFIG_INVALID',
    );
  }
});
