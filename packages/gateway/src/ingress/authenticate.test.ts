import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256Hex } from '@cmcp/evidence';
import fc from 'fast-check';
import { GatewayError } from '../errors.ts';
import { createAuthenticator } from './authenticate.ts';

const { authenticate } = createAuthenticator([
  { subject: 'alice', tokenSha256: sha256Hex('s3cret-of-alice') },
  { subject: 'bob', tokenSha256: sha256Hex('s3cret-of-bob') },
]);

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
  const known = createAuthenticator([{ subject: 'carol', tokenSha256: sha256Hex(long) }]);
  assert.equal(known.authenticate(`Bearer ${long}`), null);
});

test('only the exact token is accepted, and no header makes it throw [AUTHZ-14]', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.equal(authenticate(`Bearer ${text}`), text === 's3cret-of-alice' ? 'alice' : null);
    }),
  );
});

test('a digest that is not 32 bytes of hex is refused when the credentials are read', () => {
  for (const tokenSha256 of ['', 'zz', 'ab', `${sha256Hex('x')}00`, sha256Hex('x').toUpperCase()]) {
    assert.throws(
      () => createAuthenticator([{ subject: 'a', tokenSha256 }]),
      (error) => error instanceof GatewayError && error.code === 'CONFIG_INVALID',
    );
  }
});
