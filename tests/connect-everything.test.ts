import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { type EverythingServer, startEverythingServer } from './conformance/everything/http.ts';
import { startOddServer } from './differential/odd-server.ts';
import { CLI } from './support/cli.ts';
import { TOURS, type Tourist, touristV1, touristV2 } from './support/client-tour.ts';
import { ALLOW_EVERYTHING, mayAsk, TakenOver } from './support/taken-over.ts';

let everything: EverythingServer;
let odd: Awaited<ReturnType<typeof startOddServer>>;
let over: TakenOver;
/** `cmcp connect`, as a client spawns it. */
let spawned: { command: string; args: string[]; env: Record<string, string>; stderr: 'ignore' };

before(async () => {
  [everything, odd] = await Promise.all([startEverythingServer(), startOddServer('handshake')]);
  over = await TakenOver.create(
    { everything: { url: everything.url }, odd: { url: odd.url } },
    { policies: ALLOW_EVERYTHING, amend: (catalog) => mayAsk(catalog, 'everything'), config: 'tls: generated' },
  );
  const { url, policyHash, catalogHash, publicKey } = await over.started();
  const expectations = join(over.folder, 'expect.json');
  const values = { policy_hash: policyHash, catalog_hash: catalogHash, keys: [publicKey], accept: ['software'] };
  await writeFile(expectations, JSON.stringify({ cmcp_expect: 1, ...values }));
  spawned = {
    ...over.spawned,
    args: [CLI, 'connect', url ?? '', '--expect', expectations, '--token-env', 'CMCP_TOKEN'],
    env: { ...over.spawned.env, CMCP_TOKEN: over.token },
  };
});
after(async () => {
  await over?.close();
  await Promise.all([everything?.close(), odd?.close()]);
});

const CLIENTS: Record<string, () => Promise<Tourist>> = {
  'SDK v1': () => touristV1(new StdioV1(spawned)),
  'SDK v2, handshake': () => touristV2(new StdioV2(spawned), 'handshake'),
  'SDK v2, 2026-07-28': () => touristV2(new StdioV2(spawned), 'modern'),
};

for (const [name, connect] of Object.entries(CLIENTS)) {
  test(`${name} through cmcp connect: ${Object.keys(TOURS).join('; ')}`, async () => {
    const it = await connect();
    try {
      for (const tour of Object.values(TOURS)) await tour(it);
    } finally {
      await it.close();
    }
  });
}
