import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { encodeUtf8, FormatError } from '@cmcp/evidence';
import fc from 'fast-check';
import { entry, field } from '../../../../../tests/support/workload-agent.ts';
import { derOf, TrustDomain } from '../../../../../tests/support/workloads.ts';
import { bundleDigest, readBundle, readJwtKeys } from './bundle.ts';
import { isAbout, parseSpiffeId, patternDomain } from './id.ts';
import { readFields } from './protobuf.ts';
import { readJwtBundles, readX509Bundles } from './workload-messages.ts';

const DOMAIN = new TrustDomain('example.org');
const WANTED = new Set(['example.org']);
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const X5C = { use: 'x509-svid', kty: 'EC', x5c: [derOf(DOMAIN.root.cert).toString('base64')] };
const JSON_BUNDLE = JSON.stringify({ keys: [X5C, { ...EC, use: 'jwt-svid', kid: 'a' }] });
const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);
const bundle = (keys: unknown[]) => readBundle(encodeUtf8(JSON.stringify({ keys })));

/** What a parser says of bytes: anything else than a refusal of its own kind fails the test. */
function outcome(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    assert.ok(error instanceof FormatError, String(error));
    return false;
  }
}

/** Genuine bytes with a few that were replaced, or cut. */
const damaged = (genuine: Uint8Array): fc.Arbitrary<Uint8Array<ArrayBuffer>> =>
  fc
    .tuple(
      fc.array(fc.tuple(fc.nat(genuine.length - 1), fc.nat(255)), { maxLength: 4 }),
      fc.integer({ min: 0, max: genuine.length }),
    )
    .map(([edits, length]) => {
      const bytes = own(genuine);
      for (const [at, octet] of edits) bytes[at] = octet;
      return bytes.subarray(0, length);
    });

test('a SPIFFE ID has one spelling, and whatever else is refused [AUTHZ-12]', () => {
  assert.deepEqual(parseSpiffeId('spiffe://example.org/a/B-1_.x'), {
    text: 'spiffe://example.org/a/B-1_.x',
    trustDomain: 'example.org',
    path: '/a/B-1_.x',
  });
  assert.equal(parseSpiffeId('spiffe://example.org')?.path, '');
  assert.ok(parseSpiffeId(`spiffe://example.org/${'a'.repeat(2048 - 21)}`));
  const refused = [
    '',
    'spiffe://',
    'spiffe:///a',
    'Spiffe://example.org/a',
    'https://example.org/a',
    'spiffe://Example.org/a',
    'spiffe://example.org:1/a',
    'spiffe://u@example.org/a',
    'spiffe://example.org/',
    'spiffe://example.org//a',
    'spiffe://example.org/a/',
    'spiffe://example.org/./a',
    'spiffe://example.org/a/..',
    'spiffe://example.org/a?b',
    'spiffe://example.org/a#b',
    'spiffe://example.org/a%62',
    'spiffe://example.org/a\n',
    'spiffe://example.org/ä',
    `spiffe://${'a'.repeat(256)}/a`,
    `spiffe://example.org/${'a'.repeat(2048 - 20)}`,
  ];
  for (const text of refused) assert.equal(parseSpiffeId(text), null, text);
  const near = fc.stringMatching(/^spiffe:\/\/[a-z.:@]{0,6}[/a-zA-Z.%?#*-]{0,12}$/);
  fc.assert(
    fc.property(fc.oneof(near, fc.string()), (text) => {
      const id = parseSpiffeId(text);
      if (id !== null) assert.equal(`spiffe://${id.trustDomain}${id.path}`, text);
    }),
    { numRuns: 100 },
  );
});

test('a pattern is one ID, or what is below a path by whole segments [AUTHZ-12]', () => {
  const id = parseSpiffeId('spiffe://example.org/agents/research');
  assert.ok(id !== null);
  for (const pattern of ['agents/research', 'agents/*', '*'])
    assert.ok(isAbout(`spiffe://example.org/${pattern}`, id), pattern);
  for (const pattern of ['agents', 'agents/res', 'agents/research/*', 'agent/*'])
    assert.ok(!isAbout(`spiffe://example.org/${pattern}`, id), pattern);
  assert.equal(patternDomain('spiffe://example.org/*'), 'example.org');
  for (const none of [
    'spiffe://example.org',
    'spiffe://example.org/a*',
    'spiffe://*/a',
    'spiffe://*',
    '*',
    'spiffe://example.org/*/a',
  ])
    assert.equal(patternDomain(none), null, none);
});

test('a bundle holds the keys of its uses, and nothing that could stand for another [AUTHZ-12]', () => {
  const whole = readBundle(encodeUtf8(JSON_BUNDLE));
  assert.deepEqual([whole.authorities.length, [...(whole.jwtKeys?.keys() ?? [])]], [1, ['a']]);
  assert.equal(bundleDigest(whole), bundleDigest(readBundle(encodeUtf8(`\n${JSON_BUNDLE}`))));
  const two = (first: TrustDomain, second: TrustDomain): string =>
    bundleDigest(readBundle(encodeUtf8(first.root.cert + second.root.cert)));
  const other = new TrustDomain('partner.example');
  assert.equal(two(DOMAIN, other), two(other, DOMAIN));
  assert.notEqual(bundleDigest(whole), bundleDigest(readBundle(encodeUtf8(DOMAIN.root.cert))));
  const ignored = [
    { ...EC, kid: 'b' },
    { ...EC, use: 'sig', kid: 'c' },
    { ...EC, use: 'jwt-svid' },
    { kty: 'oct', k: 'AA', use: 'jwt-svid', kid: 'd' },
  ];
  assert.equal(bundle(ignored).jwtKeys?.size, 0);
  assert.deepEqual([...readJwtKeys(encodeUtf8(JSON.stringify({ keys: ignored }))).keys()], ['b']);
  const twice = { ...EC, use: 'jwt-svid', kid: 'a' };
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
  const refused = [
    [twice, twice],
    [{ ...twice, x: 'AAAA' }],
    [{ ...twice, crv: 'secp256k1' }],
    [{ ...small, use: 'jwt-svid', kid: 'small' }],
    [{ ...twice, kid: 'k'.repeat(257) }],
    [{ ...X5C, x5c: [7] }],
    [{ ...X5C, x5c: ['AAAA'] }],
    [{ ...X5C, x5c: [derOf(DOMAIN.svid('/a').cert.split('-----END')[0] ?? '').toString('base64')] }],
    ['key'],
    Array.from({ length: 101 }, () => X5C),
  ];
  for (const [index, keys] of refused.entries()) assert.ok(!outcome(() => bundle(keys)), `case ${index}`);
});

test('whatever a bundle file or the agent says, the answer is bundles or a refusal [AUTHZ-12]', () => {
  const x509 = entry(2, 'spiffe://example.org', derOf(DOMAIN.root.cert));
  const jwt = entry(1, 'spiffe://example.org', JSON_BUNDLE);
  assert.equal(readX509Bundles(own(x509), WANTED).get('example.org')?.length, 1);
  assert.equal(readJwtBundles(own(jwt), WANTED).get('example.org')?.size, 1);
  fc.assert(
    fc.property(damaged(x509), damaged(jwt), damaged(Buffer.from(JSON_BUNDLE)), fc.uint8Array(), (a, b, c, noise) => {
      for (const bytes of [a, own(noise)]) outcome(() => readX509Bundles(bytes, WANTED));
      for (const bytes of [b, own(noise)]) outcome(() => readJwtBundles(bytes, WANTED));
      for (const bytes of [c, own(noise)]) outcome(() => readBundle(bytes));
    }),
    { numRuns: 100 },
  );
});

test('fields that are not known are passed over, and what is no message is refused', () => {
  const unknown = [
    Buffer.from([0x38, 0xff, 0xff, 0x01]),
    Buffer.from([0x39, ...Buffer.alloc(8)]),
    Buffer.from([0x3d, 0, 0, 0, 0]),
  ];
  const fields = readFields(own(Buffer.concat([...unknown, field(9, 'x'), field(20_000, 'y')])), 'message');
  assert.deepEqual(
    fields.map(({ number, bytes }) => [number, bytes === null ? null : String.fromCharCode(...bytes)]),
    [
      [7, null],
      [7, null],
      [7, null],
      [9, 'x'],
      [20_000, 'y'],
    ],
  );
  const refused = [
    [0x0a],
    [0x0a, 2, 1],
    [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
    [0x02, 0],
    [0x0b],
    [0x0f],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    Array.from({ length: 20_002 }, (_, index) => (index % 2 === 0 ? 0x08 : 1)),
  ];
  for (const octets of refused)
    assert.ok(!outcome(() => readFields(Uint8Array.from(octets), 'message')), octets.slice(0, 12).join());
});
