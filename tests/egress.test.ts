import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { canonicalSorted, digest, type JsonObject } from '@cmcp/evidence';
import type { StartedGateway } from '@cmcp/gateway';
import { callMeta, refused } from './support/calls.ts';
import { type TestBed, withBed } from './support/gateway.ts';
import { sessionFile } from './support/session-files.ts';

const TOOLS = [{ name: 'echo' }];
const SECRET = 'the-secret-that-a-server-is-shown';

/** The `session_start` detail of the session that answered `result`. */
async function commitmentOf(bed: TestBed, started: StartedGateway, result: object): Promise<JsonObject> {
  const { session_id } = callMeta(result);
  await bed.operator('POST', `/operator/v1/sessions/${session_id}/close`);
  const { bundle } = await sessionFile(started, session_id);
  return bundle.entries[0]?.detail ?? {};
}

test('the gateway connects to the servers of its catalog and to nothing else, and every session names that list [ATK-28]', () =>
  withBed({ tools: TOOLS }, async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const result = await client.callTool({ name: 'echo', arguments: {} });
    const { egress_hash } = await commitmentOf(bed, started, result);
    assert.equal(egress_hash, digest(canonicalSorted([new URL(bed.server.url).host])));
  }));

test('a server that the configured list leaves out is not reached, whatever the catalog says, and the refusal is entered', () =>
  withBed({ tools: TOOLS, config: 'egress: { allow: ["other.example:443"] }' }, async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const error = await refused(client.callTool({ name: 'echo', arguments: {} }));
    assert.equal(error.data.error_code, 'UPSTREAM_UNAVAILABLE');
    assert.equal(bed.server.calls.length, 0);
    assert.ok(bed.reports.some((line) => /is not on the egress allow-list/.test(line)));
    await bed.stop();
    const ids = (await readdir(started.sessionsFolder)).map((file) => file.replace('.cmcp.json', ''));
    const entries = (await Promise.all(ids.map((id) => sessionFile(started, id)))).flatMap(
      ({ bundle }) => bundle.entries,
    );
    const fault = entries.find(({ entry_type }) => entry_type === 'fault');
    assert.equal(fault?.detail?.error_code, 'UPSTREAM_UNAVAILABLE');
    assert.equal(entries[0]?.detail?.egress_hash, digest(canonicalSorted([])));
  }));

test('the credential of a server is seen by that server: not by the agent, not in reports, not in the session file', () =>
  withBed(
    { tools: TOOLS, config: 'upstreams: { scripted: { credential: { file: ./server.token } } }' },
    async (bed) => {
      await writeFile(join(bed.folder, 'server.token'), `${SECRET}\n`, { mode: 0o600 });
      const { started, url } = await bed.start();
      const client = await bed.client(url);
      const result = await client.callTool({ name: 'echo', arguments: {} });
      assert.ok(bed.server.headers.every(({ authorization }) => authorization === `Bearer ${SECRET}`));
      const { session_id } = callMeta(result);
      await bed.operator('POST', `/operator/v1/sessions/${session_id}/close`);
      const written = JSON.stringify([result, bed.reports, await sessionFile(started, session_id)]);
      assert.ok(!written.includes(SECRET) && !written.includes(Buffer.from(SECRET).toString('base64url')));
    },
  ));
