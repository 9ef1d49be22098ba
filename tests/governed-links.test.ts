import assert from 'node:assert/strict';
import { test } from 'node:test';
import { but, codeOf, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { FAMILIES, type Family, type Values } from './support/wire.ts';

const NOTE = '[A resource was withheld: it is not in the approved catalog, or policy does not let this agent read it.]';
const withheld = { type: 'text', text: NOTE };
const text = { type: 'text', text: 'kept' };
const link = (uri: string): Values => ({ type: 'resource_link', uri, name: 'CANARY-link' });
const embedded = (uri: string): Values => ({ type: 'resource', resource: { uri, text: 'CANARY-embedded' } });

const answering = (content: unknown[]) => (peer: PeerServer) => {
  peer.on('tools/call', () => ({ content }));
};

const linked = (content: unknown[], server: Family = 'handshake', changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { family: server, script: answering(content) }, other: { script: answering([]) } },
  tools: { search: { effects: 'read' }, publish: { destination_class: 'external', server: 'other' } },
  resources: {
    open: { uri: 'note:///open' },
    note: { template: 'note:///by-id/{id}', sensitivity: 'pii' },
    theirs: { uri: 'other:///open', server: 'other' },
  },
  ...changes,
});

const search = { name: 'search', arguments: {} };

for (const agentFamily of FAMILIES) {
  for (const server of FAMILIES) {
    test(`links and embedded resources that are not approved for the server are replaced and counted: ${agentFamily} agent, ${server} server [ATK-04]`, () =>
      withPeers(
        linked(
          [
            text,
            link('note:///open'),
            link('note:///unknown'),
            embedded('note:///unknown'),
            link('other:///open'),
            link('note:///by-id/../open'),
            { type: 'resource', resource: { text: 'CANARY-without-uri' } },
            { type: 'resource_link', name: 'CANARY-without-uri' },
          ],
          server,
        ),
        async (bed) => {
          const agent = await bed.agent(agentFamily);
          const reply = await agent.request('tools/call', search);
          const { content } = reply.result ?? {};
          assert.deepEqual(content, [text, link('note:///open'), ...Array.from({ length: 6 }, () => withheld)]);
          assert.equal(agent.bodies.join().includes('CANARY-embedded'), false);
          const { session_id } = receiptOf(reply);
          await bed.endSession(agent, session_id);
          const [entry] = await bed.entries(session_id, 'CANARY');
          assert.equal(entry?.policy_decision, 'redact');
          assert.equal(entry?.detail?.links_withheld, 6);
        },
      ));
  }
}

test('a link that policy does not let this agent read is replaced, one that it does is not', () =>
  withPeers(
    linked([link('note:///open'), embedded('note:///by-id/7')], 'handshake', {
      policies: but('forbid (principal, action == Action::"read_resource", resource == McpResource::"open");'),
    }),
    async (bed) => {
      const agent = await bed.agent('handshake');
      const { result } = await agent.request('tools/call', search);
      assert.deepEqual(result?.content, [withheld, embedded('note:///by-id/7')]);
    },
  ));

test('what is carried of a resource counts as that resource seen; what is withheld does not', () =>
  withPeers(
    linked([embedded('note:///by-id/7')], 'handshake', {
      policies: but(`forbid (principal, action in Action::"call_tool", resource)
when { resource.destination_class == "external" && context.session.max_class_rank >= 1 };`),
    }),
    async (bed) => {
      const agent = await bed.agent('handshake');
      const publish = () => agent.request('tools/call', { name: 'publish', arguments: {} });
      assert.ok((await publish()).result);
      const reply = await agent.request('tools/call', search);
      assert.equal(codeOf(await publish()), 'POLICY_DENY');
      const { session_id } = receiptOf(reply);
      await bed.endSession(agent, session_id);
      const entry = (await bed.entries(session_id, 'CANARY'))[1];
      assert.equal(entry?.policy_decision, 'allow');
      assert.equal(entry?.session_sensitivity_after, 'pii');
    },
  ));

test('the digest in the entry covers what was sent: the same as of a server that sent just that', async () => {
  const digestOf = (content: unknown[]): Promise<unknown> => {
    const digest = Promise.withResolvers<unknown>();
    return withPeers(linked(content, 'handshake', { config: 'audit: { digests: plain }' }), async (bed) => {
      const agent = await bed.agent('handshake');
      const { session_id } = receiptOf(await agent.request('tools/call', search));
      await bed.endSession(agent, session_id);
      digest.resolve((await bed.entries(session_id))[0]?.response_payload_hash);
    }).then(() => digest.promise);
  };
  const [sent, same] = [await digestOf([text, link('note:///unknown')]), await digestOf([text, withheld])];
  assert.equal(sent, same);
});

for (const agentFamily of FAMILIES) {
  test(`a prompt that carries what is not approved is redacted too: ${agentFamily} agent`, () =>
    withPeers(
      {
        prompts: { explain: {} },
        servers: {
          main: {
            script: (peer) => {
              peer.on('prompts/get', () => ({
                messages: [
                  { role: 'user', content: embedded('note:///unknown') },
                  { role: 'user', content: text },
                ],
              }));
            },
          },
        },
      },
      async (bed) => {
        const agent = await bed.agent(agentFamily);
        const reply = await agent.request('prompts/get', { name: 'explain' });
        assert.deepEqual(reply.result?.messages, [
          { role: 'user', content: withheld },
          { role: 'user', content: text },
        ]);
        const { session_id } = receiptOf(reply);
        await bed.endSession(agent, session_id);
        assert.equal((await bed.entries(session_id, 'CANARY'))[0]?.policy_decision, 'redact');
      },
    ));

  test(`contents of other resources than the one that is read are released only where they may be read: ${agentFamily} agent`, () =>
    withPeers(
      linked([], 'handshake', {
        servers: {
          main: {
            script: (peer) => {
              peer.on('resources/read', ({ params }) => ({
                contents: [
                  ...(params.uri === 'note:///by-id/none' ? [] : [{ uri: params.uri, text: 'asked' }]),
                  { uri: 'note:///unknown', text: 'CANARY-other' },
                  ...(params.uri === 'note:///open' ? [{ uri: 'note:///by-id/7', text: 'also' }] : []),
                ],
              }));
            },
          },
          other: {},
        },
      }),
      async (bed) => {
        const agent = await bed.agent(agentFamily);
        const reply = await agent.request('resources/read', { uri: 'note:///open' });
        assert.deepEqual(reply.result?.contents, [
          { uri: 'note:///open', text: 'asked' },
          { uri: 'note:///by-id/7', text: 'also' },
        ]);
        const none = await agent.request('resources/read', { uri: 'note:///by-id/none' });
        assert.equal(codeOf(none), 'EGRESS_DENIED');
        assert.equal(agent.bodies.join().includes('CANARY-other'), false);
        const { session_id } = receiptOf(reply);
        await bed.endSession(agent, session_id);
        const entries = await bed.entries(session_id, 'CANARY');
        assert.deepEqual(
          entries.map(({ policy_decision, session_sensitivity_after }) => [policy_decision, session_sensitivity_after]),
          [
            ['redact', 'pii'],
            ['deny', 'pii'],
          ],
        );
      },
    ));
}
