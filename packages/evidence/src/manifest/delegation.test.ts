import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBase64Url, encodeBase64Url } from '../bytes/base64url.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { canonicalManifest } from '../json/manifest-form.ts';
import type { JsonObject } from '../json/value.ts';
import {
  AGENT,
  ed25519Signer,
  ISSUER,
  jsonBytes,
  type ManifestSigner,
  signJson,
  trusting,
  wholeManifest,
} from '../testing/manifest.ts';
import type { ManifestContext } from './context.ts';
import type { ManifestReport } from './report.ts';
import { verifyManifest } from './verify.ts';

const signer = await ed25519Signer();
const [alice, bob, carol] = [await ed25519Signer(), await ed25519Signer(), await ed25519Signer()];
const PRINCIPALS: [string, ManifestSigner][] = [
  [ISSUER, alice],
  ['did:example:bob', bob],
  ['did:example:carol', carol],
];
const KEYS = Object.fromEntries(PRINCIPALS.map(([id, { key }]) => [id, encodeBase64Url(key.key)]));
const ID = String(wholeManifest().manifest_id);

/** A chain of steps with these grants, each signed by its principal. */
async function chain(
  grants: JsonObject[],
  change: (hop: JsonObject, i: number) => JsonObject = (hop) => hop,
): Promise<JsonObject[]> {
  return Promise.all(
    grants.map(async (scope_grant, i) => {
      const [principal_id, by] = PRINCIPALS[i % PRINCIPALS.length] ?? ['', alice];
      const hop = change(
        { hop: i, principal_type: 'system', principal_id, delegated_at: '2026-06-01T00:00:00Z', scope_grant },
        i,
      );
      const { principal_manifest_id: _, ...signed } = hop;
      const message = encodeUtf8(canonicalManifest({ ...signed, manifest_id: ID }));
      return { ...hop, delegation_signature: encodeBase64Url(await by.sign(message)) };
    }),
  );
}

async function verdict(
  delegation_chain: JsonObject[],
  context: Partial<ManifestContext> = {},
  changes: JsonObject = {},
): Promise<ManifestReport> {
  const signed = await signJson(wholeManifest({ delegation_chain, ...changes }), signer);
  return verifyManifest(jsonBytes(signed), { ...trusting(signer), delegationKeys: KEYS, ...context });
}

test('nothing, the wrong and the right keys of principals: unverifiable, invalid, valid [NIST-2]', async () => {
  const hops = await chain([
    { tools: ['a', 'b'], ttl_seconds: 1e9 },
    { tools: ['a'], ttl_seconds: 1e9 },
  ]);
  const right = await verdict(hops);
  assert.deepEqual([right.result, right.delegation], ['VALID', 'VALID'], right.summary);
  const nothing = await verdict(hops, { delegationKeys: {} });
  assert.deepEqual([nothing.result, nothing.delegation], ['UNVERIFIABLE', 'UNVERIFIABLE']);
  const wrong = await verdict(hops, {
    delegationKeys: { ...KEYS, 'did:example:bob': KEYS['did:example:carol'] ?? '' },
  });
  assert.deepEqual([wrong.result, wrong.delegation], ['MISMATCH', 'INVALID']);
  const { 'did:example:bob': _, ...fewer } = KEYS;
  assert.equal((await verdict(hops, { delegationKeys: fewer })).delegation, 'INVALID');
});

test('a step that grants more than it was granted is refused [D-45] [NIST-2]', async () => {
  const pairs: Record<string, [JsonObject, JsonObject]> = {
    'a tool': [{ tools: ['a'] }, { tools: ['a', 'b'] }],
    'all tools': [{ tools: ['a'] }, { tools: [] }],
    'all tools by silence': [{ tools: ['a'] }, {}],
    'a class of data where none is granted': [{}, { data_classifications: ['public'] }],
    'a class of data': [{ data_classifications: ['public'] }, { data_classifications: ['public', 'restricted'] }],
    'a constraint less': [{ constraints: ['c'] }, {}],
    'a longer time': [{ ttl_seconds: 10 }, { ttl_seconds: 11 }],
    'no end': [{ ttl_seconds: 10 }, {}],
    'no end by null': [{ ttl_seconds: 10 }, { ttl_seconds: null }],
    'more depth': [{ max_delegation_depth: 2 }, { max_delegation_depth: 3 }],
    'more depth by silence': [{ max_delegation_depth: 2 }, {}],
  };
  for (const [name, grants] of Object.entries(pairs)) {
    const report = await verdict(await chain(grants));
    assert.deepEqual([report.result, report.delegation], ['MISMATCH', 'INVALID'], name);
    assert.match(report.summary, /grants|lasts|passed on further|drops/, name);
    assert.equal(
      (await verdict(await chain([...grants].reverse()))).delegation,
      name === 'a constraint less' ? 'UNVERIFIABLE' : 'VALID',
      `${name}, reversed`,
    );
  }
  const later = await chain([{ ttl_seconds: 100 }, { ttl_seconds: 100 }], (hop, i) =>
    i === 0 ? hop : { ...hop, delegated_at: '2026-06-01T00:00:01Z' },
  );
  assert.match((await verdict(later)).summary, /lasts longer/);
  const earlier = await chain([{ ttl_seconds: 10 }, { ttl_seconds: 15 }], (hop, i) =>
    i === 0 ? hop : { ...hop, delegated_at: '2026-05-31T23:59:50Z' },
  );
  assert.match((await verdict(earlier)).summary, /lasts longer/);
});

test('a chain that is too deep, in another order or begun by somebody else is refused [D-45]', async () => {
  const four = await chain([{}, {}, {}, {}]);
  assert.equal((await verdict(four)).delegation, 'VALID');
  assert.match((await verdict(await chain([{}, {}, {}, {}, {}]))).summary, /3 are allowed/);
  assert.match(
    (await verdict(await chain([{ max_delegation_depth: 0 }, { max_delegation_depth: 0 }]))).summary,
    /0 are allowed/,
  );
  assert.equal((await verdict(await chain([{ max_delegation_depth: 0 }]))).delegation, 'VALID');
  const renumbered = await chain([{}, {}], (hop, i) => ({ ...hop, hop: i === 1 ? 2 : 0 }));
  assert.match((await verdict(renumbered)).summary, /number 2/);
  const { issuer: _, ...anonymous } = wholeManifest({ delegation_chain: await chain([{}]) });
  const report = await verifyManifest(jsonBytes(await signJson(anonymous, signer)), {
    ...trusting(signer),
    delegationKeys: KEYS,
  });
  assert.match(report.summary, new RegExp(AGENT));
  const graft = await verdict(await chain([{}]), {}, { issuer: 'spiffe://trust.example/other' });
  assert.equal(graft.delegation, 'INVALID');
});

test('a step of another manifest, or one that was changed, is refused [ASI-07]', async () => {
  const hops = await chain([{ tools: ['a'] }]);
  const replayed = await verdict(hops, {}, { manifest_id: '018f4a3b-2c1d-7e5f-a8b9-0d1e2f3a4b5d' });
  assert.equal(replayed.delegation, 'INVALID');
  const [hop = {}] = hops;
  const signature = String(hop.delegation_signature);
  const flipped = decodeBase64Url(signature);
  flipped[0] = (flipped[0] ?? 0) ^ 1;
  for (const change of [
    { scope_grant: { tools: ['b'] } },
    { principal_type: 'human' },
    { delegated_at: '2026-06-02T00:00:00Z' },
    { delegation_signature: `${signature}=` },
    { delegation_signature: encodeBase64Url(flipped) },
    { delegation_signature: '' },
  ]) {
    const report = await verdict([{ ...hop, ...change }]);
    assert.equal(report.delegation, 'INVALID', JSON.stringify(change));
  }
  const { delegation_signature: _, ...unsigned } = hop;
  assert.equal((await verdict([unsigned])).delegation, 'INVALID');
});

test('constraints are not evaluated, so a delegation that has some is unverifiable', async () => {
  const report = await verdict(await chain([{ constraints: ['permit(principal, action, resource);'] }]));
  assert.deepEqual([report.result, report.delegation], ['UNVERIFIABLE', 'UNVERIFIABLE']);
});

test('authority that has run out is reported as such', async () => {
  const outcome = async (ttl_seconds: number | null): Promise<string | undefined> =>
    (await verdict(await chain([{ ttl_seconds }]))).checks.find(({ id }) => id === 'manifest.delegation_time')?.outcome;
  assert.equal(await outcome(3600), 'asserted');
  assert.equal(await outcome(365 * 86_400), 'proven');
  assert.equal(await outcome(null), 'proven');
});

test('a delegation that is required and absent refuses; one that is neither is not spoken of', async () => {
  for (const none of [[], null]) {
    const changes = { delegation_chain: none };
    const required = await verdict([], { requireDelegation: true }, changes);
    assert.deepEqual([required.result, required.delegation], ['MISMATCH', 'NOT_PRESENT']);
    assert.equal((await verdict([], {}, changes)).result, 'VALID');
  }
});

test('names of principals are data, whatever they are called', async () => {
  for (const principal_id of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    const hops = await chain([{}], (hop) => ({ ...hop, principal_id, principal_manifest_id: ID }));
    assert.equal((await verdict(hops)).delegation, 'INVALID');
  }
});
