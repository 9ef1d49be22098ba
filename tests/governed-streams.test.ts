import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import type { Moment } from './support/peer-server.ts';
import { FAMILIES, type Family, type Values } from './support/wire.ts';

const CALL = { name: 'work', arguments: {} };
const SERVERS = [
  { family: 'handshake', transport: 'http' },
  { family: 'modern', transport: 'http' },
  { family: 'handshake', transport: 'stdio' },
  { family: 'modern', transport: 'stdio' },
] as const;
type Server = (typeof SERVERS)[number];

/** A credential by its form, in two halves that are none. */
const HALVES = ['ghp_Zq4xW8nT2bK6', 'vR1mJ7cY3dL9sH5fG0pQ2aE8'] as const;

const streaming = (
  server: Server,
  script: (moment: Moment) => Values | Promise<Values>,
  more: Partial<PeerSetup> = {},
) =>
  ({
    servers: { main: { ...server, script: (peer) => peer.on('tools/call', script) } },
    tools: { work: { sensitivity: 'confidential', effects: 'read' } },
    ...more,
  }) satisfies PeerSetup;

/** The operator's file with these settings. */
const settings = (lines: string): string => `inspection: 1\nversion: "1"\n${lines}\n`;

const wanted = (family: Family) =>
  family === 'modern' ? { progressToken: 'p', 'io.modelcontextprotocol/logLevel': 'info' } : { progressToken: 'p' };

async function agentOf(bed: PeerBed, family: Family) {
  const agent = await bed.agent(family);
  if (family === 'handshake') await agent.request('logging/setLevel', { level: 'info' });
  return agent;
}

type Agent = Awaited<ReturnType<typeof agentOf>>;
const words = (agent: Agent): unknown[] => agent.heard.items.map(({ params }) => params.message ?? params.data ?? null);
const none = { content: [] };

async function entryOf(bed: PeerBed, agent: Agent, reply: Parameters<typeof receiptOf>[0]) {
  const { session_id } = receiptOf(reply);
  await bed.endSession(agent, session_id);
  const [entry, ...more] = await bed.entries(session_id, ...HALVES);
  assert.deepEqual(more, [], 'one entry');
  return entry;
}

for (const family of FAMILIES) {
  for (const server of SERVERS) {
    const who = `${family} agent, ${server.family} server over ${server.transport}`;

    test(`a secret that is split over notices is taken out of each, and what is harmless goes on at once: ${who}`, () => {
      const heard = Promise.withResolvers<void>();
      const talking = async ({ progress, log }: Moment) => {
        progress(1, 'Processing 1 of 3');
        await heard.promise;
        progress(2, `the key is ${HALVES[0]}`);
        progress(3, `${HALVES[1]} from today`);
        log('info', `key: ${HALVES[0]}`);
        log('info', HALVES[1]);
        return none;
      };
      return withPeers(streaming(server, talking), async (bed) => {
        const agent = await agentOf(bed, family);
        const reply = agent.request('tools/call', CALL, wanted(family));
        await agent.heard.first(({ params }) => params.message === 'Processing 1 of 3');
        heard.resolve();
        const entry = await entryOf(bed, agent, await reply);
        assert.deepEqual(words(agent), [
          'Processing 1 of 3',
          'the key is [redacted: github-pat]',
          '[redacted: github-pat] from today',
          'key: [redacted: github-pat]',
          '[redacted: github-pat]',
        ]);
        for (const half of HALVES) assert.equal(agent.bodies.join().includes(half), false);
        assert.equal(entry?.policy_decision, 'redact');
        assert.equal(entry?.detail?.taken_out, 'github-pat:4');
        assert.equal(entry?.detail?.notices_relayed, 5);
        assert.equal(entry?.detail?.notices_withheld, undefined);
      });
    });

    test(`a notice that may not be passed on ends the call, its server is told, and what follows is dropped: ${who}`, () => {
      const cancelled = Promise.withResolvers<void>();
      const talking = async ({ progress, gone }: Moment) => {
        progress(1, 'Processing 1 of 3');
        progress(2, `the key is ${HALVES[0]}`);
        progress(3, HALVES[1]);
        progress(4, 'Processing 3 of 3');
        await gone;
        cancelled.resolve();
        return none;
      };
      const inspection = settings('defaults: { outcomes: { secret: deny } }');
      return withPeers(streaming(server, talking, { inspection }), async (bed) => {
        const agent = await agentOf(bed, family);
        const reply = await agent.request('tools/call', CALL, wanted(family));
        await cancelled.promise;
        assert.equal(codeOf(reply), 'RESPONSE_CONTENT_REFUSED');
        assert.equal(reply.error?.data?.mid_stream, true);
        assert.deepEqual(words(agent), ['Processing 1 of 3']);
        for (const half of HALVES) assert.equal(agent.bodies.join().includes(half), false);
        const entry = await entryOf(bed, agent, reply);
        assert.equal(entry?.entry_type, 'egress_denied');
        assert.equal(entry?.detail?.error_code, 'RESPONSE_CONTENT_REFUSED');
        assert.equal(entry?.detail?.mid_stream, 'true');
        assert.equal(entry?.detail?.notices_relayed, 1);
        assert.ok(Number(entry?.detail?.notices_withheld) >= 2);
      });
    });
  }

  test(`where the tool's stream is buffered, nothing is said before its answer may be released: ${family} agent`, () => {
    const talking = ({ progress, log, params, gone }: Moment) => {
      progress(1, 'Processing 1 of 3');
      log('info', 'connected');
      const { secret, said } = params.arguments as Values;
      if (said === true) {
        for (const half of HALVES) log('info', half);
        return gone.then(() => none);
      }
      return { content: [{ type: 'text', text: secret === true ? HALVES.join('') : 'done' }] };
    };
    const inspection = settings('tools: { work: { stream: buffered, outcomes: { secret: deny } } }');
    return withPeers(streaming(SERVERS[0], talking, { inspection }), async (bed) => {
      const agent = await agentOf(bed, family);
      const denied = await agent.request('tools/call', { ...CALL, arguments: { secret: true } }, wanted(family));
      assert.equal(codeOf(denied), 'RESPONSE_CONTENT_REFUSED');
      assert.equal(denied.error?.data?.mid_stream, undefined);
      const ended = await agent.request('tools/call', { ...CALL, arguments: { said: true } }, wanted(family));
      assert.equal(codeOf(ended), 'RESPONSE_CONTENT_REFUSED');
      assert.equal(ended.error?.data?.mid_stream, true);
      assert.deepEqual(words(agent), []);
      const reply = await agent.request('tools/call', CALL, wanted(family));
      assert.deepEqual(words(agent), ['Processing 1 of 3', 'connected']);
      const { session_id } = receiptOf(reply);
      await bed.endSession(agent, session_id);
      const entries = await bed.entries(session_id, ...HALVES);
      assert.deepEqual(
        entries.map(({ detail }) => [detail?.notices_relayed, detail?.notices_withheld]),
        [
          [undefined, 2],
          [undefined, 4],
          [2, undefined],
        ],
      );
    });
  });

  test(`in advisory mode everything is said, as it is, and recorded as it would have been: ${family} agent [D-16]`, () => {
    const talking = ({ progress }: Moment) => {
      progress(1, `the key is ${HALVES[0]}`);
      progress(2, HALVES[1]);
      return none;
    };
    const setup = { inspection: settings('defaults: { outcomes: { secret: deny } }'), config: 'mode: advisory' };
    return withPeers(streaming(SERVERS[0], talking, setup), async (bed) => {
      const agent = await agentOf(bed, family);
      const reply = await agent.request('tools/call', CALL, wanted(family));
      assert.deepEqual(words(agent), [`the key is ${HALVES[0]}`, HALVES[1]]);
      const entry = await entryOf(bed, agent, reply);
      assert.equal(entry?.policy_decision, 'advisory_deny');
      assert.match(String(entry?.detail?.found), /^github-pat:/);
    });
  });

  test(`what a server says of its failure is passed on, without what is found in it: ${family} agent`, () => {
    const talking = ({ log }: Moment) => {
      log('info', `could not use key ${HALVES[0]}`);
      log('info', HALVES[1]);
      return Promise.reject(new Error('broken'));
    };
    return withPeers(streaming(SERVERS[0], talking), async (bed) => {
      const agent = await agentOf(bed, family);
      const reply = await agent.request('tools/call', CALL, wanted(family));
      assert.ok(reply.error);
      assert.deepEqual(words(agent), ['could not use key [redacted: github-pat]', '[redacted: github-pat]']);
    });
  });
}
