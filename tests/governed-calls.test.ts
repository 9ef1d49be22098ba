import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callMeta } from './support/calls.ts';
import { codeOf, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { PeerError } from './support/peer-server.ts';
import { FAMILIES, type Family } from './support/wire.ts';

const definition = {
  inputSchema: { type: 'object', properties: { amount: { type: 'integer' } }, required: ['amount'] },
};

const setup = (server: Family, changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { family: server, script: (peer) => peer.on('tools/call', () => ({ content: [] })) } },
  tools: { pay: { definition, sensitivity: 'pii' } },
  resources: { guide: { uri: 'note:///guide' } },
  ...changes,
});

for (const agentFamily of FAMILIES) {
  for (const server of FAMILIES) {
    test(`arguments that do not fit are told to the model as a result of the tool, and never a value of them: ${agentFamily} agent, ${server} server [MCP25-15]`, () =>
      withPeers(setup(server), async (bed) => {
        const agent = await bed.agent(agentFamily);
        const { result } = await agent.request('tools/call', { name: 'pay', arguments: { amount: 'CANARY' } });
        assert.equal(result?.isError, true);
        assert.match(JSON.stringify(result?.content), /amount/);
        assert.equal(agent.bodies.join().includes('CANARY'), false);
        const meta = callMeta(result ?? {});
        assert.equal((meta as unknown as Record<string, unknown>).error_code, 'ARGUMENTS_REFUSED');
        assert.deepEqual(bed.peer.sent('tools/call'), []);
        await bed.endSession(agent, meta.session_id);
        const [entry] = await bed.entries(meta.session_id, 'CANARY');
        assert.deepEqual(
          [entry?.entry_type, entry?.policy_decision, entry?.detail?.error_code],
          ['tool_call', 'deny', 'ARGUMENTS_REFUSED'],
        );
      }));

    test(`a server's own error reaches the agent with code, message and data, as an entered fault that counts as seen: ${agentFamily} agent, ${server} server`, () =>
      withPeers(
        setup(server, {
          servers: {
            main: {
              family: server,
              script: (peer) => {
                peer.on('tools/call', () =>
                  Promise.reject(new PeerError({ code: -32000 - 7, message: 'CANARY-why', data: { retry: 'CANARY' } })),
                );
              },
            },
          },
        }),
        async (bed) => {
          const agent = await bed.agent(agentFamily);
          const reply = await agent.request('tools/call', { name: 'pay', arguments: { amount: 1 } });
          if (agentFamily === 'handshake') assert.equal(reply.error?.code, -32007);
          assert.equal(reply.error?.message, 'CANARY-why');
          assert.equal(reply.error?.data?.retry, 'CANARY');
          assert.deepEqual(reply.error?.data?.upstream, {
            code: -32007,
            message: 'CANARY-why',
            data: { retry: 'CANARY' },
          });
          assert.equal(codeOf(reply), 'UPSTREAM_TOOL_ERROR');
          const { session_id } = receiptOf(reply);
          await bed.endSession(agent, session_id);
          const [entry] = await bed.entries(session_id, 'CANARY');
          assert.deepEqual(
            [entry?.entry_type, entry?.policy_decision, entry?.session_sensitivity_after],
            ['fault', 'fault', 'pii'],
          );
          assert.match(String(entry?.response_payload_hash), /^sha256:/);
        },
      ));
  }

  test(`a method that is not governed is refused and entered: ${agentFamily} agent [MCP26-44]`, () =>
    withPeers(setup('handshake'), async (bed) => {
      const agent = await bed.agent(agentFamily);
      const reply = await agent.request('invented/method', { secret: 'CANARY' });
      assert.deepEqual([codeOf(reply), reply.error?.code], ['METHOD_NOT_GOVERNED', -32601]);
      const { session_id } = receiptOf(reply);
      await bed.endSession(agent, session_id);
      const [entry] = await bed.entries(session_id, 'CANARY');
      assert.deepEqual(
        [entry?.entry_type, entry?.action, entry?.policy_decision],
        ['mcp_request', 'invented/method', 'deny'],
      );
    }));

  test(`a class that the agent declares raises the exposure, an unknown one is refused, for every kind of request: ${agentFamily} agent`, () =>
    withPeers(
      setup('handshake', {
        servers: {
          main: {
            script: (peer) => {
              peer.on('resources/read', ({ params }) => ({ contents: [{ uri: params.uri, text: '' }] }));
            },
          },
        },
      }),
      async (bed) => {
        const agent = await bed.agent(agentFamily);
        const read = (data_class: string) =>
          agent.request('resources/read', { uri: 'note:///guide' }, { 'io.cmcp/call': { data_class } });
        assert.equal(codeOf(await read('invented')), 'UNKNOWN_DATA_CLASS');
        const { session_id } = receiptOf(await read('mnpi'));
        await bed.endSession(agent, session_id);
        const entries = await bed.entries(session_id);
        assert.deepEqual(
          entries.map((entry) => [entry.policy_decision, entry.session_sensitivity_after]),
          [
            ['deny', 'public'],
            ['allow', 'mnpi'],
          ],
        );
      },
    ));
}
