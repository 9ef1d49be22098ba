import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUtf8 } from '@cmcp/evidence';
import fc from 'fast-check';
import { certificate } from '../../../../../tests/support/certificate.ts';
import { derOf, GOOD, TrustDomain } from '../../../../../tests/support/workloads.ts';
import { systemClock } from '../../clock.ts';
import { GatewayError } from '../../errors.ts';
import { readBundle } from './bundle.ts';
import { Workloads } from './workloads.ts';
import { X509SvidSource } from './x509-source.ts';

const DOMAIN = new TrustDomain('example.org');
const ID = 'spiffe://example.org/agents/a';
const WORKLOAD = certificate('workload', { ...GOOD, uris: [ID], issuer: DOMAIN.issuing });
const LEAF = derOf(WORKLOAD.cert);
const ISSUING = derOf(DOMAIN.issuing.cert);
const BUNDLE = readBundle(encodeUtf8(DOMAIN.root.cert));
const WORKLOADS = new Workloads({ trustDomains: { 'example.org': { bundle: null } }, allowed: [ID], groups: {} });
const SOURCE = new X509SvidSource(WORKLOADS, () => BUNDLE, systemClock);

const identify = (certificates: Uint8Array[] | null) =>
  SOURCE.identify({ method: 'POST', target: '/mcp', headers: () => [], certificates });

/** A certificate with some octets replaced. */
const damaged = (der: Buffer): fc.Arbitrary<Uint8Array> =>
  fc.array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { maxLength: 3 }).map((edits) => {
    const bytes = new Uint8Array(der);
    for (const [at, octet] of edits) bytes[at] = octet;
    return bytes;
  });

test('whatever a client shows, it is the caller of a whole chain, nobody, or refused [AUTHZ-12]', async () => {
  const expiresMicros = Date.UTC(2100, 0, 1) * 1000;
  const caller = { subject: ID, source: 'svid', expiresMicros, keyThumbprint: WORKLOAD.spki };
  assert.deepEqual(await identify([LEAF, ISSUING]), caller);
  assert.equal(await identify(null), null);
  assert.equal(await identify([]), null);
  let refusals = 0;
  await fc.assert(
    fc.asyncProperty(damaged(LEAF), damaged(ISSUING), async (leaf, issuing) => {
      const whole = Buffer.compare(leaf, LEAF) === 0 && Buffer.compare(issuing, ISSUING) === 0;
      try {
        const caller = await identify([leaf, issuing]);
        assert.ok(caller === null || whole, 'a chain that was changed names nobody');
      } catch (error) {
        assert.ok(error instanceof GatewayError && error.code === 'UNAUTHENTICATED', String(error));
        refusals += 1;
      }
    }),
    { numRuns: 100 },
  );
  assert.ok(refusals > 0);
});

test('an authority whose key is no point of its curve is refused as any other [AUTHZ-12]', async () => {
  const bytes = new Uint8Array(ISSUING);
  const point = Buffer.from(bytes).indexOf(Buffer.from([0x03, 0x42, 0x00, 0x04]));
  assert.ok(point > 0);
  bytes.fill(0xff, point + 4, point + 68);
  await assert.rejects(identify([LEAF, bytes]), /UNAUTHENTICATED/);
});
