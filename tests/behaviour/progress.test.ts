import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { type Front, front, pipe } from '../support/behaviour.ts';
import { envelope, initialize, inSession, modern } from '../support/ingress.ts';
import { Events, Peer } from '../support/peer.ts';
import { type Received, resultFor, scriptOf, textResult } from '../support/upstreams.ts';

const FAMILIES = ['2026-07-28', 'handshake'] as const;
const said = textResult('hi') as JsonObject;
const tokenOf = ({ message }: Received): string => String(message.params?._meta?.progressToken);

/** A call with a progress token, in each family. */
async function calling(gateway: Front, family: (typeof FAMILIES)[number], progressToken?: string | number) {
  const meta: JsonObject = progressToken === undefined ? {} : { progressToken };
  if (family === '2026-07-28') {
    return gateway.stream(modern('tools/call', { name: 'echo', arguments: {}, _meta: envelope(meta) }));
  }
  const session = String((await gateway.send(initialize())).headers['mcp-session-id']);
  const params = { name: 'echo', arguments: {}, _meta: meta };
  return gateway.stream(inSession(session, { jsonrpc: '2.0', id: 1, method: 'tools/call', params }));
}

async function heardOf(stream: Awaited<ReturnType<typeof calling>>): Promise<JsonObject[]> {
  return (await stream.rest()).flatMap(({ message }) =>
    message?.method === undefined ? [] : [message.params as JsonObject],
  );
}

for (const family of FAMILIES) {
  test(`progress comes under the client's own token, type and all, and only ever grows, in ${family} ${family === '2026-07-28' ? '[B26-511] [B26-513]' : '[B25-511] [B25-513]'}`, async (t) => {
    for (const behind of FAMILIES) {
      const peer = await Peer.listening(t, { family: behind });
      peer.on('tools/call', (request) => {
        const events = new Events(request.response);
        for (const progress of [1, 1, 0.5, 2.5, 2, -1, 'x', null, 3] as never[]) {
          events.tell('notifications/progress', { progressToken: tokenOf(request), progress, total: 3 });
        }
        events.send(resultFor(request.message, said)).end();
      });
      const gateway = await front(t, { peer });
      for (const token of ['t', 7, '7', 0]) {
        const heard = await heardOf(await calling(gateway, family, token));
        assert.deepEqual(
          heard,
          [1, 2.5, 3].map((progress) => ({ progressToken: token, progress, total: 3 })),
        );
      }
    }
  });

  test(`without a token no progress comes, and none after the answer, in ${family} ${family === '2026-07-28' ? '[B26-514] [B26-515]' : '[B25-514] [B25-515]'}`, async (t) => {
    const peer = await Peer.listening(t, { family: '2026-07-28' });
    const first: string[] = [];
    peer.on('tools/call', (request) => {
      const events = new Events(request.response);
      first.push(tokenOf(request));
      for (const token of ['guess', 1, ...first])
        events.tell('notifications/progress', { progressToken: token, progress: 1 });
      events.send(resultFor(request.message, said));
      events.tell('notifications/progress', { progressToken: tokenOf(request), progress: 2 }).end();
    });
    const gateway = await front(t, { peer });
    assert.deepEqual(await heardOf(await calling(gateway, family)), []);
    assert.deepEqual(first, ['undefined']);
    assert.deepEqual(await heardOf(await calling(gateway, family, 'a')), [{ progressToken: 'a', progress: 1 }]);
    // The token of the first request is known, and over.
    assert.deepEqual(await heardOf(await calling(gateway, family, 'b')), [{ progressToken: 'b', progress: 1 }]);
  });

  test(`the tokens that servers are given are unique, in ${family} ${family === '2026-07-28' ? '[B26-512]' : '[B25-512]'}`, async (t) => {
    const peer = await Peer.listening(t, { family });
    const held: Received[] = [];
    peer.on('tools/call', (request) => held.push(request));
    const gateway = await front(t, { peer });
    const streams = [1, 2, 3].map(() => calling(gateway, '2026-07-28', 'same'));
    await peer.reached('tools/call', 3);
    const tokens = held.map(({ message }) => message.params?._meta?.progressToken);
    assert.ok(new Set(tokens).size === 3 && tokens.every((token) => typeof token === 'string'));
    for (const request of held) new Events(request.response).send(resultFor(request.message, said)).end();
    for (const stream of await Promise.all(streams)) stream.close();
  });
}

test('over a pipe too, progress is of the request whose token it names, and ends with it [B26-514] [B26-515]', async (t) => {
  const script = `
    on.discover = (m) => ok(m.id, { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ttlMs: 0, cacheScope: 'private' });
    on.list = (m) => ok(m.id, { resultType: 'complete', tools: [{ name: 'echo', inputSchema: { type: 'object', properties: { text: { type: 'string' } } } }] });
    const calls = [];
    const tell = (m, progress) => send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: m.params._meta.progressToken, progress } });
    on.call = (m) => {
      calls.push(m);
      if (calls.length < 2) return;
      const [one, two] = calls;
      tell(one, 1); tell(two, 1); tell(one, 2);
      ok(one.id, text('one'));
      tell(one, 3); tell(two, 2);
      ok(two.id, text('two'));
    };`;
  const offered = {
    tools: [{ name: 'echo', inputSchema: { type: 'object', properties: { text: { type: 'string' } } } }],
    resources: [],
    resourceTemplates: [],
    prompts: [],
  };
  const gateway = await pipe(t, { peer: { script: scriptOf(script), offered } });
  for (const id of ['a', 'b']) {
    const params = { name: 'echo', arguments: {}, _meta: envelope({ progressToken: `token-${id}` }) };
    gateway.say({ jsonrpc: '2.0', id, method: 'tools/call', params });
  }
  const heard: string[] = [];
  for (let answers = 0; answers < 2; ) {
    const message = await gateway.next();
    if (message.method === undefined) answers += 1;
    const { progressToken, progress } = (message.params ?? {}) as JsonObject;
    heard.push(message.method === undefined ? String(message.id) : `${progressToken} ${progress}`);
  }
  assert.deepEqual(
    heard.filter((each) => !each.includes('-b') && each !== 'b'),
    ['token-a 1', 'token-a 2', 'a'],
  );
  assert.deepEqual(
    heard.filter((each) => !each.includes('-a') && each !== 'a'),
    ['token-b 1', 'token-b 2', 'b'],
  );
});
