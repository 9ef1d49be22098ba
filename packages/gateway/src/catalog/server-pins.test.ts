import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '@cmcp/evidence';
import fc from 'fast-check';
import { GatewayError } from '../errors.ts';
import { parseCatalog } from './load.ts';
import type { CatalogServer } from './types.ts';
import { catalogFromListings } from './write.ts';

const SHA = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;
const JWK = { kty: 'OKP', crv: 'Ed25519', x: 'x'.repeat(43), kid: 'any' };
const web = { transport: 'streamable-http', url: 'https://tools.example/mcp' };
const SPAWN = { command: '/bin/tool', args: [], binary_digest: SHA };
const local = (spawn: JsonObject): JsonObject => ({ transport: 'stdio', spawn: { ...SPAWN, ...spawn } });

function read(record: JsonObject): CatalogServer {
  const catalog = { catalog: 1, servers: [{ id: 's', ...record }], tools: [] };
  const [server] = parseCatalog(JSON.stringify(catalog), '/etc/cmcp/catalog.json').servers;
  assert.ok(server);
  return server;
}

test('what is pinned of a server is read as it is written', () => {
  const pins = { spki_pins: [SHA, OTHER], spiffe_id: 'spiffe://example.org/tools/notes', ca: SHA };
  const { transport, provenance } = read({
    ...web,
    ...pins,
    provenance: { record_path: './notes.json', publisher_jwk: JWK },
  });
  assert.equal(transport.kind, 'http');
  assert.deepEqual(transport.kind === 'http' && transport.pins, {
    spki: [SHA, OTHER],
    spiffeId: 'spiffe://example.org/tools/notes',
    ca: SHA,
    placeholder: false,
  });
  assert.deepEqual(provenance, { recordPath: '/etc/cmcp/notes.json', publisherKey: JWK.x });
  const integrity = `sha512-${'A'.repeat(86)}==`;
  const spawned = read(
    local({
      interpreter: { path: '/bin/node', digest: OTHER },
      package: { path: '/srv/app', tree_digest: SHA, integrity },
    }),
  ).transport;
  assert.deepEqual(spawned, {
    kind: 'stdio',
    command: '/bin/tool',
    args: [],
    binaryDigest: SHA,
    measureTarget: null,
    interpreter: { path: '/bin/node', digest: OTHER },
    package: { path: '/srv/app', treeDigest: SHA, integrity },
  });
});

test('what is written for a server that is pinned is read as the same', () => {
  const pinnedWeb = { ...web, tls_fingerprint: `SHA256:${'B'.repeat(43)}=`, spki_pins: [SHA], ca: SHA };
  const pinnedSpawn = local({
    measure_target: '/bin/tool',
    interpreter: { path: '/bin/node', digest: OTHER },
    package: { path: '/srv/app', tree_digest: SHA },
  });
  for (const record of [{ ...pinnedWeb, spiffe_id: 'spiffe://example.org/a' }, pinnedSpawn]) {
    const { transport } = read(record);
    const offered = { tools: [], resources: [], resourceTemplates: [], prompts: [] };
    const { catalog } = catalogFromListings([{ id: 's', transport, offered, instructions: null }]);
    const [written] = catalog.servers as JsonObject[];
    assert.deepEqual(read(written ?? {}).transport, transport);
  }
});

const REFUSED: [string, JsonObject, RegExp][] = [
  ['no key', { ...web, spki_pins: [] }, /spki_pins: names no key/],
  ['five keys', { ...web, spki_pins: ['1', '2', '3', '4', '5'] }, /not hold more than 4/],
  ['one key twice', { ...web, spki_pins: [SHA, SHA] }, /the same key twice/],
  ['a pin that is none', { ...web, spki_pins: ['sha256:AB'] }, /\/spki_pins\/0: must be/],
  [
    'a pin of plain HTTP',
    { ...web, url: 'http://127.0.0.1/', spki_pins: [SHA] },
    /pins the certificate of an https URL/,
  ],
  ['a SPIFFE id alone', { ...web, spiffe_id: 'spiffe://example.org/a' }, /proves nothing under public authorities/],
  ['a SPIFFE id without a path', { ...web, ca: SHA, spiffe_id: 'spiffe://example.org' }, /must be a SPIFFE id/],
  ['a trust domain in capitals', { ...web, ca: SHA, spiffe_id: 'spiffe://Example.org/a' }, /must be a SPIFFE id/],
  ['a SPIFFE id that climbs', { ...web, ca: SHA, spiffe_id: 'spiffe://example.org/a/../b' }, /must be a SPIFFE id/],
  ['an authority by name', { ...web, ca: './ca.pem' }, /\/ca: must be/],
  ['pins of a child', { ...local({}), spki_pins: [SHA] }, /does not belong to a stdio server/],
  ['an interpreter of nothing', local({ binary_digest: null, interpreter: {} }), /runs a file that is not pinned/],
  ['an interpreter without digest', local({ interpreter: { path: '/bin/node' } }), /"digest" is missing/],
  [
    'an interpreter by name',
    local({ interpreter: { path: 'node', digest: SHA } }),
    /interpreter\/path: must be an absolute/,
  ],
  ['a package by a crooked path', local({ package: { path: '/srv/../app', tree_digest: SHA } }), /package\/path/],
  ['a package with a slash at its end', local({ package: { path: '/srv/', tree_digest: SHA } }), /package\/path/],
  ['a package without digest', local({ package: { path: '/srv' } }), /"tree_digest" is missing/],
  ['an integrity that is none', local({ package: { path: '/srv', tree_digest: SHA, integrity: 'x' } }), /integrity/],
  ['an unknown member', local({ sha: SHA }), /unknown member/],
  ['a record of nobody', { ...web, provenance: { record_path: 'x' } }, /"publisher_jwk" is missing/],
  [
    'a key of another kind',
    { ...web, provenance: { record_path: 'x', publisher_jwk: { ...JWK, kty: 'EC' } } },
    /Ed25519/,
  ],
  ['a key that is cut', { ...web, provenance: { record_path: 'x', publisher_jwk: { ...JWK, x: 'x' } } }, /Ed25519/],
];

for (const [what, record, why] of REFUSED) {
  test(`a server record with ${what} does not load [AUTHZ-12] [ATK-24]`, () => {
    assert.throws(() => read(record), { code: 'CATALOG_INVALID', message: why });
  });
}

test('whatever is written for a server loads or is refused by name, and nothing else', () => {
  const member = fc.constantFrom('spki_pins', 'spiffe_id', 'ca', 'provenance', 'spawn', 'tls_fingerprint', 'url');
  fc.assert(
    fc.property(member, fc.jsonValue(), fc.constantFrom(web, local({})), (name, value, base) => {
      try {
        read({ ...base, [name]: value as JsonValue });
      } catch (error) {
        assert.ok(error instanceof GatewayError && error.code === 'CATALOG_INVALID', String(error));
      }
    }),
    { numRuns: 300 },
  );
});
