import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABLE, type Agent } from './support/agent.ts';
import { asking, FORM, MAY_ASK, told, toldWith } from './support/asks.ts';
import { ManualTime } from './support/manual-time.ts';
import { codeOf, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { closedFile } from './support/session-files.ts';
import { timed } from './support/timed-gateway.ts';
import { FAMILIES, type Family, type Values } from './support/wire.ts';

const INPUT_TIMEOUT_MS = 60_000;
const CALL = { name: 'form', arguments: {} };
const never = new Promise<never>(() => {});

const waiting = (server: Family, script = asking({ form: FORM }), changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { family: server, asks: MAY_ASK, script } },
  tools: { form: {} },
  config: 'limits: { input_timeout: 1m }',
  ...changes,
});

const actions = async (bed: PeerBed, session: string) =>
  (await bed.entries(session, 'CANARY')).map(({ action, detail }) => [action, detail?.error_code ?? null]);

/** A call whose client never answers; resolves once it was asked. */
async function asked(agent: Agent): Promise<{ reply: Promise<{ result?: Values }> }> {
  agent.answer = () => never;
  const reply = agent.complete('tools/call', CALL);
  reply.catch(() => undefined);
  await agent.asked.first();
  return { reply };
}

test('a person has as long as the configuration says, however long that is', async () => {
  const time = new ManualTime();
  const setup = waiting('handshake', undefined, { config: 'limits: { input_timeout: 2h }', deps: { timers: time } });
  await withPeers(setup, async (bed) => {
    const answer = Promise.withResolvers<Values>();
    const agent = await bed.agent('handshake', { capabilities: ABLE, answer: () => answer.promise });
    const reply = agent.request('tools/call', CALL);
    await agent.asked.first();
    time.advance(119 * 60_000);
    answer.resolve(FORM.answer);
    assert.deepEqual(told(await reply).q?.result, FORM.answer);
  });
});

for (const server of FAMILIES) {
  test(`who does not answer in time has not answered: handshake agent, ${server} server`, async () => {
    const time = new ManualTime();
    await withPeers(waiting(server, undefined, { deps: { ...timed(time), timers: time } }), async (bed) => {
      const agent = await bed.agent('handshake', { capabilities: ABLE });
      const { reply } = await asked(agent);
      time.advance(INPUT_TIMEOUT_MS);
      const ended = await reply;
      if (server === 'modern') assert.equal(codeOf(ended), 'ASK_UNANSWERED');
      else assert.ok(told(ended).q?.error);
      await agent.heard.first(({ method }) => method === 'notifications/cancelled');
      const { session_id } = receiptOf(ended);
      await bed.endSession(agent, session_id);
      assert.deepEqual(await actions(bed, session_id), [
        ['elicit', 'ASK_UNANSWERED'],
        ['call_tool', server === 'modern' ? 'ASK_UNANSWERED' : null],
      ]);
    });
  });

  test(`who comes back too late, or never, finds the call ended: modern agent, ${server} server [MCP26-29]`, async () => {
    const time = new ManualTime();
    await withPeers(waiting(server, undefined, { deps: { ...timed(time), timers: time } }), async (bed) => {
      const agent = await bed.agent('modern', { capabilities: ABLE, answer: () => FORM.answer });
      const interim = (await agent.request('tools/call', CALL)).result ?? {};
      assert.equal(interim.resultType, 'input_required');
      time.advance(INPUT_TIMEOUT_MS);
      const late = await agent.request('tools/call', { ...CALL, ...(await agent.answers(interim)) });
      assert.equal(codeOf(late), 'INVALID_PARAMS');
      const { session_id } = receiptOf(late);
      await bed.endSession(agent, session_id);
      const entries = await actions(bed, session_id);
      // The parked call and the late retry end independently of each other.
      assert.deepEqual(
        entries.toSorted(),
        server === 'modern'
          ? [
              ['call_tool', null],
              ['call_tool', 'INVALID_PARAMS'],
              ['elicit', null],
            ].toSorted()
          : [
              ['call_tool', null],
              ['call_tool', 'INVALID_PARAMS'],
              ['elicit', 'ASK_UNANSWERED'],
            ].toSorted(),
      );
    });
  });

  test(`who takes the call back is asked no more, and the server is told: handshake agent, ${server} server`, () =>
    withPeers(waiting(server), async (bed) => {
      const agent = await bed.agent('handshake', { capabilities: ABLE, answer: () => never });
      const { session_id } = receiptOf(await agent.request('resources/read', { uri: 'none:///' }));
      const call = agent.start('tools/call', CALL);
      await agent.asked.first();
      await call.cancel();
      if (server === 'handshake') {
        await bed.peer.received.first(({ method }) => method === 'notifications/cancelled');
      }
      await bed.endSession(agent, session_id);
      assert.deepEqual((await actions(bed, session_id)).slice(1), [
        ['elicit', 'CALL_CANCELLED'],
        ['call_tool', 'CALL_CANCELLED'],
      ]);
    }));

  for (const [how, close] of Object.entries({
    DELETE: (_bed: PeerBed, agent: Agent) => agent.end(),
    activation: (bed: PeerBed) => void bed.gateway.reload(),
    'an operator': (bed: PeerBed, _agent: Agent, session: string) => bed.closeByOperator(session),
  })) {
    test(`a session that is closed by ${how} while an ask waits closes with an entry for the ask and for the call: handshake agent, ${server} server`, () =>
      withPeers(waiting(server), async (bed) => {
        const agent = await bed.agent('handshake', { capabilities: ABLE });
        const { session_id } = receiptOf(await agent.request('resources/read', { uri: 'none:///' }));
        await asked(agent);
        await close(bed, agent, session_id);
        await closedFile(bed.started, session_id);
        const [, ask, call] = await actions(bed, session_id);
        assert.equal(ask?.[0], 'elicit');
        assert.match(String(ask?.[1]), /^(ASK_UNANSWERED|CALL_CANCELLED)$/);
        assert.equal(call?.[0], 'call_tool');
      }));
  }

  for (const [how, close] of Object.entries({
    activation: (bed: PeerBed) => void bed.gateway.reload(),
    'an operator': (bed: PeerBed, session: string) => bed.closeByOperator(session),
  })) {
    test(`a session that is closed by ${how} while its agent is away closes all the same: modern agent, ${server} server`, () =>
      withPeers(waiting(server), async (bed) => {
        const agent = await bed.agent('modern', { capabilities: ABLE, answer: () => FORM.answer });
        const interim = (await agent.request('tools/call', CALL)).result ?? {};
        const { session_id } = receiptOf({ result: interim });
        await close(bed, session_id);
        await closedFile(bed.started, session_id);
        const entries = await actions(bed, session_id);
        assert.deepEqual(
          entries,
          server === 'modern'
            ? [
                ['elicit', null],
                ['call_tool', null],
              ]
            : [
                ['elicit', 'ASK_UNANSWERED'],
                ['call_tool', null],
              ],
        );
      }));
  }
}

test('a parked call whose agent goes away is cancelled only while the agent waits for it [MCP26-26]', () =>
  withPeers(
    waiting('handshake', (peer: PeerServer) => {
      peer.on('tools/call', async ({ gone }) => {
        await gone;
        return { content: [] };
      });
    }),
    async (bed) => {
      const agent = await bed.agent('modern', { capabilities: ABLE });
      const { session_id } = receiptOf(await agent.request('resources/read', { uri: 'none:///' }));
      const call = agent.start('tools/call', CALL);
      await bed.peer.received.first(({ method }) => method === 'tools/call');
      await call.cancel();
      await bed.peer.received.first(({ method }) => method === 'notifications/cancelled');
      await bed.endSession(agent, session_id);
      assert.deepEqual((await actions(bed, session_id)).at(-1), ['call_tool', 'CALL_CANCELLED']);
    },
  ));

for (const agentFamily of FAMILIES) {
  const answering = Promise.withResolvers<void>();
  test(`a server that answers without waiting for what it asked gets no answer to it, and the ask is entered: ${agentFamily} agent`, () =>
    withPeers(
      waiting('handshake', (peer: PeerServer) => {
        peer.on('tools/call', async ({ ask, gone }) => {
          void ask('q', FORM.method, FORM.params);
          await Promise.race([answering.promise, gone]);
          return { content: [{ type: 'text', text: 'already' }] };
        });
      }),
      async (bed) => {
        const agent = await bed.agent(agentFamily, { capabilities: ABLE, answer: () => never });
        if (agentFamily === 'handshake') {
          const reply = agent.request('tools/call', CALL);
          await agent.asked.first();
          answering.resolve();
          const { session_id } = receiptOf(await reply);
          await agent.heard.first(({ method }) => method === 'notifications/cancelled');
          await bed.endSession(agent, session_id);
          assert.deepEqual(await actions(bed, session_id), [
            ['elicit', 'CALL_CANCELLED'],
            ['call_tool', null],
          ]);
          return;
        }
        const interim = await agent.request('tools/call', CALL);
        assert.equal(interim.result?.resultType, 'input_required');
        const { session_id } = receiptOf(interim);
        answering.resolve();
        await bed.endSession(agent, session_id);
        assert.deepEqual((await actions(bed, session_id)).map(([action]) => action).toSorted(), [
          'call_tool',
          'elicit',
        ]);
      },
    ));
}

for (const server of FAMILIES) {
  test(`of two questions at once one is refused: the other is taken back, and both are entered: ${server} server`, () =>
    withPeers(
      waiting(
        server,
        toldWith(({ askAll }) =>
          askAll({
            q: FORM,
            secret: {
              method: FORM.method,
              params: { message: 'x', requestedSchema: { type: 'object', properties: { pin: { type: 'string' } } } },
            },
          }),
        ),
      ),
      async (bed) => {
        const agent = await bed.agent('handshake', {
          capabilities: ABLE,
          answer: () => (server === 'modern' ? never : FORM.answer),
        });
        const reply = await agent.request('tools/call', CALL);
        if (server === 'modern') assert.equal(codeOf(reply), 'ASK_REFUSED');
        else assert.deepEqual([told(reply).q?.result, told(reply).secret?.result], [FORM.answer, undefined]);
        const { session_id } = receiptOf(reply);
        await bed.endSession(agent, session_id);
        const entries = await actions(bed, session_id);
        assert.equal(entries.length, 3);
        assert.equal(entries.at(-1)?.[0], 'call_tool', 'the call is entered last');
        assert.deepEqual(
          entries
            .slice(0, 2)
            .map(([, code]) => code)
            .toSorted(),
          server === 'modern' ? ['ASK_REFUSED', 'CALL_CANCELLED'] : ['ASK_REFUSED', null],
        );
      },
    ));
}

test('a question that the server takes back is taken back from the client while the call goes on', () => {
  const [taken, finished] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const script = (peer: PeerServer): void => {
    peer.on('tools/call', async ({ ask, notify }) => {
      void ask('q', FORM.method, FORM.params);
      await taken.promise;
      notify('notifications/cancelled', { requestId: 'ask-of-the-server-1' });
      await finished.promise;
      return { content: [] };
    });
  };
  return withPeers(waiting('handshake', script), async (bed) => {
    const agent = await bed.agent('handshake', { capabilities: ABLE, answer: () => never });
    const reply = agent.request('tools/call', CALL);
    await agent.asked.first();
    taken.resolve();
    await agent.heard.first(({ method }) => method === 'notifications/cancelled');
    finished.resolve();
    const { session_id } = receiptOf(await reply);
    await bed.endSession(agent, session_id);
    assert.deepEqual(await actions(bed, session_id), [
      ['elicit', 'CALL_CANCELLED'],
      ['call_tool', null],
    ]);
  });
});
