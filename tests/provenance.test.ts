/** Whose word there is for a server: each outcome is in the chains, and what is not vouched for as asked gets no call. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type JsonObject, type JsonValue, stringifyJson } from '@cmcp/evidence';
import { toolCatalogHash } from '../packages/evidence/src/provenance/tool-catalog.ts';
import { newKey, type TestKey } from '../packages/evidence/src/testing/session.ts';
import { signJcs } from '../packages/evidence/src/testing/signed.ts';
import { callMeta, endSession, refused } from './support/calls.ts';
import { TestBed, type TestTool } from './support/gateway.ts';
import { RpcFailure } from './support/scripted-server.ts';
import { sessionFile, verifyStored } from './support/session-files.ts';

const LIMITS = { timeout: 60_000 };
const ECHO: TestTool = { name: 'echo', description: 'Says it again' };
const publisher = await newKey();

interface Vouched {
  bed: TestBed;
  /** Puts a record beside the catalog; null: there is none. */
  publish: (members: Record<string, unknown> | null, key?: TestKey) => Promise<void>;
}

const jwk = ({ x }: TestKey) => ({ kty: 'OKP', crv: 'Ed25519', x });

async function withRecord(run: (vouched: Vouched) => Promise<void>, config = '', vouched = true): Promise<void> {
  const record = vouched ? { provenance: { record_path: './record.json', publisher_jwk: jwk(publisher) } } : {};
  const bed = await TestBed.create({ tools: [ECHO], record, config });
  const file = join(bed.folder, 'record.json');
  const publish: Vouched['publish'] = async (members, key = publisher) => {
    if (members === null) return await rm(file, { force: true });
    const tools = bed.server.definitions() as JsonValue[];
    const said = {
      format: 'agentrust-io/mcp-server-provenance/1',
      kind: 'publisher-asserted',
      issued_at: 1_700_000_000,
      identity: { endpoint: { url: bed.server.url, spki_sha256: `sha256:${'0'.repeat(64)}` } },
      publisher: 'did:web:acme.example',
      tool_catalog: { hash: toolCatalogHash(tools), tool_count: tools.length },
      attestation: null,
      cnf: { jwk: jwk(key) },
      ...members,
    };
    await writeFile(file, stringifyJson(await signJcs(said as JsonObject, key)));
  };
  try {
    await publish({});
    await run({ bed, publish });
  } finally {
    await bed.close();
  }
}

/** Calls once. What was answered, and what the session and the gateway's own chain say of the server. */
async function called(bed: TestBed): Promise<{ code: string | null; session: JsonObject[]; own: JsonObject[] }> {
  const { gateway, started, url } = await bed.start();
  const client = await bed.client(url);
  const call = client.callTool({ name: 'echo', arguments: {} });
  const error = await call.then(
    () => null,
    () => refused(call),
  );
  const { session_id } = error === null ? callMeta(await call) : (error.data['io.cmcp/call'] as { session_id: string });
  await endSession(client);
  await gateway.stop();
  const said = async (id: string): Promise<JsonObject[]> =>
    (await sessionFile(started, id)).bundle.entries
      .filter(({ action }) => action === 'server.provenance')
      .map(({ detail }) => detail ?? {});
  assert.equal((await verifyStored(started, session_id)).verdict, 'verified');
  return {
    code: error === null ? null : String(error.data.error_code),
    session: await said(session_id),
    own: await said(started.gatewaySession),
  };
}

test('a server that its publisher vouches for is called, and both chains name who does [W-30] [C-44]', LIMITS, () =>
  withRecord(async ({ bed }) => {
    const { code, session, own } = await called(bed);
    assert.equal(code, null);
    const verified = {
      server: 'scripted',
      outcome: 'verified',
      kind: 'publisher-asserted',
      publisher: 'did:web:acme.example',
      refused: 'no',
    };
    assert.deepEqual(session, [verified]);
    assert.deepEqual(own, [verified]);
  }),
);

const REFUSED: Record<string, [string, (vouched: Vouched) => Promise<void>]> = {
  'other tools than its record lists': [
    'catalog-mismatch',
    ({ publish }) => publish({ tool_catalog: { hash: `sha256:${'1'.repeat(64)}`, tool_count: 1 } }),
  ],
  'a record that somebody else signed': ['invalid', async ({ publish }) => publish({}, await newKey())],
  'the record of another server': [
    'invalid',
    ({ publish }) =>
      publish({
        identity: { endpoint: { url: 'https://other.example/mcp', spki_sha256: `sha256:${'0'.repeat(64)}` } },
      }),
  ],
  'a record that is gone': ['absent', ({ publish }) => publish(null)],
};

for (const [what, [outcome, change]] of Object.entries(REFUSED)) {
  test(`a server with ${what} gets no call, and both chains say ${outcome} [W-30]`, LIMITS, () =>
    withRecord(async (vouched) => {
      await change(vouched);
      const { code, session, own } = await called(vouched.bed);
      assert.equal(code, 'UPSTREAM_UNAVAILABLE');
      assert.equal(vouched.bed.server.calls.length, 0);
      for (const [said] of [session, own]) {
        assert.equal(said?.outcome, outcome);
        assert.match(String(said?.refused), new RegExp(`provenance of the server is ${outcome}`));
      }
    }),
  );
}

test('a server whose tools could not be had is unchecked, and gets no call before they are [W-30]', LIMITS, () =>
  withRecord(async ({ bed }) => {
    bed.server.listing = () => {
      throw new RpcFailure(-32603, 'not today');
    };
    const { code, own } = await called(bed);
    assert.equal(code, 'UPSTREAM_TOOL_ERROR');
    assert.equal(bed.server.calls.length, 0);
    assert.deepEqual(
      own.map(({ outcome }) => outcome),
      ['unchecked'],
    );
  }),
);

const floor = (kind: string): string => `catalog: { path: ./catalog.json, required_provenance_kind: ${kind} }`;

test('below the floor a verified record is not enough, and no record is none [W-30]', LIMITS, async () => {
  await withRecord(async ({ bed }) => assert.equal((await called(bed)).code, null), floor('publisher-asserted'));
  await withRecord(async ({ bed, publish }) => {
    const weak = await called(bed);
    assert.equal(weak.code, 'UPSTREAM_UNAVAILABLE');
    assert.deepEqual([weak.own[0]?.outcome, weak.own[0]?.kind], ['verified', 'publisher-asserted']);
    await publish({ kind: 'observer-attested' });
    assert.equal((await called(bed)).code, null);
  }, floor('observer-attested'));
  const bare = async ({ bed }: Vouched): Promise<void> => {
    const { code, own, session } = await called(bed);
    assert.equal(code, 'UPSTREAM_UNAVAILABLE');
    for (const [said] of [own, session]) assert.equal(said?.outcome, 'absent');
    assert.equal(bed.server.calls.length, 0);
  };
  await withRecord(bare, floor('publisher-asserted'), false);
});

test('where nobody was asked to vouch, nothing is said', LIMITS, () =>
  withRecord(
    async ({ bed }) => {
      assert.deepEqual(await called(bed), { code: null, session: [], own: [] });
    },
    '',
    false,
  ),
);
