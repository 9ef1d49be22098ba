import assert from 'node:assert/strict';
import { test } from 'node:test';
import { but, canonicalDigest, codeOf, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { PeerError, type PeerServer } from './support/peer-server.ts';
import { FAMILIES, type Family } from './support/wire.ts';

const CANARY = 'CANARY-of-the-content';
const GUIDE = 'note:///guide.md';
const NOTE = 'note:///by-id/CANARY-7';
const CONTENTS = [{ uri: GUIDE, text: CANARY }];

const reading = (peer: PeerServer): void => {
  peer.on('resources/read', ({ params }) => ({ contents: [{ uri: params.uri, text: CANARY }] }));
};

const notes = (server: Family = 'handshake', changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { family: server, script: reading } },
  resources: {
    guide: { uri: GUIDE },
    note: { template: 'note:///by-id/{id}', sensitivity: 'pii' },
    closed: { uri: 'note:///closed' },
  },
  tools: { publish: { destination_class: 'external' } },
  ...changes,
});

for (const agentFamily of FAMILIES) {
  for (const serverFamily of FAMILIES) {
    test(`a resource is read with one entry: ${agentFamily} agent, ${serverFamily} server [MCP26-38]`, () =>
      withPeers(notes(serverFamily), async (bed) => {
        const agent = await bed.agent(agentFamily);
        const fixed = await agent.request('resources/read', { uri: GUIDE });
        assert.deepEqual(fixed.result?.contents, CONTENTS);
        const matched = await agent.request('resources/read', { uri: NOTE });
        assert.equal(receiptOf(fixed).session_id, receiptOf(matched).session_id);
        const { session_id } = receiptOf(fixed);
        await bed.endSession(agent, session_id);
        const entries = await bed.entries(session_id, CANARY, NOTE);
        assert.deepEqual(
          entries.map((entry) => [entry.entry_type, entry.action, entry.tool_name, entry.policy_decision]),
          [
            ['mcp_request', 'read_resource', 'guide', 'allow'],
            ['mcp_request', 'read_resource', 'note', 'allow'],
          ],
        );
        assert.deepEqual(
          entries.map(({ call_id }) => call_id),
          [receiptOf(fixed).call_id, receiptOf(matched).call_id],
        );
        for (const entry of entries) {
          assert.equal(entry.policy_ids?.length, 1);
          assert.match(String(entry.response_payload_hash), /^sha256:/);
          assert.equal(entry.caller, 'agent');
        }
        assert.deepEqual(
          entries.map((entry) => entry.session_sensitivity_after),
          ['public', 'pii'],
        );
      }));
  }

  test(`what no permit allows to be read is denied before its server is asked: ${agentFamily} agent`, () =>
    withPeers(
      notes('handshake', {
        policies: {
          'one.cedar':
            '@id("only-notes") permit (principal, action == Action::"read_resource", resource == McpResource::"note");',
        },
      }),
      async (bed) => {
        const agent = await bed.agent(agentFamily);
        const denied = await agent.request('resources/read', { uri: GUIDE });
        assert.equal(codeOf(denied), 'POLICY_DENY');
        assert.ok((await agent.request('resources/read', { uri: NOTE })).result);
        assert.equal(bed.peer.sent('resources/read').length, 1);
        const { session_id } = receiptOf(denied);
        await bed.endSession(agent, session_id);
        const entries = await bed.entries(session_id, CANARY, NOTE);
        assert.deepEqual(
          entries.map((entry) => [entry.policy_decision, entry.policy_rule_matched, entry.policy_ids]),
          [
            ['deny', 'default_deny', []],
            ['allow', 'only-notes', ['only-notes']],
          ],
        );
      },
    ));

  test(`a URI that is not approved, or that leads out of a pattern, is no resource: ${agentFamily} agent [MCP26-38]`, () =>
    withPeers(notes(), async (bed) => {
      const agent = await bed.agent(agentFamily);
      const unknown = [
        'note:///other',
        'note:///by-id/../guide.md',
        'note:///by-id/%2e%2e/guide.md',
        'note:///by-id/7/../../guide.md',
        'note:///by-id/a%2Fb',
        'note:///by-id/',
        'NOTE:///guide.md',
        'note:///guide.md#part',
        'note:///guide.md ',
        'file:///etc/passwd',
      ];
      let session = '';
      for (const uri of unknown) {
        const reply = await agent.request('resources/read', { uri });
        assert.equal(codeOf(reply), 'RESOURCE_NOT_IN_CATALOG', uri);
        assert.equal(reply.error?.code, agentFamily === 'modern' ? -32602 : -32002, uri);
        assert.equal(reply.error?.data?.uri, uri);
        session = receiptOf(reply).session_id;
      }
      assert.deepEqual(bed.peer.sent('resources/read'), []);
      await bed.endSession(agent, session);
      const entries = await bed.entries(session);
      assert.equal(entries.length, unknown.length);
      for (const entry of entries) {
        assert.equal(entry.policy_decision, 'deny');
        assert.equal(entry.policy_rule_matched, 'resource_not_in_catalog');
        assert.equal(entry.entry_type, 'mcp_request');
      }
    }));
}

test('a forbid that looks at the URI, or at what the agent has seen, denies', () =>
  withPeers(
    notes('handshake', {
      policies:
        but(`@id("not-nine") forbid (principal, action == Action::"read_resource", resource) when { context.uri like "*/9" };
@id("clean-only") @advice("start over") forbid (principal, action == Action::"read_resource", resource == McpResource::"guide")
when { context.session.max_class_rank >= 1 };`),
    }),
    async (bed) => {
      const agent = await bed.agent('handshake');
      assert.ok((await agent.request('resources/read', { uri: GUIDE })).result);
      assert.equal(codeOf(await agent.request('resources/read', { uri: 'note:///by-id/9' })), 'POLICY_DENY');
      assert.ok((await agent.request('resources/read', { uri: GUIDE })).result, 'a denied read shows nothing');
      assert.ok((await agent.request('resources/read', { uri: 'note:///by-id/8' })).result);
      const denied = await agent.request('resources/read', { uri: GUIDE });
      assert.equal(codeOf(denied), 'POLICY_DENY');
      assert.deepEqual(denied.error?.data?.advice, { advice: 'start over' });
      const { session_id } = receiptOf(denied);
      await bed.endSession(agent, session_id);
      const ids = (await bed.entries(session_id, CANARY)).map((entry) => entry.policy_ids?.join());
      assert.deepEqual(
        ids.filter((id) => id === 'not-nine' || id === 'clean-only'),
        ['not-nine', 'clean-only'],
      );
    },
  ));

test('reading raises the exposure to the sensitivity of the resource, which then keeps the agent from writing outside', () =>
  withPeers(
    notes('modern', {
      policies: but(
        '@id("stays-inside") forbid (principal, action in Action::"call_tool", resource) when { resource.destination_class == "external" && context.session.max_class_rank >= 1 };',
      ),
      servers: {
        main: {
          family: 'modern',
          script: (peer) => {
            reading(peer);
            peer.on('tools/call', () => ({ content: [] }));
          },
        },
      },
    }),
    async (bed) => {
      const agent = await bed.agent('modern');
      await agent.request('resources/read', { uri: GUIDE });
      assert.ok((await agent.request('tools/call', { name: 'publish', arguments: {} })).result);
      await agent.request('resources/read', { uri: NOTE });
      const denied = await agent.request('tools/call', { name: 'publish', arguments: {} });
      assert.equal(codeOf(denied), 'POLICY_DENY');
      const { session_id } = receiptOf(denied);
      await bed.endSession(agent, session_id);
      const last = (await bed.entries(session_id)).at(-1);
      assert.deepEqual(last?.policy_ids, ['stays-inside']);
      assert.equal(last?.entry_type, 'tool_call');
    },
  ));

test('an answer that policy withholds is not released, counts as seen nowhere, and its digest is in the entry', () =>
  withPeers(
    notes('handshake', {
      policies: but(
        '@id("too-much") forbid (principal, action == Action::"read_resource", resource) when { context has response && context.response.class == "pii" };',
      ),
    }),
    async (bed) => {
      const agent = await bed.agent('handshake');
      const denied = await agent.request('resources/read', { uri: NOTE });
      assert.equal(codeOf(denied), 'EGRESS_DENIED');
      assert.equal(agent.bodies.join().includes(CANARY), false);
      const { session_id } = receiptOf(denied);
      await bed.endSession(agent, session_id);
      const [entry] = await bed.entries(session_id, CANARY, NOTE);
      assert.equal(entry?.entry_type, 'mcp_request');
      assert.equal(entry?.policy_decision, 'deny');
      assert.deepEqual(entry?.policy_ids, ['too-much']);
      assert.equal(entry?.detail?.error_code, 'EGRESS_DENIED');
      assert.equal(entry?.session_sensitivity_after, 'public');
      assert.match(String(entry?.response_payload_hash), /^sha256:/);
    },
  ));

for (const agentFamily of FAMILIES) {
  test(`pinned content passes, other content is drift and is withheld, said once in the chain: ${agentFamily} agent`, () =>
    withPeers(
      notes('handshake', { resources: { guide: { uri: GUIDE, digest: canonicalDigest(CONTENTS) } } }),
      async (bed) => {
        const agent = await bed.agent(agentFamily);
        assert.deepEqual((await agent.request('resources/read', { uri: GUIDE })).result?.contents, CONTENTS);
        bed.peer.on('resources/read', () => ({ contents: [{ uri: GUIDE, text: 'CHANGED' }] }));
        for (let n = 0; n < 2; n += 1) {
          assert.equal(codeOf(await agent.request('resources/read', { uri: GUIDE })), 'CATALOG_DRIFT');
        }
        assert.equal(agent.bodies.join().includes('CHANGED'), false);
        bed.peer.on('resources/read', () => ({ contents: CONTENTS }));
        const again = await agent.request('resources/read', { uri: GUIDE });
        assert.ok(again.result, 'what is pinned is compared each time');
        const { session_id } = receiptOf(again);
        await bed.endSession(agent, session_id);
        const entries = await bed.entries(session_id, CANARY, 'CHANGED');
        assert.deepEqual(
          entries.map((entry) => entry.policy_rule_matched),
          [entries[0]?.policy_rule_matched, 'catalog_drift', 'catalog_drift', entries[0]?.policy_rule_matched],
        );
        const drift = await bed.others(session_id, 'catalog_drift');
        assert.deepEqual(
          drift.map(({ action, tool_name, detail }) => [action, tool_name, detail?.classification]),
          [['read_resource', 'guide', 'content']],
        );
      },
    ));
}

test('a resource of one server is never asked of another, whatever that other lists', () =>
  withPeers(
    {
      servers: { main: { script: reading }, other: { script: reading } },
      resources: { guide: { uri: GUIDE }, theirs: { uri: 'other:///x', server: 'other' } },
    },
    async (bed) => {
      const agent = await bed.agent('handshake');
      await agent.request('resources/read', { uri: GUIDE });
      await agent.request('resources/read', { uri: 'other:///x' });
      assert.deepEqual(
        bed.peer.sent('resources/read').map(({ uri }) => uri),
        [GUIDE],
      );
      assert.deepEqual(
        bed.peers.other?.sent('resources/read').map(({ uri }) => uri),
        ['other:///x'],
      );
    },
  ));

test('over stdio the same: a server that is a child reads for an agent of either family', () =>
  withPeers(notes('handshake', { servers: { main: { transport: 'stdio', script: reading } } }), async (bed) => {
    for (const family of FAMILIES) {
      const agent = await bed.agent(family);
      assert.deepEqual((await agent.request('resources/read', { uri: GUIDE })).result?.contents, CONTENTS);
    }
  }));

test("a server's own error passes with its code, message and data, and is entered as a fault of the server", () =>
  withPeers(
    {
      resources: { guide: { uri: GUIDE } },
      servers: {
        main: {
          script: (peer) =>
            peer.on('resources/read', () =>
              Promise.reject(new PeerError({ code: -32050, message: 'not today', data: { why: CANARY } })),
            ),
        },
      },
    },
    async (bed) => {
      const agent = await bed.agent('modern');
      const reply = await agent.request('resources/read', { uri: GUIDE });
      assert.equal(reply.error?.message, 'not today');
      assert.equal(reply.error?.data?.why, CANARY);
      const { session_id } = receiptOf(reply);
      await bed.endSession(agent, session_id);
      const [entry] = await bed.entries(session_id, CANARY);
      assert.equal(entry?.policy_decision, 'fault');
      assert.equal(entry?.policy_rule_matched, 'upstream:UPSTREAM_TOOL_ERROR');
    },
  ));
