import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABLE, type Agent } from './support/agent.ts';
import { asking, FORM, MAY_ASK, QUESTIONS, told, toldWith } from './support/asks.ts';
import { OTHER_TOKEN } from './support/gateway.ts';
import { codeOf, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { STATE_PREFIX } from './support/peer-server.ts';
import { FAMILIES, type Family, type Values } from './support/wire.ts';

const CALL = { name: 'form', arguments: { to: 'CANARY' } };

const rounds = (server: Family, script = asking({ form: FORM }), changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { family: server, asks: MAY_ASK, script } },
  tools: { form: {} },
  resources: { guide: { uri: 'note:///guide' } },
  prompts: { explain: {} },
  ...changes,
});

const able = (bed: PeerBed, token?: string): Promise<Agent> =>
  bed.agent('modern', { capabilities: ABLE, answer: () => FORM.answer, ...(token === undefined ? {} : { token }) });

for (const server of FAMILIES) {
  test(`a requestState is good once, for its caller and its request, and nothing of the server's is in it: ${server} server [MCP26-29]`, () =>
    withPeers(rounds(server), async (bed) => {
      const agent = await able(bed);
      const other = await able(bed, OTHER_TOKEN);
      const interim = (await agent.request('tools/call', CALL)).result ?? {};
      const back = await agent.answers(interim);
      const state = String(back.requestState);
      assert.equal(Buffer.from(state, 'base64url').includes(STATE_PREFIX), false);
      const refused = async (by: Agent, params: Values): Promise<string> => {
        const reply = await by.request('tools/call', { ...CALL, ...params });
        assert.equal(codeOf(reply), 'INVALID_PARAMS');
        assert.equal(reply.error?.code, -32602);
        return receiptOf(reply).session_id;
      };
      const before = bed.peer.sent('tools/call').length;
      await refused(agent, { ...back, requestState: `${state.slice(0, -2)}AA` });
      await refused(agent, { ...back, requestState: 'the-servers-own-state:{}' });
      await refused(agent, { ...back, arguments: { to: 'another' } });
      const others = await refused(other, back);
      assert.equal(bed.peer.sent('tools/call').length, before, 'nothing of it reaches the server');
      const reply = await agent.request('tools/call', { ...CALL, ...back });
      assert.deepEqual(told(reply).q?.result, FORM.answer);
      const session = await refused(agent, back);
      await bed.endSession(agent, session);
      await bed.closeByOperator(others);
      const entries = await bed.entries(session, 'CANARY', state);
      const invalid = entries.filter(({ detail }) => detail?.error_code === 'INVALID_PARAMS');
      assert.deepEqual(
        invalid.map(({ policy_decision }) => policy_decision),
        Array.from({ length: 4 }, () => 'deny'),
      );
      assert.equal((await bed.entries(others)).length, 1);
    }));

  test(`what was not asked does not leave with the answers: ${server} server`, () =>
    withPeers(rounds(server), async (bed) => {
      const agent = await able(bed);
      const interim = (await agent.request('tools/call', CALL)).result ?? {};
      const back = await agent.answers(interim);
      const [key = ''] = Object.keys(interim.inputRequests as Values);
      const inputResponses = {
        [key]: { ...FORM.answer, content: { city: 'Rome', extra: 'CANARY-extra' }, _meta: { also: 'CANARY-extra' } },
        uninvited: { action: 'accept', content: { all: 'CANARY-extra' } },
      };
      const reply = await agent.request('tools/call', { ...CALL, ...back, inputResponses });
      assert.deepEqual(told(reply).q?.result, { action: 'accept', content: { city: 'Rome' } });
      assert.equal(JSON.stringify(bed.peer.received.items).includes('CANARY-extra'), false);
    }));

  test(`an agent that comes back without an answer is asked again: ${server} server`, () =>
    withPeers(rounds(server), async (bed) => {
      const agent = await able(bed);
      const interim = (await agent.request('tools/call', CALL)).result ?? {};
      const { requestState } = await agent.answers(interim);
      const again = (await agent.request('tools/call', { ...CALL, requestState, inputResponses: {} })).result ?? {};
      assert.equal(again.resultType, 'input_required');
      assert.deepEqual(again.inputRequests, interim.inputRequests);
      assert.notEqual(again.requestState, requestState);
      const reply = await agent.request('tools/call', { ...CALL, ...(await agent.answers(again)) });
      assert.deepEqual(told(reply).q?.result, FORM.answer);
    }));

  for (const agentFamily of FAMILIES) {
    test(`two rounds, the first with two questions at once: ${agentFamily} agent, ${server} server`, () => {
      const script = toldWith(async ({ ask, askAll }) => {
        const first = await askAll({ a: FORM, b: QUESTIONS.look ?? FORM });
        return { ...first, c: await ask('c', QUESTIONS.think?.method ?? '', QUESTIONS.think?.params) };
      });
      return withPeers(rounds(server, script), async (bed) => {
        const agent = await bed.agent(agentFamily, {
          capabilities: ABLE,
          answer: ({ method }) => Object.values(QUESTIONS).find((each) => each.method === method)?.answer ?? {},
        });
        const reply = await agent.complete('tools/call', CALL);
        const { a, b, c } = told(reply);
        assert.deepEqual(
          [a?.result, b?.result, c?.result],
          [FORM.answer, QUESTIONS.look?.answer, QUESTIONS.think?.answer],
        );
        const { session_id } = receiptOf(reply);
        await bed.endSession(agent, session_id);
        const entries = await bed.entries(session_id, 'CANARY');
        const asks = entries.filter(({ entry_type }) => entry_type === 'mcp_request').map(({ action }) => action);
        const twice = agentFamily === 'modern' && server === 'modern' ? 2 : 1;
        assert.equal(asks.length, 3 * twice);
        assert.equal(asks.filter((action) => action === 'sample').length, twice);
        if (twice === 2) {
          assert.deepEqual(
            entries.filter(({ entry_type }) => entry_type === 'tool_call').map(({ detail }) => detail?.asks ?? 0),
            [2, 1, 0],
          );
        }
      });
    });

    test(`reading a resource or getting a prompt can ask as a call can: ${agentFamily} agent, ${server} server [MCP26-28]`, () =>
      withPeers(
        rounds(server, (peer) => {
          peer.on('resources/read', async ({ params, ask }) => {
            const { result } = await ask('q', FORM.method, FORM.params);
            return { contents: [{ uri: params.uri, text: JSON.stringify(result) }] };
          });
          peer.on('prompts/get', async ({ ask }) => {
            const { result } = await ask('q', FORM.method, FORM.params);
            return { messages: [{ role: 'user', content: { type: 'text', text: JSON.stringify(result) } }] };
          });
        }),
        async (bed) => {
          const agent = await bed.agent(agentFamily, { capabilities: ABLE, answer: () => FORM.answer });
          const read = await agent.complete('resources/read', { uri: 'note:///guide' });
          assert.equal(JSON.stringify(read.result?.contents).includes('CANARY-answer'), true);
          const got = await agent.complete('prompts/get', { name: 'explain' });
          assert.equal(JSON.stringify(got.result?.messages).includes('CANARY-answer'), true);
          const { session_id } = receiptOf(got);
          await bed.endSession(agent, session_id);
          const entries = await bed.entries(session_id, 'CANARY');
          assert.deepEqual(
            entries.filter(({ action }) => action === 'elicit').map(({ tool_name }) => tool_name),
            agentFamily === 'modern' && server === 'modern'
              ? ['guide', 'guide', 'explain', 'explain']
              : ['guide', 'explain'],
          );
        },
      ));
  }
}

test('answers that are brought along are passed on only as far as they are asked for', () =>
  withPeers(rounds('modern'), async (bed) => {
    const agent = await able(bed);
    const inputResponses = { q: FORM.answer, more: { action: 'accept', content: { x: 'CANARY-more' } } };
    const reply = await agent.request('tools/call', { ...CALL, inputResponses });
    assert.deepEqual(told(reply).q?.result, FORM.answer);
    assert.equal(JSON.stringify(bed.peer.received.items).includes('CANARY-more'), false);
    assert.equal(
      Object.hasOwn(bed.peer.sent('tools/call')[0] ?? {}, 'inputResponses'),
      false,
      'nothing before it is asked',
    );
    const { session_id } = receiptOf(reply);
    await bed.endSession(agent, session_id);
    assert.deepEqual(
      (await bed.entries(session_id, 'CANARY')).map(({ action }) => action),
      ['elicit', 'elicit', 'call_tool'],
    );
  }));

test('a server that never stops asking is given up [LIFE-05]', () =>
  withPeers(
    rounds('modern', (peer) => {
      let round = 0;
      peer.on('tools/call', () => {
        round += 1;
        return {
          resultType: 'input_required',
          inputRequests: { [`q${round}`]: { method: FORM.method, params: FORM.params } },
        };
      });
    }),
    async (bed) => {
      const agent = await bed.agent('handshake', { capabilities: ABLE, answer: () => FORM.answer });
      assert.equal(codeOf(await agent.request('tools/call', CALL)), 'UPSTREAM_PROTOCOL_ERROR');
      assert.ok(bed.peer.sent('tools/call').length <= 32);
    },
  ));

test('what a client no longer declares when it comes back is not taken from it [MCP26-28]', () =>
  withPeers(rounds('modern'), async (bed) => {
    const agent = await able(bed);
    const back = await agent.answers((await agent.request('tools/call', CALL)).result ?? {});
    agent.capabilities = {};
    const reply = await agent.request('tools/call', { ...CALL, ...back });
    assert.equal(codeOf(reply), 'ASK_REFUSED');
    assert.equal(bed.peer.sent('tools/call').length, 1);
    const { session_id } = receiptOf(reply);
    await bed.endSession(agent, session_id);
    assert.deepEqual(
      (await bed.entries(session_id, 'CANARY'))
        .slice(2)
        .map(({ action, policy_decision }) => [action, policy_decision]),
      [
        ['elicit', 'deny'],
        ['call_tool', 'deny'],
      ],
    );
  }));

test('what a server may no longer ask when the client comes back is not passed on to it', () =>
  withPeers(rounds('modern'), async (bed) => {
    const agent = await able(bed);
    const back = await agent.answers((await agent.request('tools/call', CALL)).result ?? {});
    await bed.approve(rounds('modern', undefined, { servers: { main: { family: 'modern', asks: [] } } }));
    await bed.gateway.reload();
    assert.equal(codeOf(await agent.request('tools/call', { ...CALL, ...back })), 'ASK_REFUSED');
    assert.equal(bed.peer.sent('tools/call').length, 1);
  }));

test('what is brought along answers one question, not every later one under the same key', () =>
  withPeers(
    rounds('modern', (peer) => {
      let round = 0;
      peer.on('tools/call', () => {
        round += 1;
        if (round === 3) return { content: [] };
        return { resultType: 'input_required', inputRequests: { q: { method: FORM.method, params: FORM.params } } };
      });
    }),
    async (bed) => {
      const agent = await able(bed);
      const reply = await agent.request('tools/call', { ...CALL, inputResponses: { q: FORM.answer } });
      assert.equal(reply.result?.resultType, 'input_required');
      assert.equal(bed.peer.sent('tools/call').length, 2);
    },
  ));
