import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBase64Url } from '../bytes/base64url.ts';
import { jwkThumbprint } from '../claim/key.ts';
import { FormatError } from '../format-error.ts';
import { newKey } from '../testing/session.ts';
import { altered } from '../testing/signed.ts';
import { readQuorum } from './quorum-file.ts';

const { x } = await newKey();
const QUORUM = { threshold: 1, reviewers: [{ key: x, principal: 'ada' }] };

test('a quorum that says little means what the configuration would mean by it', () => {
  assert.deepEqual(readQuorum(JSON.stringify(QUORUM)), {
    policyId: 'default',
    threshold: 1,
    distinctPrincipals: true,
    distinctRoles: false,
    reviewers: [{ keyId: encodeBase64Url(jwkThumbprint(x)), key: x, principal: 'ada', issuer: 'local', role: null }],
    revoked: [],
    catalogId: 'catalog',
    bundleId: 'policy',
  });
});

test('every member of a quorum is read', () => {
  const reviewer = { key: x, principal: 'ada', issuer: 'acme', role: 'lead', key_id: 'k' };
  const names = { policy_id: 'p', catalog_id: 'c', bundle_id: 'b' };
  const rules = { distinct_principals: false, distinct_roles: true, revoked: ['old'] };
  assert.deepEqual(readQuorum(JSON.stringify({ threshold: 1, reviewers: [reviewer], ...names, ...rules })), {
    policyId: 'p',
    threshold: 1,
    distinctPrincipals: false,
    distinctRoles: true,
    reviewers: [{ keyId: 'k', key: x, principal: 'ada', issuer: 'acme', role: 'lead' }],
    revoked: ['old'],
    catalogId: 'c',
    bundleId: 'b',
  });
});

test('a quorum with anything else in it is refused, and so is a key that is none', () => {
  for (const [path, value] of [
    ['extra', 1],
    ['threshold', 0],
    ['threshold', undefined],
    ['reviewers', {}],
    ['reviewers.0.extra', 1],
    ['reviewers.0.key', 'AAAA'],
    ['distinct_roles', 'yes'],
  ] as const)
    assert.throws(() => readQuorum(JSON.stringify(altered(QUORUM, path, value))), FormatError, path);
});

test('whatever a file holds, reading it ends in a quorum or in a FormatError', () => {
  fc.assert(
    fc.property(fc.constantFrom('threshold', 'reviewers', 'revoked', 'policy_id'), fc.jsonValue(), (name, value) => {
      try {
        readQuorum(JSON.stringify({ ...QUORUM, [name]: value }));
      } catch (error) {
        assert.ok(error instanceof FormatError);
      }
    }),
  );
});
