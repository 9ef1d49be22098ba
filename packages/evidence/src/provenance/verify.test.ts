import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBase64Url } from '../bytes/base64url.ts';
import { digest } from '../crypto/sha256.ts';
import { parseJson } from '../json/parse.ts';
import { stringifyJson } from '../json/stringify.ts';
import type { JsonObject, JsonValue } from '../json/value.ts';
import { thumbprintOf } from '../revocation/key-ids.ts';
import { newKey, type TestKey } from '../testing/session.ts';
import {
  altered,
  bitFlips,
  failures,
  newStatementKey,
  open,
  outcomeOf,
  signJcs,
  signStatement,
} from '../testing/signed.ts';
import { toolCatalogHash } from './tool-catalog.ts';
import { type ProvenanceGiven, verifyProvenance } from './verify.ts';

const NOW = 1_790_000_000;
const TOOLS = parseJson(
  '[{"name":"search","description":"Finds.","inputSchema":{"type":"object","maximum":2.0}},{"name":"add"}]',
) as JsonValue[];
const ZERO = `sha256:${'0'.repeat(64)}`;

function unsigned(key: TestKey): JsonObject {
  return {
    format: 'agentrust-io/mcp-server-provenance/1',
    kind: 'publisher-asserted',
    issued_at: NOW - 10,
    identity: { endpoint: { url: 'https://tools.example/mcp', spki_sha256: ZERO } },
    publisher: 'did:web:acme.example',
    tool_catalog: { hash: toolCatalogHash(TOOLS), tool_count: TOOLS.length },
    attestation: null,
    cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: key.x } },
  };
}

const given = (key: TestKey): ProvenanceGiven => ({
  keys: [{ x: key.x, source: 'publisher.jwk' }],
  tools: TOOLS,
  now: NOW,
});

async function setUp() {
  const key = await newKey();
  const record = unsigned(key);
  return { key, record, signed: await signJcs(record, key) };
}

const ask = (record: JsonObject, how: ProvenanceGiven) => verifyProvenance(stringifyJson(record), how);

test('the hash of the tools covers name, description and input schema, sorted, with nulls for what is missing', () => {
  const form =
    '[{"description":null,"input_schema":null,"name":"add"},{"description":"Finds.","input_schema":{"maximum":2.0,"type":"object"},"name":"search"}]';
  assert.equal(toolCatalogHash(TOOLS), digest(form));
  assert.equal(toolCatalogHash(TOOLS.toReversed()), digest(form));
  assert.equal(toolCatalogHash([{ name: 'a', input_schema: {} }]), toolCatalogHash([{ name: 'a', inputSchema: {} }]));
  // By code point: U+FFFF comes before U+10000, which UTF-16 has the other way round.
  const [low, high] = [{ name: '\uffff' }, { name: '\u{10000}' }];
  assert.equal(toolCatalogHash([high, low]), toolCatalogHash([low, high]));
  const sorted =
    '[{"description":null,"input_schema":null,"name":"\\uffff"},{"description":null,"input_schema":null,"name":"\\ud800\\udc00"}]';
  assert.equal(toolCatalogHash([high, low]), digest(sorted));
  assert.equal(toolCatalogHash([{ name: 'ab' }, { name: 'a' }]), toolCatalogHash([{ name: 'a' }, { name: 'ab' }]));
});

test('nothing, the wrong and the right record', async () => {
  const { key, signed } = await setUp();
  const absent = await verifyProvenance(null, given(key));
  assert.deepEqual([absent.outcome, open(absent.checks)], ['absent', []]);
  const wrong = await ask(signed, { ...given(key), keys: [{ x: (await newKey()).x, source: 'other.jwk' }] });
  assert.deepEqual([wrong.outcome, failures(wrong.checks)], ['invalid', ['provenance.key']]);
  const right = await ask(signed, given(key));
  assert.deepEqual([right.outcome, open(right.checks)], ['verified', []]);
  assert.deepEqual([right.kind, right.publisher], ['publisher-asserted', 'did:web:acme.example']);
});

test('where no publisher is trusted, no record is valid', async () => {
  const { key, signed } = await setUp();
  const { outcome, checks } = await ask(signed, { ...given(key), keys: [] });
  assert.deepEqual([outcome, failures(checks)], ['invalid', ['provenance.key']]);
  assert.match(checks.find(({ id }) => id === 'provenance.key')?.detail ?? '', /no publisher is trusted/);
});

test('a key that no revocation can name is not looked for in a bundle', async () => {
  const { key, record } = await setUp();
  const signed = await signJcs(altered(record, 'cnf.jwk.x', 'AAAA'), key);
  const { checks } = await ask(signed, { ...given(key), revocation: { bundle: '{}' } });
  assert.deepEqual(failures(checks), ['provenance.key', 'provenance.signature']);
});

test('a record that someone else signed is invalid, with the key of the publisher in it or with their own', async () => {
  const { key, record } = await setUp();
  const thief = await newKey();
  const forged = await ask(await signJcs(record, thief), given(key));
  assert.deepEqual([forged.outcome, failures(forged.checks)], ['invalid', ['provenance.signature']]);
  const stolen = await ask(await signJcs(altered(record, 'cnf.jwk.x', thief.x), thief), given(key));
  assert.deepEqual([stolen.outcome, failures(stolen.checks)], ['invalid', ['provenance.key']]);
  const bare = await ask(record, given(key));
  assert.deepEqual([bare.outcome, failures(bare.checks)], ['invalid', ['provenance.signature']]);
});

test('a genuine record of a server that offers other tools is a mismatch', async () => {
  const { key, signed } = await setUp();
  const [search, add] = TOOLS as [JsonObject, JsonObject];
  const offers: JsonValue[][] = [
    [{ ...search, description: 'Finds, and mails what it finds.' }, add],
    [search],
    [search, add, { name: 'more' }],
    [search, { ...add, inputSchema: {} }],
    [search, { name: 'Add' }],
    [search, { description: 'no name' }],
    [search, 'add'],
    // No parser of ours gave this fraction, so its lexeme is lost.
    [search, { name: 'add', inputSchema: { maximum: 0.5 } }],
    [],
  ];
  for (const tools of offers) {
    const { outcome, checks } = await ask(signed, { ...given(key), tools });
    assert.deepEqual([outcome, failures(checks)], ['catalog-mismatch', ['provenance.catalog']]);
  }
});

test('a number of tools that is not that of its own hash is a mismatch', async () => {
  const { key, record } = await setUp();
  const signed = await signJcs(altered(record, 'tool_catalog.tool_count', 3), key);
  assert.equal((await ask(signed, given(key))).outcome, 'catalog-mismatch');
});

test('a genuine record is unchecked when the list of tools could not be had', async () => {
  const { key, record, signed } = await setUp();
  const { outcome, checks } = await ask(signed, { ...given(key), tools: null });
  assert.deepEqual([outcome, open(checks)], ['unchecked', ['provenance.catalog']]);
  // An invalid one stays invalid.
  assert.equal((await ask(record, { ...given(key), tools: null })).outcome, 'invalid');
});

test('each kind is accepted from its floor on, and a TEE that nobody verified is never proven', async () => {
  const { key, record } = await setUp();
  const kinds = ['publisher-asserted', 'observer-attested', 'tee-attested'] as const;
  const found: (string | undefined)[][] = [];
  for (const kind of kinds) {
    const attestation = kind === 'tee-attested' ? { quote: 'AAAA' } : null;
    const signed = await signJcs({ ...record, kind, attestation }, key);
    const row = await Promise.all(
      kinds.map(async (kindFloor) =>
        outcomeOf((await ask(signed, { ...given(key), kindFloor })).checks, 'provenance.kind'),
      ),
    );
    found.push(row);
    const { outcome, checks } = await ask(signed, given(key));
    assert.equal(outcome, 'verified');
    assert.equal(outcomeOf(checks, 'provenance.attestation'), kind === 'tee-attested' ? 'not checked' : undefined);
  }
  assert.deepEqual(found, [
    ['proven', 'failed', 'failed'],
    ['proven', 'proven', 'failed'],
    ['proven', 'proven', 'asserted'],
  ]);
  const absent = await verifyProvenance(null, { ...given(key), kindFloor: 'publisher-asserted' });
  assert.deepEqual(open(absent.checks), ['provenance.record']);
});

test('a record is at most 300 s ahead of the clock, and as old as was asked for', async () => {
  const { key, signed } = await setUp();
  const at = async (how: Partial<ProvenanceGiven>) => (await ask(signed, { ...given(key), ...how })).outcome;
  assert.equal(await at({ now: NOW - 310 }), 'verified');
  assert.equal(await at({ now: NOW - 311 }), 'invalid');
  assert.equal(await at({ now: NOW + 1e9 }), 'verified');
  assert.equal(await at({ maxAgeSeconds: 10 }), 'verified');
  assert.equal(await at({ maxAgeSeconds: 9 }), 'invalid');
  assert.equal(await at({ now: Number.NaN }), 'invalid');
  const { now: _, ...timeless } = given(key);
  const unasked = await ask(signed, timeless);
  assert.deepEqual([unasked.outcome, outcomeOf(unasked.checks, 'provenance.issued')], ['verified', 'asserted']);
  const unclear = await ask(signed, { ...timeless, maxAgeSeconds: 9 });
  assert.deepEqual([unclear.outcome, outcomeOf(unclear.checks, 'provenance.issued')], ['invalid', 'not checked']);
});

test('a record under a revoked key is invalid', async () => {
  const { key, signed } = await setUp();
  const revoker = await newStatementKey('ed25519');
  const id = encodeBase64Url(thumbprintOf(revoker.public));
  const raw = Uint8Array.from(Buffer.from(key.x, 'base64url'));
  const statement = await signStatement(
    {
      type: 'TraceRevocation/1.0',
      compromised_key_id: encodeBase64Url(thumbprintOf({ kind: 'ed25519', raw })),
      last_valid_entry_id: '1',
      log_id: 'log',
      revocation_key_id: id,
    },
    revoker,
  );
  const bundleOf = async (statements: JsonObject[]) =>
    stringifyJson(
      await signStatement(
        {
          type: 'TraceRevocationBundle/1.0',
          log_id: 'log',
          issued_at: NOW - 5,
          valid_until: NOW + 5,
          statements,
          bundle_key_id: id,
        },
        revoker,
      ),
    );
  const keys = [{ key: revoker.public, source: 'revoker.jwk' }];
  const withBundle = async (bundle: string, now = NOW) =>
    (await ask(signed, { ...given(key), now, revocation: { bundle, keys } })).outcome;
  assert.equal(await withBundle(await bundleOf([])), 'verified');
  assert.equal(await withBundle(await bundleOf([statement])), 'invalid');
  // A bundle that was given and cannot be relied on is not as good as one that can.
  assert.equal(await withBundle(await bundleOf([]), NOW + 6), 'invalid');
});

test('a record has its form, and the first thing that is wrong is named in the order of the format', async () => {
  const { key, record } = await setUp();
  const cases: [string, unknown, RegExp][] = [
    ['format', 'agentrust-io/mcp-server-provenance/2', /format/],
    ['kind', 'self-attested', /kind/],
    ['publisher', 'acme', /publisher/],
    ['publisher', 'did:web:acme\n', /publisher/],
    ['publisher', 'spiffe://acme', /publisher/],
    ['identity', {}, /identity/],
    ['identity', { endpoint: { url: 'https://tools.example/mcp' } }, /spki_sha256/],
    ['identity', { artifact: { package: 'npm:x', digest: ZERO } }, /package/],
    ['identity', { other: 1 }, /identity/],
    ['issued_at', -1, /issued_at/],
    ['tool_catalog.hash', 'sha256:AB', /hash/],
    ['tool_catalog.tool_count', 1.5, /tool_count/],
    ['tool_catalog.tool_count', -1, /tool_count/],
    ['identity.endpoint.url', '', /url/],
    ['cnf.jwk.kty', 'EC', /kty/],
    ['attestation', { quote: 'x' }, /attestation/],
    ['attestation', 'x', /attestation/],
    ['cnf.jwk.crv', 'P-256', /crv/],
    ['extra', 1, /extra/],
  ];
  for (const [path, value, named] of cases) {
    const text = JSON.stringify({ ...altered(record, path, value), signature: 'AA' });
    const { outcome, checks } = await verifyProvenance(text, given(key));
    assert.deepEqual([outcome, failures(checks)], ['invalid', ['provenance.form']], path);
    assert.match(checks[0]?.detail ?? '', named);
  }
  const tee = await ask(await signJcs({ ...record, kind: 'tee-attested' }, key), given(key));
  assert.deepEqual(failures(tee.checks), ['provenance.form']);
  const many = altered(altered(record, 'publisher', 1), 'kind', 1);
  assert.match((await ask(many, given(key))).checks[0]?.detail ?? '', /record\.kind/);
  // What a later version added is no mistake of this one.
  const later = { ...record, format: 'agentrust-io/mcp-server-provenance/2', more: 1 };
  assert.match((await ask(later, given(key))).checks[0]?.detail ?? '', /record\.format/);
  const artifact = await signJcs({ ...record, identity: { artifact: { package: 'pkg:npm/x@1', digest: ZERO } } }, key);
  assert.equal((await ask(artifact, given(key))).outcome, 'verified');
});

test('a genuine record with any bit flipped is invalid', async () => {
  const { key, signed } = await setUp();
  for (const bytes of bitFlips(signed)) {
    assert.equal((await verifyProvenance(bytes, given(key))).outcome, 'invalid');
  }
});

test('any input gives an outcome, never an exception', async () => {
  const { key, signed } = await setUp();
  const members = [
    'format',
    'kind',
    'publisher',
    'identity',
    'tool_catalog',
    'cnf',
    'cnf.jwk',
    'cnf.jwk.x',
    'signature',
    'attestation',
  ];
  const mutated = fc
    .tuple(fc.constantFrom(...members), fc.jsonValue())
    .map(([path, value]) => JSON.stringify(altered(signed, path, value)));
  const bad = fc.constantFrom('', '['.repeat(100_000), '{"a":'.repeat(100_000), '{"__proto__":{}}');
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated, bad), async (input) => {
      const { outcome } = await verifyProvenance(input, given(key));
      const untouched =
        input === stringifyJson(signed) || input === stringifyJson(altered(signed, 'attestation', undefined));
      if (!untouched) assert.equal(outcome, 'invalid');
    }),
    { numRuns: 400 },
  );
  assert.equal((await verifyProvenance(7 as unknown as string, given(key))).outcome, 'invalid');
});
