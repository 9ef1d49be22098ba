import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { type JsonObject, policyKeyId, successionStatement } from '@cmcp/evidence';
import fc from 'fast-check';
import { keyInForce, mergeStandings, NO_STANDING, readStanding, type Standing, standingText } from './standing.ts';
import { dottedVersion, laterVersion } from './version.ts';

const key = (): string => generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x ?? '';
const names = (from: string, successor: string): JsonObject =>
  successionStatement({ currentKeyId: policyKeyId(from), successor, issuedAt: '2026-06-04T00:00:00Z', reason: 'x' });

const KEYS = [key(), key(), key()] as const;

const version = fc.array(fc.bigInt({ min: 0n, max: 10n ** 20n }), { minLength: 1, maxLength: 5 });
const standing = fc.record({
  activated: fc.option(
    fc.record({
      version: version.map((parts) => parts.join('.')),
      hash: fc.string(),
      pin: fc.option(fc.string()),
    }),
  ),
  revoked: fc.array(fc.string()),
  successions: fc.array(fc.constantFrom(names(KEYS[0], KEYS[1]), names(KEYS[1], KEYS[2]))),
}) as fc.Arbitrary<Standing>;

test('versions are compared number by number, as tuples [D-15]', () => {
  const later: [string, string][] = [
    ['1.10.0', '1.9.0'],
    ['2', '1.99.99'],
    ['1.0.1', '1.0'],
    ['1.0', '1'],
    ['2026.06.02', '2026.6.1'],
    ['18446744073709551617', '18446744073709551616'],
  ];
  const isLater = (a: string, b: string): boolean => laterVersion(dottedVersion(a) ?? [], dottedVersion(b) ?? []);
  for (const [a, b] of later) assert.deepEqual([isLater(a, b), isLater(b, a), isLater(a, a)], [true, false, false], a);
  assert.equal(isLater('1.01', '1.1'), false);
  for (const text of ['', '1.', '.1', '1..2', 'v1', '1.0-beta', '+1', '-1', ' 1', '1\n', '1e3', '0x1', '١'])
    assert.equal(dottedVersion(text), null, text);
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      assert.ok(!laterVersion(a, b) || !laterVersion(b, a));
      if (laterVersion(a, b) && laterVersion(b, c)) assert.ok(laterVersion(a, c));
    }),
  );
});

test('what is stored is read as it was written, and nothing else is read', () => {
  fc.assert(
    fc.property(standing, (given) =>
      assert.deepEqual(readStanding(standingText(given)), {
        ...given,
        activated: given.activated && { ...given.activated },
      }),
    ),
  );
  const good = standingText({ ...NO_STANDING, activated: { version: '1', hash: 'sha256:x', pin: null } });
  for (const text of [
    '',
    '[]',
    'null',
    '{}',
    `${good} `,
    good.replace('"cmcp_standing":1', '"cmcp_standing":2'),
    good.replace('"1"', '"one"'),
    good.replace('"revoked":[]', '"revoked":[1]'),
    good.replace('"successions":[]', '"successions":["x"]'),
    good.replace('"successions":[]', '"successions":[{}]'),
    good.replace('{', '{"also":1,'),
  ])
    assert.equal(readStanding(text), null, text);
  fc.assert(fc.property(fc.string(), (text) => assert.equal(readStanding(text), null)));
});

test('merging revokes what either revoked, and goes back in nothing; successors are the own ones [D-16]', () => {
  fc.assert(
    fc.property(standing, standing, (a, b) => {
      const merged = mergeStandings(a, b);
      for (const id of [...a.revoked, ...b.revoked]) assert.ok(merged.revoked.includes(id));
      assert.deepEqual(merged.successions, a.successions);
      const numbers = ({ activated }: Standing): bigint[] => dottedVersion(activated?.version ?? '') ?? [];
      assert.ok(!laterVersion(numbers(a), numbers(merged)) && !laterVersion(numbers(b), numbers(merged)));
    }),
  );
});

test('the key in force is the first that is not revoked, along the last named successors; keys that name each other end [D-16]', () => {
  const [one, two, three] = KEYS;
  const revoked = (...keys: string[]): string[] => keys.map(policyKeyId);
  const chain = [names(one, three), names(one, two), names(two, three)];
  const cases: [Partial<Standing>, string | null][] = [
    [{ successions: chain }, one],
    [{ successions: chain, revoked: revoked(one) }, two],
    [{ successions: chain, revoked: revoked(one, two) }, three],
    [{ successions: chain, revoked: revoked(two) }, one],
    [{ successions: chain, revoked: revoked(one, two, three) }, null],
    [{ revoked: revoked(one) }, null],
    [{ successions: [names(one, two), names(two, one)], revoked: revoked(one, two) }, null],
  ];
  for (const [said, expected] of cases) assert.equal(keyInForce({ ...NO_STANDING, ...said }, one), expected);
});
