import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { asking, MAY_ASK, QUESTIONS, told } from './support/asks.ts';
import { callMeta, refused } from './support/calls.ts';
import { AGENT_TOKEN } from './support/gateway.ts';
import { type PeerBed, type PeerSetup, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { closedFile } from './support/session-files.ts';
import { FAMILIES, type Family } from './support/wire.ts';

const GUIDE = 'note:///guide';

const script = (peer: PeerServer): void => {
  asking(QUESTIONS)(peer);
  peer.on('resources/read', ({ params }) => ({ contents: [{ uri: params.uri, text: 'CANARY' }] }));
  peer.on('prompts/get', () => ({ messages: [{ role: 'user', content: { type: 'text', text: 'CANARY' } }] }));
  peer.on('completion/complete', () => ({ completion: { values: ['CANARY'] } }));
};

const setup = (family: Family): PeerSetup => ({
  servers: { main: { family, asks: MAY_ASK, script } },
  tools: Object.fromEntries(Object.keys(QUESTIONS).map((name) => [name, {}])),
  resources: { guide: { uri: GUIDE } },
  prompts: { explain: {} },
});

/** The official client, which answers what it is asked. */
async function client(bed: PeerBed, family: Family): Promise<Client> {
  const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
  const mode = family === 'modern' ? 'auto' : 'legacy';
  const made = new Client({ name: 'sdk', version: '1' }, { capabilities, versionNegotiation: { mode } });
  const answerOf = (name: string) => QUESTIONS[name]?.answer as never;
  made.setRequestHandler('elicitation/create', ({ params }) => answerOf(params.mode === 'url' ? 'login' : 'form'));
  made.setRequestHandler('sampling/createMessage', () => answerOf('think'));
  made.setRequestHandler('roots/list', () => answerOf('look'));
  const headers = { authorization: `Bearer ${AGENT_TOKEN}` };
  await made.connect(new StreamableHTTPClientTransport(bed.url, { requestInit: { headers } }));
  return made;
}

for (const family of FAMILIES) {
  for (const server of FAMILIES) {
    test(`the official client has everything through the gateway, with an entry for each: ${family} client, ${server} server`, () =>
      withPeers(setup(server), async (bed) => {
        const sdk = await client(bed, family);
        for (const [name, { answer }] of Object.entries(QUESTIONS)) {
          const result = (await sdk.callTool({ name, arguments: {} })) as { content: { text: string }[] };
          assert.deepEqual(told({ result }).q?.result, answer, name);
        }
        const read = await sdk.readResource({ uri: GUIDE });
        assert.deepEqual(read.contents, [{ uri: GUIDE, text: 'CANARY' }]);
        assert.equal((await sdk.getPrompt({ name: 'explain' })).messages.length, 1);
        const ref = { type: 'ref/prompt' as const, name: 'explain' };
        assert.deepEqual((await sdk.complete({ ref, argument: { name: 'topic', value: '' } })).completion.values, [
          'CANARY',
        ]);
        assert.equal((await sdk.listTools()).tools.length, 4);
        assert.equal((await sdk.listResources()).resources.length, 1);
        assert.equal((await sdk.listPrompts()).prompts.length, 1);
        const unknown = await refused(sdk.readResource({ uri: 'note:///other' }));
        assert.equal((unknown.data as { uri?: string }).uri, 'note:///other');
        const { session_id } = callMeta(read as { _meta?: Record<string, unknown> });
        await sdk.close();
        await bed.closeByOperator(session_id);
        await closedFile(bed.started, session_id);
        const entries = await bed.entries(session_id, 'CANARY');
        const twice = family === 'modern' && server === 'modern' ? 2 : 1;
        const counts = Object.groupBy(entries, ({ action }) => String(action));
        assert.deepEqual(Object.fromEntries(Object.entries(counts).map(([action, each]) => [action, each?.length])), {
          call_tool: 4 * twice,
          elicit: 2 * twice,
          sample: twice,
          list_roots: twice,
          read_resource: 2,
          get_prompt: 1,
          complete: 1,
        });
      }));
  }
}
