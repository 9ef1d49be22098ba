import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FormatError, readExpectations } from '../index.ts';
import { newKey } from '../testing/session.ts';
import { makeTpm } from '../testing/tpm.ts';

const SHA256 = `sha256:${'5a'.repeat(32)}`;
const read = (members: object) => readExpectations(JSON.stringify({ cmcp_expect: 1, ...members }));
const refused = (members: object, message: RegExp): void => {
  assert.throws(
    () => read(members),
    (error) => error instanceof FormatError && message.test(error.message),
  );
};

test('a file of expectations says all that a client may expect of a gateway', async () => {
  const [{ x }, tpm] = await Promise.all([newKey(), makeTpm()]);
  const expectations = read({
    measurement: `sha384:${'5a'.repeat(48)}`,
    gateway_measurement: SHA256,
    policy_hash: SHA256,
    catalog_hash: SHA256,
    modes: ['enforcing', 'advisory', 'silent'],
    roots: [tpm.rootCertificate.pem],
    keys: [x],
    accept: ['software', 'software-tpm', 'operator-root', 'any-policy', 'any-catalog', 'no-tls'],
    evidence_policy: { tpm: { pcrs: { sha256: { '13': ['5a'.repeat(32)] } } } },
    max_age_seconds: 60,
  });
  const { anchors, ...rest } = expectations;
  assert.deepEqual(rest, {
    measurement: `sha384:${'5a'.repeat(48)}`,
    gatewayMeasurement: SHA256,
    policyHash: SHA256,
    catalogHash: SHA256,
    allowModes: ['advisory', 'silent'],
    keys: [{ x, source: 'expectations.keys[0]' }],
    acceptSoftware: true,
    acceptSoftwareTpm: true,
    acceptOperatorRoot: true,
    unpinnedPolicy: true,
    unpinnedCatalog: true,
    acceptNoTls: true,
    evidencePolicy: { tpm: { pcrs: { sha256: { '13': ['5a'.repeat(32)] } } } },
    maxAgeSeconds: 60,
  });
  assert.deepEqual(
    anchors?.map(({ fingerprint, source }) => [fingerprint, source]),
    [[tpm.root.fingerprint, 'operator']],
  );
});

test('an empty file expects nothing and accepts nothing', () => {
  assert.deepEqual(read({}), { keys: [], anchors: [], allowModes: [] });
});

test('what cannot be kept is refused by name', () => {
  refused({ cmcp_expect: 2 }, /cmcp_expect/);
  refused({ policy: SHA256 }, /a member that is not allowed: "policy"/);
  refused({ policy_hash: '5a'.repeat(32) }, /policy_hash/);
  refused({ measurement: 'sha512:00' }, /measurement/);
  refused({ modes: ['advisory'] }, /modes lacks enforcing/);
  refused({ modes: ['silent'] }, /modes lacks enforcing/);
  refused({ modes: ['declared'] }, /modes\[0\]/);
  refused({ accept: ['anything'] }, /accept\[0\]/);
  refused({ keys: ['A'.repeat(43)] }, /keys\[0\] is not a valid Ed25519/);
  refused({ keys: ['x'] }, /keys\[0\]/);
  refused({ roots: ['root.pem'] }, /roots\[0\]/);
  refused({ roots: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'] }, /.+/);
  refused({ evidence_policy: { tpn: {} } }, /evidence_policy has a member that is not allowed/);
  refused({ max_age_seconds: 0 }, /max_age_seconds/);
  assert.throws(() => readExpectations('{}'), FormatError);
  assert.throws(() => readExpectations('{"cmcp_expect":1,"cmcp_expect":1}'), FormatError);
  fc.assert(
    fc.property(fc.json({ maxDepth: 3 }), fc.string({ maxLength: 60 }), (json, text) => {
      for (const input of [json, text]) assert.throws(() => readExpectations(input), FormatError);
    }),
    { numRuns: 200 },
  );
});
