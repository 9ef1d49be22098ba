import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeUtf8 } from './bytes/utf8.ts';
import { type DocumentExpectations, documentKind, verifyDocument } from './document.ts';
import { stringifyJson } from './json/stringify.ts';
import type { JsonObject } from './json/value.ts';
import { toolCatalogHash } from './provenance/tool-catalog.ts';
import { AT, ed25519Signer, jsonBytes, signCose, signJson, versionTwo, wholeManifest } from './testing/manifest.ts';
import { makeSession, newKey, type TestKey } from './testing/session.ts';
import { signJcs } from './testing/signed.ts';
import { RECORD_POLICY, RECORD_TIME, signedRecord } from './testing/trust-record.ts';

const bytes = (value: JsonObject): Uint8Array<ArrayBuffer> => encodeUtf8(stringifyJson(value));

test('a Trust Record is told by its profile, and needs a key that is trusted', async () => {
  const { key, signed } = await signedRecord();
  const input = bytes(signed);
  assert.equal(documentKind(input), 'trust-record');
  const keys = [{ x: key.x, source: 'given' }];
  const pins = { keys, policyHash: RECORD_POLICY, acceptSoftware: true, now: RECORD_TIME };
  assert.equal((await verifyDocument(input, pins)).verdict, 'verified');
  assert.equal((await verifyDocument(input, { ...pins, keys: [] })).verdict, 'unverified');
  assert.equal((await verifyDocument(input, { ...pins, nonce: 'b3RoZXI' })).verdict, 'refused');
});

const TOOLS = [{ name: 'search', description: 'Finds.', inputSchema: { type: 'object' } }];

async function provenance(key: TestKey): Promise<JsonObject> {
  return signJcs(
    {
      format: 'agentrust-io/mcp-server-provenance/1',
      kind: 'publisher-asserted',
      issued_at: RECORD_TIME,
      identity: { endpoint: { url: 'https://tools.example/mcp', spki_sha256: `sha256:${'0'.repeat(64)}` } },
      publisher: 'did:web:acme.example',
      tool_catalog: { hash: toolCatalogHash(TOOLS), tool_count: 1 },
      attestation: null,
      cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: key.x } },
    },
    key,
  );
}

test('a provenance record is verified only with the tools that the server offers, and refused with others', async () => {
  const key = await newKey();
  const input = bytes(await provenance(key));
  assert.equal(documentKind(input), 'provenance-record');
  const pins = { keys: [{ x: key.x, source: 'given' }], now: RECORD_TIME };
  assert.equal((await verifyDocument(input, { ...pins, tools: TOOLS })).verdict, 'verified');
  assert.equal((await verifyDocument(input, pins)).verdict, 'unverified');
  assert.equal((await verifyDocument(input, { ...pins, tools: [] })).verdict, 'refused');
  const floor = { ...pins, tools: TOOLS, provenanceKind: 'tee-attested' as const };
  assert.equal((await verifyDocument(input, floor)).verdict, 'refused');
});

test('a provenance record is judged by the clock, the greatest age and the revocations that are given', async () => {
  const key = await newKey();
  const input = bytes(await provenance(key));
  const pins = { keys: [{ x: key.x, source: 'given' }], tools: TOOLS };
  const verdict = async (more: DocumentExpectations) => (await verifyDocument(input, { ...pins, ...more })).verdict;
  assert.equal(await verdict({ now: RECORD_TIME + 60, maxAgeSeconds: 3600 }), 'verified');
  assert.equal(await verdict({ now: RECORD_TIME + 60, maxAgeSeconds: 10 }), 'refused');
  assert.equal(await verdict({ now: RECORD_TIME - 86_400 }), 'refused', 'issued in the future');
  assert.equal(await verdict({ now: RECORD_TIME, revocation: { bundle: '{}', keys: [] } }), 'refused', 'no bundle');
});

test('an Agent Manifest is told in both envelopes, and is judged by the clock that is given', async () => {
  const signer = await ed25519Signer();
  const documents = [jsonBytes(await signJson(wholeManifest(), signer)), await signCose(versionTwo(), signer)];
  for (const input of documents) {
    assert.equal(documentKind(input), 'agent-manifest');
    const manifest = { keys: [signer.key] };
    const report = await verifyDocument(input, { manifest, now: AT });
    assert.equal(report.verdict, 'verified', report.summary);
    assert.equal((await verifyDocument(input, { now: AT })).verdict, 'unverified');
    assert.equal(
      (await verifyDocument(input, { manifest })).verdict,
      'refused',
      'without a clock it counts as expired',
    );
  }
});

test('a session file is no such document, and neither is anything else', async () => {
  const session = bytes(await makeSession(await newKey()));
  for (const input of [
    session,
    encodeUtf8(''),
    encodeUtf8('{"trace":{}}'),
    encodeUtf8('{"eat_profile":"x","trace":{}}'),
    encodeUtf8('[]'),
    Uint8Array.of(0),
  ]) {
    assert.equal(documentKind(input), null);
    assert.equal((await verifyDocument(input, {})).verdict, 'refused');
  }
});

test('any bytes give a report', async () => {
  const known = fc.constantFrom(
    '{"eat_profile":',
    '{"@type":"AgentManifest","a":',
    '{"format":"agentrust-io/mcp-server-provenance/1","x":',
  );
  const texts = fc.tuple(known, fc.json()).map(([start, rest]) => encodeUtf8(`${start}${rest}}`));
  const cbor = fc.uint8Array({ maxLength: 60 }).map((rest) => Uint8Array.of(0xd2, ...rest));
  await fc.assert(
    fc.asyncProperty(fc.oneof(texts, cbor, fc.uint8Array({ maxLength: 80 })), async (input) => {
      const report = await verifyDocument(new Uint8Array(input), { now: AT });
      assert.notEqual(report.verdict, 'verified');
    }),
    { numRuns: 200 },
  );
});
